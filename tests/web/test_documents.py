"""The contract's own pages: open, cacheable, offline."""

from __future__ import annotations

import hashlib
import re

import pytest
import yaml

from spec import CONTRACT, PATH
from tests.wire import Server
from web.documents import SWAGGER_UI


@pytest.mark.parametrize("prefix", ["/api/v1", "/api/api/v1"])
def test_the_contract_is_served_as_it_is_to_everyone(server: Server, prefix: str) -> None:
    as_json = server.request("GET", f"{prefix}/openapi.json", key=None)
    assert as_json.json == CONTRACT
    as_yaml = server.request("GET", f"{prefix}/openapi.yaml", key=None)
    assert as_yaml.body == PATH.read_bytes()
    assert yaml.safe_load(as_yaml.body)["openapi"] == "3.1.0"


@pytest.mark.parametrize("page", ["openapi.json", "openapi.yaml", "docs", "docs/swagger-ui.css"])
def test_a_page_is_not_sent_twice_to_who_has_it(server: Server, page: str) -> None:
    first = server.request("GET", f"/api/v1/{page}", key=None)
    tag = first.headers["ETag"]
    again = server.request("GET", f"/api/v1/{page}", b"", {"If-None-Match": tag}, key=None)
    assert (again.status, again.body) == (304, b"")
    other = server.request("GET", f"/api/v1/{page}", b"", {"If-None-Match": '"x"'}, key=None)
    assert other.status == 200
    head = server.request("HEAD", f"/api/v1/{page}", key=None)
    assert (head.status, head.body) == (200, b"")
    assert head.headers["Content-Length"] == str(len(first.body))


@pytest.mark.parametrize("prefix", ["/api/v1", "/api/api/v1"])
def test_the_page_finds_everything_it_needs_on_this_server(server: Server, prefix: str) -> None:
    page = server.request("GET", f"{prefix}/docs", key=None)
    assert page.headers["Content-Type"].startswith("text/html")
    wanted = re.findall(rb'(?:src|href)="([^"]+)"', page.body)
    assert len(wanted) == 4
    for link in wanted:
        assert not link.startswith((b"http", b"/"))
        assert server.request("GET", f"{prefix}/{link.decode()}", key=None).status == 200


def test_the_page_may_run_nothing_but_its_own_scripts(server: Server) -> None:
    page = server.request("GET", "/api/v1/docs", key=None)
    assert "script-src 'self';" in page.headers["Content-Security-Policy"]
    assert b"<script>" not in page.body
    assert page.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    "path", ["/api/v1/docs/", "/api/v1/docs/none.js", "/api/v1/docs/../../app.py", "/openapi.json"]
)
def test_nothing_else_is_there(server: Server, path: str) -> None:
    answer = server.request("GET", path, key=None)
    assert answer.status == 404
    assert answer.json["code"] == "not_found"


def test_the_files_of_swagger_ui_are_those_of_its_authors() -> None:
    lines = (SWAGGER_UI / "SHA256SUMS").read_text().splitlines()
    listed = {name: digest for digest, name in map(str.split, lines)}
    ours = {"README.md", "SHA256SUMS"}
    assert listed == {
        file.name: hashlib.sha256(file.read_bytes()).hexdigest()
        for file in SWAGGER_UI.iterdir()
        if file.name not in ours
    }
