"""deploy/kubernetes as far as it can be checked without a cluster: what Kustomize makes of it is
what the schemas of Kubernetes and of the operators allow, and agrees with the code.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from configparser import ConfigParser
from copy import deepcopy
from dataclasses import fields
from ipaddress import ip_address, ip_network
from random import Random
from typing import Any

import pytest
import yaml
from gunicorn.config import GracefulTimeout

import settings
from bot import environment
from providers.addresses import is_public
from settings import Settings, databases
from spec import CONTRACT
from tests.deploy.kubernetes import FOLDER, OVERLAYS, Manifest, built, faults, one
from tests.house.code import ROOT
from tests.house.series import METRIC, RULES, shown
from worker import loop, remote

COMPONENT = "app.kubernetes.io/component"
PROGRAMS = {"web", "worker", "console", "migrate"}  # which read the settings
COMPONENTS = PROGRAMS | {"bot"}
FIELDS = {each.name.upper(): each for each in fields(Settings)}
# What our code does not count on itself: seconds for a slow database, a busy machine.
AIR_SECONDS = 5


def pods(overlay: str) -> Iterator[tuple[str, Manifest]]:
    """Each component of ours and what its pods are."""
    for each in built(overlay):
        if each["kind"] in ("Deployment", "Job"):
            yield each["metadata"]["labels"][COMPONENT], each["spec"]["template"]["spec"]


def pod(component: str, overlay: str = "small") -> Manifest:
    return dict(pods(overlay))[component]


def main_of(component: str, overlay: str = "small") -> Manifest:
    (container,) = pod(component, overlay)["containers"]
    return container


def variables(overlay: str, component: str) -> dict[str, str]:
    """What a process finds in its environment, as far as it is known; secrets are `(secret)`."""
    container = main_of(component, overlay)
    found: dict[str, str] = {}
    for source in container.get("envFrom", []):
        if "configMapRef" in source:
            found |= one(overlay, "ConfigMap", source["configMapRef"]["name"])["data"]
        else:
            found |= dict.fromkeys(secret_names(overlay), "(secret)")
    for each in container.get("env", []):
        found[each["name"]] = each.get("value", "(secret)")
    return found


def secret_names(overlay: str) -> list[str]:
    """Names in the Secret of ours: of the component, where an overlay has it by hand."""
    if overlay == "small":
        text = (FOLDER / "components/external-secrets/secret.yaml").read_text("utf-8")
        secret = yaml.safe_load(text)
    else:
        secret = one(overlay, "ExternalSecret", "livephoto")
    assert all(
        each["remoteRef"]["property"] == each["secretKey"] for each in secret["spec"]["data"]
    )
    return [each["secretKey"] for each in secret["spec"]["data"]]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_object_is_what_its_schema_allows(overlay: str) -> None:
    assert [fault for each in built(overlay) for fault in faults(each)] == []


@pytest.mark.parametrize(
    ("kind", "name", "path", "value", "said"),
    [
        ("Deployment", "web", "spec.template.spec.containers.0.readonly", True, "readonly"),
        (
            "Deployment",
            "web",
            "spec.template.spec.containers.0.ports.0.containerPort",
            None,
            "conta",
        ),
        ("Job", "migrate", "spec.backoffLimit", "two", "two"),
        ("NetworkPolicy", "public", "spec.podselector", {}, "podselector"),
        ("Cluster", "db", "spec.instances", None, "instances"),
        ("Cluster", "db", "spec.postgresql.synchronous.dataDurabilty", "required", "dataDurabilty"),
        ("Cluster", "db", "spec.postgresql.synchronous.method", None, "method"),
        ("Pooler", "db-pooler", "spec.pgbouncer.poolmode", "transaction", "poolmode"),
        ("ObjectStore", "backups", "spec.retention", "30d", "retention"),
        ("ObjectStore", "backups", "spec.configuration.destinationPath", None, "destinationPath"),
        ("ScheduledBackup", "nightly", "spec.schedule", 5, "5"),
        ("ScaledObject", "worker", "spec.triggers.0.metricsType", "Value", "metricsType"),
        ("ScaledObject", "worker", "spec.scaleTargetRef", None, "scaleTargetRef"),
        ("PodMonitor", "livephoto", "spec.selector", None, "selector"),
        ("ExternalSecret", "livephoto", "spec.data.0.secretKey", None, "secretKey"),
    ],
)
def test_a_field_that_is_unknown_missing_or_wrong_is_found(
    kind: str, name: str, path: str, value: Any, said: str
) -> None:
    manifest = deepcopy(one("cluster", kind, name))
    *way, last = path.split(".")
    place: Any = manifest
    for step in way:
        place = place[int(step) if step.isdecimal() else step]
    if value is None:
        del place[last]
    else:
        place[last] = value
    found = faults(manifest)
    assert found and said in " ".join(found)


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_settings_have_names_that_exist_and_production_lacks_none(overlay: str) -> None:
    for component in PROGRAMS:
        found = variables(overlay, component)
        made_here = {"DATABASE_USER", "DATABASE_PASSWORD"} & found.keys()
        assert found.keys() - made_here <= FIELDS.keys()
        filled = found | {name: a_secret(name) for name, value in found.items() if "(" in value}
        current = settings.read({name: filled[name] for name in filled.keys() & FIELDS.keys()})
        assert current.production and current.s3_bucket and current.metrics_token
        assert settings.missing_for_production(current) == []
    assert set(environment.REQUIRED) == variables(overlay, "bot").keys()


def a_secret(name: str) -> str:
    return "postgresql://u:p@db/livephoto" if name.startswith("DATABASE_") else "s" * 32


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_no_secret_is_among_the_settings_and_only_secrets_are_secret(overlay: str) -> None:
    (shared,) = (each for each in built(overlay) if each["kind"] == "ConfigMap")
    assert not any(FIELDS[name].metadata["secret"] for name in shared["data"])
    assert all(FIELDS[name].metadata["secret"] for name in secret_names(overlay))
    assert not any(each["kind"] == "Secret" for each in built(overlay))


def test_the_pooler_is_passed_by_where_a_session_is_needed() -> None:
    for component in PROGRAMS:
        found = variables("cluster", component)
        pooler, direct = found["DATABASE_URL"], found["DATABASE_DIRECT_URL"]
        assert databases.fault(pooler) is None and databases.fault(direct) is None
        assert [host for url in (pooler, direct) for host, _ in databases.hosts(url)] == [
            one("cluster", "Pooler", "db-pooler")["metadata"]["name"],
            f"{one('cluster', 'Cluster', 'db')['metadata']['name']}-rw",
        ]


def test_the_pooler_is_as_the_one_that_the_tests_run_with() -> None:
    tested = ConfigParser(inline_comment_prefixes=None)
    tested.read(ROOT / "deploy/pgbouncer/pgbouncer.ini")
    pooler = one("cluster", "Pooler", "db-pooler")["spec"]["pgbouncer"]
    assert pooler["poolMode"] == tested["pgbouncer"]["pool_mode"]
    for name, value in pooler["parameters"].items():
        assert value == tested["pgbouncer"][name], name


def test_a_commit_is_on_two_of_three_machines_before_it_is_acknowledged() -> None:
    spec = one("cluster", "Cluster", "db")["spec"]
    asked = {"method": "any", "number": 1, "dataDurability": "required", "failoverQuorum": True}
    assert (spec["instances"], spec["postgresql"]["synchronous"]) == (3, asked)
    assert spec["affinity"]["podAntiAffinityType"] == "required"
    (plugin,) = spec["plugins"]
    assert plugin["isWALArchiver"]
    store = one("cluster", "ObjectStore", plugin["parameters"]["barmanObjectName"])
    days = int(store["spec"]["retentionPolicy"].removesuffix("d"))
    assert days + 1 < 30, "docs/privacy.md: with the base backup before them"
    backup = one("cluster", "ScheduledBackup", "nightly")["spec"]
    assert backup["pluginConfiguration"]["name"] == plugin["name"]


def test_programs_have_the_time_to_stop_that_they_take() -> None:
    gunicorn = (ROOT / "gunicorn.conf.py").read_text("utf-8")
    (leave,) = re.findall(r"^LEAVE_SECONDS = (\d+) if current.production", gunicorn, re.M)
    (graceful,) = re.findall(r"^graceful_timeout = (\d+)$", gunicorn, re.M)
    before = main_of("web")["lifecycle"]["preStop"]["sleep"]["seconds"]
    needed = {
        "web": before + int(leave) + int(graceful),
        "worker": max(loop.GRACE_SECONDS, remote.GRACE_SECONDS) + AIR_SECONDS,
        "console": GracefulTimeout.default,
    }
    composed = yaml.safe_load((ROOT / "deploy/compose.yaml").read_text("utf-8"))["services"]
    for component, seconds in needed.items():
        assert pod(component)["terminationGracePeriodSeconds"] >= seconds + AIR_SECONDS
    assert int(composed["worker"]["stop_grace_period"].strip("s")) >= needed["worker"]


def test_probes_ask_what_answers_and_workers_are_asked_alike_everywhere() -> None:
    web = main_of("web")
    asked = {name: web[f"{name}Probe"]["httpGet"]["path"] for name in ("startup", "liveness")}
    assert set(asked.values()) == {"/api/v1/health/live"} <= set(CONTRACT["paths"])
    assert web["readinessProbe"]["httpGet"]["path"] == "/api/v1/health/ready"
    # A server has the time of its slowest start; one that leaves is out before it closes.
    assert web["startupProbe"]["periodSeconds"] * web["startupProbe"]["failureThreshold"] >= 60
    composed = yaml.safe_load((ROOT / "deploy/compose.yaml").read_text("utf-8"))["services"]
    worker = main_of("worker")
    command = worker["livenessProbe"]["exec"]["command"]
    assert command == worker["startupProbe"]["exec"]["command"] == ["python", "-m", "worker.check"]
    assert composed["worker"]["healthcheck"]["test"] == ["CMD", *command]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_pod_of_ours_may_do_little(overlay: str) -> None:
    dockerfile = (ROOT / "Dockerfile").read_text("utf-8")
    (uid,) = re.findall(r"useradd .*--uid (\d+)", dockerfile)
    assert {component for component, _ in pods(overlay)} == COMPONENTS
    for component, spec in pods(overlay):
        assert spec["automountServiceAccountToken"] is False, component
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["runAsUser"] == int(uid)
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        container = main_of(component, overlay)
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert {each["mountPath"] for each in container["volumeMounts"]} == {"/tmp", "/state"}
        assert container["resources"]["requests"].keys() >= {"cpu", "memory"}
        assert "memory" in container["resources"]["limits"]
        assert not container["image"].endswith(":latest") and ":" in container["image"]
    assert "STATE_DIR=/state" in dockerfile


def test_a_worker_has_the_memory_of_a_photo_and_more() -> None:
    limit = main_of("worker")["resources"]["limits"]["memory"]
    assert int(limit.removesuffix("Gi")) * 1024 >= Settings().engine_memory_mb + 512


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_whoever_is_named_by_a_label_a_port_or_an_account_is_there(overlay: str) -> None:
    said = json.dumps(built(overlay))
    named = set(re.findall(rf'"{COMPONENT}": "(\w+)"', said))
    for listed in re.findall(rf'"key": "{COMPONENT}", "operator": "In", "values": \[(.*?)\]', said):
        named |= {name.strip('" ') for name in listed.split(",")}
    assert named == COMPONENTS
    for _, spec in pods(overlay):
        assert one(overlay, "ServiceAccount", spec["serviceAccountName"])
    ports = {each["name"]: each["containerPort"] for each in main_of("web", overlay)["ports"]}
    assert variables(overlay, "web")["METRICS_ADDRESS"].endswith(f":{ports['metrics']}")
    assert f"PORT={ports['http']} " in (ROOT / "Dockerfile").read_text("utf-8")


def test_nothing_may_speak_to_anything_unless_it_is_said() -> None:
    denied = one("cluster", "NetworkPolicy", "default-deny")["spec"]
    assert denied == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


def test_from_a_pod_only_the_public_internet_can_be_reached_by_address() -> None:
    (rule,) = one("small", "NetworkPolicy", "public")["spec"]["egress"]
    assert {each["port"] for each in rule["ports"]} == {80, 443}
    blocks = [
        (ip_network(each["ipBlock"]["cidr"]), [*map(ip_network, each["ipBlock"]["except"])])
        for each in rule["to"]
    ]

    def may_go(text: str) -> bool:
        address = ip_address(text)
        return any(
            address in block and not any(address in hole for hole in holes)
            for block, holes in blocks
        )

    chance = Random(1)
    some = [str(ip_address(chance.getrandbits(32))) for _ in range(2000)]
    some += [str(ip_address(0x2 << 124 | chance.getrandbits(124))) for _ in range(500)]
    some += ["10.1.2.3", "169.254.169.254", "100.100.100.200", "192.0.0.192", "168.63.129.16"]
    some += ["fd00:ec2::254", "::1", "::ffff:10.0.0.1", "64:ff9b::a00:1", "2002:a00:1::"]
    assert [each for each in some if may_go(each) and not is_public(ip_address(each))] == []
    assert may_go("93.184.216.34") and may_go("2606:2800:220:1:248:1893:25c8:1946")


def test_workers_are_counted_by_metrics_that_there_are() -> None:
    known = shown()
    spec = one("cluster", "ScaledObject", "worker")["spec"]
    assert spec["minReplicaCount"] >= 1  # duties are done by workers
    assert "replicas" not in one("cluster", "Deployment", "worker")["spec"]
    for trigger in spec["triggers"]:
        ((name, matchers),) = METRIC.findall(trigger["metadata"]["query"])
        assert set(re.findall(r"(\w+)=", matchers)) <= known[name]
        assert trigger["metadata"]["query"].startswith("max(")
        assert trigger["metadata"]["ignoreNullValues"] == "false"


def test_the_alarms_are_a_prometheus_rule() -> None:
    head = {"apiVersion": "monitoring.coreos.com/v1", "kind": "PrometheusRule", "metadata": {}}
    assert faults(head | {"spec": RULES}) == []
    assert faults(head | {"spec": RULES | {"group": []}})
