"""The start-up check: contract and functions must match to the last argument."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from spec import CONTRACT, functions
from spec.functions import ContractError, Function, check, load
from spec.operations import operations_of, snake_case

LITTLE: dict[str, Any] = {
    "paths": {
        "/cats/{catId}": {
            "parameters": [{"$ref": "#/components/parameters/CatId"}],
            "get": {
                "operationId": "catsGet",
                "tags": ["Cats"],
                "parameters": [{"in": "query", "name": "withTail", "schema": {"type": "boolean"}}],
            },
            "put": {
                "operationId": "catsFeed",
                "tags": ["Cats"],
                "parameters": [
                    {"in": "header", "name": "Idempotency-Key", "schema": {"type": "string"}}
                ],
                "requestBody": {"content": {"application/json": {"schema": {"type": "object"}}}},
            },
        },
        "/dogs": {
            "post": {
                "operationId": "dogsPhoto",
                "tags": ["Dogs"],
                "requestBody": {
                    "content": {
                        "multipart/form-data": {
                            "schema": {
                                "properties": {
                                    "file": {"type": "string", "format": "binary"},
                                    "name": {"type": "string"},
                                }
                            }
                        }
                    }
                },
            }
        },
    },
    "components": {
        "parameters": {
            "CatId": {"in": "path", "name": "catId", "required": True, "schema": {"type": "string"}}
        }
    },
}
OPERATIONS = operations_of(LITTLE)
CATS = """
def cats_get(cat_id, with_tail): ...
def cats_feed(cat_id, body, idempotency_key): ...
def _private(): ...
"""
DOGS = "def dogs_photo(body, file): ..."


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package of handlers that matches LITTLE, for the test to change."""
    folder = tmp_path / "little_handlers"
    folder.mkdir()
    (folder / "cats.py").write_text(CATS)
    (folder / "dogs.py").write_text(DOGS)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield folder
    for name in [each for each in sys.modules if each.startswith("little_handlers")]:
        del sys.modules[name]


def problems(package: Path) -> tuple[str, ...]:
    with pytest.raises(ContractError) as caught:
        load(OPERATIONS, package.name)
    for problem in caught.value.problems:
        assert problem in str(caught.value)
    return caught.value.problems


def test_functions_that_match_are_found_by_name(package: Path) -> None:
    found = load(OPERATIONS, package.name)
    assert found.keys() == {"cats_get", "cats_feed", "dogs_photo"}


def test_the_projects_own_handlers_match_the_contract() -> None:
    operations = operations_of(CONTRACT)
    assert len(functions.load(operations)) == len(operations)


@pytest.mark.parametrize(
    ("file", "text", "named"),
    [
        ("dogs.py", "", "dogs_photo() is missing (POST /dogs)"),
        ("dogs.py", DOGS + "\ndef dogs_bark(): ...", "dogs_bark() has no operation"),
        ("dogs.py", DOGS + "\ndef cats_get(cat_id, with_tail): ...", "cats_get() has no operation"),
        ("dogs.py", "def dogs_photo(body): ...", "dogs_photo() does not take 'file'"),
        ("dogs.py", "def dogs_photo(body, file, size): ...", "dogs_photo() takes 'size'"),
        ("dogs.py", "def dogs_photo(body, file, raw_body): ...", "dogs_photo() takes 'raw_body'"),
        ("dogs.py", "def dogs_photo(**all): ...", "dogs_photo() must name its parameters"),
        ("dogs.py", "def dogs_photo(body, /, file): ...", "dogs_photo() must name its parameters"),
        ("dogs.py", "async def dogs_photo(body, file): ...", "dogs_photo() is async"),
        ("cats.py", CATS.replace("cat_id", "catId"), "cats_get() takes 'catId'"),
        ("cats.py", CATS.replace(", with_tail", ""), "cats_get() does not take 'with_tail'"),
        ("cats.py", CATS.replace(", idempotency_key", ""), "does not take 'idempotency_key'"),
    ],
)
def test_a_difference_stops_the_start(package: Path, file: str, text: str, named: str) -> None:
    (package / file).write_text(text)
    assert any(named in problem for problem in problems(package))


def test_all_differences_are_told_at_once(package: Path) -> None:
    (package / "dogs.py").unlink()
    (package / "cats.py").write_text("def cats_get(cat_id): ...\ndef cats_sleep(): ...")
    assert len(problems(package)) == 4


def test_a_module_that_cannot_be_imported_says_why_itself(package: Path) -> None:
    (package / "dogs.py").write_text("import nothing_of_this_name")
    with pytest.raises(ModuleNotFoundError, match="nothing_of_this_name"):
        load(OPERATIONS, package.name)


def test_imported_functions_are_not_taken_for_operations(package: Path) -> None:
    (package / "dogs.py").write_text("from textwrap import dedent\n" + DOGS)
    assert "dedent" not in load(OPERATIONS, package.name)


def test_a_function_may_take_the_raw_body_and_all_headers_instead() -> None:
    table: dict[str, Function] = {
        "cats_get": lambda cat_id, with_tail: None,
        "cats_feed": lambda cat_id, raw_body, headers: None,
        "dogs_photo": lambda body, file: None,
    }
    assert check(OPERATIONS, table) == []


def test_an_operation_id_may_be_used_once_only() -> None:
    table: dict[str, Function] = {
        "cats_get": lambda cat_id, with_tail: None,
        "cats_feed": lambda cat_id, body, idempotency_key: None,
        "dogs_photo": lambda body, file: None,
    }
    (problem,) = check((*OPERATIONS, OPERATIONS[0]), table)
    assert "catsGet is used twice" in problem


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("usersGetById", "users_get_by_id"),
        ("Idempotency-Key", "idempotency_key"),
        ("userId", "user_id"),
        ("X-Telegram-Bot-Api-Secret-Token", "x_telegram_bot_api_secret_token"),
    ],
)
def test_names_become_what_python_writes(given: str, expected: str) -> None:
    assert snake_case(given) == expected
