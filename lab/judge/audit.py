"""`make audit`: known vulnerabilities of the Python packages that are locked with hashes,
according to OSV today. The judges' npm packages and those of lab/training/ are not checked.

Exit code 0: none. 1: some, printed with the versions that fix them. 2: the advisory service cannot
be reached; that is no verdict.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

ROOT = Path(__file__).parents[2]
TOOL = ROOT / "var/audit/venv/bin/pip-audit"
# The first has everything for the server, the engine and the tests, the second what an operator may
# add; the others are for these judges, Patroni, and the servers that this one is compared with.
PINNED = (
    "requirements/dev.txt",
    "requirements/observability.txt",
    "lab/judge/requirements.txt",
    "lab/judge/audit.txt",
    "lab/failover/requirements.txt",
    "requirements/bench.txt",
)
SECONDS = 900


def main() -> int:
    """Audit all lock files; arguments are passed on to pip-audit, such as --osv-url of a mirror."""
    findings: list[str] = []
    for name in PINNED:
        report = _audit(name)
        if report is None:
            return 2
        findings += (f"{name}: {each}" for each in found(report))
        click.echo(f"{name}: {len(report['dependencies'])} packages looked up")
    click.echo("\n".join(findings) or "No known vulnerabilities.")
    return 1 if findings else 0


def found(report: Mapping[str, Any]) -> Iterator[str]:
    """One line for each vulnerability of a report of pip-audit, and for each package it skipped."""
    for package in report["dependencies"]:
        if "skip_reason" in package:
            yield f"{package['name']} was not looked up: {package['skip_reason']}"
        for flaw in package.get("vulns", ()):
            names = " ".join([flaw["id"], *flaw.get("aliases", ())])
            fixed = ", ".join(flaw["fix_versions"]) or "no version"
            yield f"{package['name']} {package['version']}: {names}; fixed in {fixed}"


def _audit(name: str) -> dict[str, Any] | None:
    command = [str(TOOL), "--vulnerability-service", "osv", "--disable-pip", "--require-hashes"]
    command += ["--progress-spinner", "off", "--format", "json", "--requirement", name]
    ended = subprocess.run(
        [*command, *sys.argv[1:]],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    try:
        report: dict[str, Any] = json.loads(ended.stdout)
    except ValueError:
        reason = ended.stderr.strip().splitlines()[-1:] or ["pip-audit said nothing"]
        click.echo(f"{name} was NOT audited, the advisory service gave no answer: {reason[0]}")
        return None
    return report


if __name__ == "__main__":
    sys.exit(main())
