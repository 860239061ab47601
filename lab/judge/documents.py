"""Judges of the contract alone."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import yaml
from openapi_spec_validator import OpenAPIV31SpecValidator

from lab.judge.releases import losses
from lab.judge.verdicts import CONTRACT, HERE, FoundError, insist, run_tool

NODE = HERE / "node_modules/.bin"
RELEASED = HERE / "released-openapi.yaml"
# Judges send no telemetry.
QUIET = {"REDOCLY_TELEMETRY": "off", "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true"}


def redocly() -> str:
    """Redocly's recommended rules; warnings count as findings."""
    command = (NODE / "redocly", "lint", "../../spec/openapi.yaml", "--config", "redocly.yaml")
    output = run_tool(*command, "--format", "json", folder=HERE, changes=QUIET)
    totals = _report(output)["totals"]
    insist(totals["errors"] == totals["warnings"] == 0, output)
    return f"0 errors, 0 warnings, {totals['ignored']} exceptions with a reason"


def spectral_oas() -> str:
    """Spectral's rules for OpenAPI documents."""
    return _spectral("oas.yaml")


def spectral_owasp() -> str:
    """OWASP API Security Top 10 2023, as Spectral rules."""
    return _spectral("owasp.yaml")


def openapi_spec_validator() -> str:
    """The document against the meta-schema of OpenAPI 3.1, and its references."""
    document = yaml.safe_load(CONTRACT.read_text("utf-8"))
    found = [error.message for error in OpenAPIV31SpecValidator(document).iter_errors()]
    insist(not found, "\n".join(found))
    return f"valid OpenAPI {document['openapi']}"


def given_contract() -> str:
    """Compare with the contract as given, by tests/contract."""
    pytest = (Path(sys.executable).with_name("pytest"), "-q", "-p", "no:cacheprovider")
    output = run_tool(*pytest, "tests/contract/test_inventory.py")
    return f"nothing lost, {_passed(output)} comparisons and deliberate breakages"


def last_release() -> str:
    """Compare with the contract of the last release."""
    was, now = (yaml.safe_load(file.read_text("utf-8")) for file in (RELEASED, CONTRACT))
    broken = list(losses(was, now))
    insist(not broken, "\n".join(broken))
    return f"no break of {was['info']['version']}"


def _spectral(ruleset: str) -> str:
    command = (NODE / "spectral", "lint", "../../spec/openapi.yaml", "--ruleset", ruleset)
    output = run_tool(*command, "--fail-severity", "hint", "--format", "text", folder=HERE)
    insist("No results" in output, output)
    exceptions = (HERE / ruleset).read_text("utf-8").count(': "off"')
    return f"0 errors, 0 warnings, {exceptions} exceptions with a reason"


def _report(output: str) -> dict[str, Any]:
    """The JSON in a tool's output, which may have notices before and after it."""
    try:
        report: dict[str, Any] = json.JSONDecoder().raw_decode(output, output.index("{"))[0]
    except ValueError as error:
        raise FoundError(output) from error
    return report


def _passed(output: str) -> str:
    found = re.search(r"(\d+) passed", output)
    if found is None:
        raise FoundError(output)
    return found.group(1)
