"""`make judge`: one line per judge; exit code 1 when one found something.

ARGS selects some of them; when all pass, their table goes to docs/quality.md.
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

from lab.bench.page import put, table
from lab.judge import attacks, bots, clients, documents, generators, payments
from lab.judge.verdicts import WORK, FoundError
from local.postgres import throwaway
from local.stack import Stack
from settings import Settings

DOCUMENT_JUDGES: Mapping[str, Callable[[], str]] = {
    "redocly": documents.redocly,
    "spectral": documents.spectral_oas,
    "owasp": documents.spectral_owasp,
    "openapi-spec-validator": documents.openapi_spec_validator,
    "given-contract": documents.given_contract,
    "last-release": documents.last_release,
    "generated-client": clients.generated_client,
    "openapi-generator": generators.openapi_generator,
    "openapi-typescript": generators.openapi_typescript,
}
SERVER_JUDGES: Mapping[str, Callable[[Stack], str]] = {
    "client-story": clients.story,
    "openapi-generator-story": generators.openapi_generator_story,
    "openapi-typescript-story": generators.openapi_typescript_story,
    "stripe": payments.stripe_sdk,
    "yookassa": payments.yookassa_sdk,
    "telegram-bot": bots.forwarding_bot,
}
FUZZERS: Mapping[str, Callable[[], str]] = {"schemathesis": attacks.schemathesis}
NAMES = [*DOCUMENT_JUDGES, *SERVER_JUDGES, *FUZZERS]


@click.command()
@click.argument("names", nargs=-1, type=click.Choice(NAMES))
def main(names: tuple[str, ...]) -> None:
    """Run all judges, or those that are named."""
    wanted = set(names or NAMES)
    verdicts: dict[str, str] = {}
    found = False
    for name, judge in chain(
        _select(DOCUMENT_JUDGES, wanted), _select_with_server(wanted), _select(FUZZERS, wanted)
    ):
        verdict = _run(name, judge)
        if verdict is None:
            found = True
        else:
            verdicts[name] = verdict
    if len(verdicts) == len(NAMES):
        put("judge", table(["Judge", "Verdict"], [[*each] for each in verdicts.items()]))
    sys.exit(found)


def _select(
    judges: Mapping[str, Callable[[], str]], wanted: set[str]
) -> Iterator[tuple[str, Callable[[], str]]]:
    return ((name, judges[name]) for name in judges if name in wanted)


def _select_with_server(wanted: set[str]) -> Iterator[tuple[str, Callable[[], str]]]:
    """Judges of a running server, which is kept up while they run."""
    if not wanted & SERVER_JUDGES.keys():
        return
    with _server() as stack:
        for name in SERVER_JUDGES:
            if name in wanted:
                yield name, partial(SERVER_JUDGES[name], stack)


@contextmanager
def _server() -> Iterator[Stack]:
    """With ENVIRONMENT=test it answers 500 where an answer differs from the contract."""
    folder = WORK / "state"
    throwaway.remove(folder / "postgres")
    shutil.rmtree(folder, ignore_errors=True)
    settings = Settings(environment="test", state_dir=folder, port=0, web_concurrency=1)
    with Stack(**vars(settings)) as stack:
        yield stack
        stack.cli("ledger", "check")  # StackError if the books are inconsistent


def _run(name: str, judge: Callable[[], str]) -> str | None:
    """Run a judge and print its verdict; None when it found something."""
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
