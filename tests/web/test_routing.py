"""Routing by the contract's paths and methods."""

from __future__ import annotations

from typing import Any

import pytest

from spec import CONTRACT
from web.routing import RouteTable


def operation(operation_id: str, **more: Any) -> dict[str, Any]:
    return {"operationId": operation_id, **more}


TABLE = RouteTable(
    {
        "/cats": {"get": operation("list"), "post": operation("make"), "parameters": []},
        "/cats/{catId}": {"get": operation("get")},
        "/cats/best": {"post": operation("best")},
        "/cats/{catId}/kittens/{kittenId}": {"delete": operation("give")},
        "/news/{paper}": {"post": operation("tell", security=[])},
    }
)


@pytest.mark.parametrize(
    ("path", "template", "parameters"),
    [
        ("/cats", "/cats", {}),
        ("/cats/tom", "/cats/{catId}", {"catId": "tom"}),
        ("/cats/best", "/cats/best", {}),
        ("/cats/a b", "/cats/{catId}", {"catId": "a b"}),
        (
            "/cats/tom/kittens/7",
            "/cats/{catId}/kittens/{kittenId}",
            {"catId": "tom", "kittenId": "7"},
        ),
        ("/news/times", "/news/{paper}", {"paper": "times"}),
        ("/news/times/", "/news/{paper}", {"paper": "times"}),
    ],
)
def test_a_path_finds_its_route(path: str, template: str, parameters: dict[str, str]) -> None:
    found = TABLE.find(path)
    assert found is not None
    assert (found[0].template, found[1]) == (template, parameters)


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "/cats/",
        "/cats/tom/",
        "/cats//kittens/7",
        "/cats/tom/kittens/",
        "//cats",
        "/Cats",
        "cats",
        "/news/",
        "/news//",
        "/news/times//",
    ],
)
def test_a_path_that_only_looks_alike_finds_nothing(path: str) -> None:
    assert TABLE.find(path) is None


def test_head_comes_with_get_and_nothing_else_does() -> None:
    found = TABLE.find("/cats")
    assert found is not None
    assert found[0].operations == {"GET": "list", "HEAD": "list", "POST": "make"}
    assert found[0].allow == "GET, HEAD, POST"


def test_every_path_of_the_contract_is_found_by_its_own_template() -> None:
    table = RouteTable(CONTRACT["paths"])
    for template in CONTRACT["paths"]:
        found = table.find(template.replace("{", "").replace("}", ""))
        assert found is not None
        assert found[0].template == template
