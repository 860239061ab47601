"""`make judge`: one line per judge; exit code 1 when one found something.

ARGS names some of them; when all have judged, their table goes to docs/quality.md.
"""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from itertools import chain

import click

from bench.page import put, table
from db import cluster
from judge import attacks, bots, clients, documents, payments
from judge.verdicts import WORK, FoundError
from local import Stack
from settings import Settings

READERS: Mapping[str, Callable[[], str]] = {
    "redocly": documents.redocly,
    "spectral": documents.spectral_oas,
    "owasp": documents.spectral_owasp,
    "openapi-spec-validator": documents.openapi_spec_validator,
    "given-contract": documents.given_contract,
    "last-release": documents.last_release,
    "generated-client": clients.generated_client,
}
CALLERS: Mapping[str, Callable[[Stack], str]] = {
    "client-story": clients.story,
    "stripe": payments.stripe_sdk,
    "yookassa": payments.yookassa_sdk,
    "telegram-bot": bots.forwarding_bot,
}
ATTACKERS: Mapping[str, Callable[[], str]] = {"schemathesis": attacks.schemathesis}
NAMES = [*READERS, *CALLERS, *ATTACKERS]


@click.command()
@click.argument("names", nargs=-1, type=click.Choice(NAMES))
def main(names: tuple[str, ...]) -> None:
    """Let the judges judge: all of them, or those that are named."""
    wanted = set(names or NAMES)
    verdicts: dict[str, str] = {}
    found = False
    for name, judge in chain(_chosen(READERS, wanted), _called(wanted), _chosen(ATTACKERS, wanted)):
        verdict = _heard(name, judge)
        if verdict is None:
            found = True
        else:
            verdicts[name] = verdict
    if len(verdicts) == len(NAMES):
        put("judge", table(["Judge", "Verdict"], [[*each] for each in verdicts.items()]))
    sys.exit(found)


def _chosen(
    judges: Mapping[str, Callable[[], str]], wanted: set[str]
) -> Iterator[tuple[str, Callable[[], str]]]:
    return ((name, judges[name]) for name in judges if name in wanted)


def _called(wanted: set[str]) -> Iterator[tuple[str, Callable[[], str]]]:
    """Judges of a running server, which runs as long as they are at it."""
    if not wanted & CALLERS.keys():
        return
    with _server() as stack:
        for name in CALLERS:
            if name in wanted:
                yield name, partial(CALLERS[name], stack)


@contextmanager
def _server() -> Iterator[Stack]:
    """ENVIRONMENT=test answers 500 where an answer differs from the contract."""
    folder = WORK / "state"
    shutil.rmtree(cluster.data_folder(folder / "postgres"), ignore_errors=True)
    shutil.rmtree(folder, ignore_errors=True)
    settings = Settings(environment="test", state_dir=folder, port=0, web_concurrency=1)
    with Stack(**vars(settings)) as stack:
        yield stack
        stack.cli("ledger", "check")  # StackError where the books are not whole


def _heard(name: str, judge: Callable[[], str]) -> str | None:
    """The verdict, printed; None when the judge found something."""
    started = time.monotonic()
    try:
        verdict = judge()
    except FoundError as finding:
        click.echo(f"FOUND  {name:<22}  {time.monotonic() - started:4.0f} s\n{finding}")
        return None
    click.echo(f"ok     {name:<22}  {time.monotonic() - started:4.0f} s  {verdict}")
    return verdict


if __name__ == "__main__":
    main()
