"""Every kind of answer, of every part of the server, has explicit, safe headers."""

from __future__ import annotations

import io
import json
from typing import Any
from uuid import uuid4

import pytest

from providers.storage.disk import DiskStorage
from spec import CONTRACT
from spec.operations import operations_of
from tests.stubs import BEHAVIOURS
from tests.wire import KEY, Answer, Server

BUG = next(iter(BEHAVIOURS))
JSON = {"Content-Type": "application/json"}
REGISTER = "/api/v1/users/register-or-login"
POLICIES = {
    "the API": "default-src 'none'; frame-ancestors 'none'",
    "pages": "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "files": "sandbox",
}

# name: (method, path, body, headers, key), status, whose policy
ANSWERS: dict[str, tuple[tuple[str, str, bytes, dict[str, str], str | None], int, str]] = {
    "a success": (("GET", "/api/v1/tariffs", b"", {}, KEY), 200, "the API"),
    "HEAD": (("HEAD", "/api/v1/tariffs", b"", {}, KEY), 200, "the API"),
    "something made": (
        (
            "POST",
            "/api/v1/jobs",
            json.dumps(
                {
                    "userId": str(uuid4()),
                    "serviceType": "animate",
                    "input": [{"dataId": str(uuid4())}],
                }
            ).encode(),
            JSON,
            KEY,
        ),
        201,
        "the API",
    ),
    "malformed": (("POST", REGISTER, b"{", JSON, KEY), 400, "the API"),
    "no key": (("GET", "/api/v1/tariffs", b"", {}, None), 401, "the API"),
    "nothing there": (("GET", "/nope", b"", {}, None), 404, "the API"),
    "root": (("GET", "/", b"", {}, None), 404, "the API"),
    "another method": (("DELETE", "/api/v1/tariffs", b"", {}, KEY), 405, "the API"),
    "OPTIONS": (
        ("OPTIONS", "/api/v1/tariffs", b"", {"Origin": "https://a.example"}, None),
        405,
        "the API",
    ),
    "TRACE": (("TRACE", "/api/v1/tariffs", b"", {}, KEY), 405, "the API"),
    "not acceptable": (
        ("GET", "/api/v1/tariffs", b"", {"Accept": "text/html"}, KEY),
        406,
        "the API",
    ),
    "whatever there is": (("GET", "/api/v1/tariffs", b"", {"Accept": ""}, KEY), 200, "the API"),
    "too large": (("POST", REGISTER, b"a" * 1_100_000, JSON, KEY), 413, "the API"),
    "another type": (
        ("POST", REGISTER, b"a=1", {"Content-Type": "text/plain"}, KEY),
        415,
        "the API",
    ),
    "a bug": (("GET", f"/api/v1/users/{BUG}", b"", {}, KEY), 500, "the API"),
    "a probe": (("GET", "/api/v1/health/live", b"", {}, None), 200, "the API"),
    "a webhook": (("POST", "/api/v1/webhooks/payments/stripe", b"{}", JSON, None), 200, "the API"),
    "the contract": (("GET", "/api/v1/openapi.json", b"", {}, None), 200, "pages"),
    "the page": (("GET", "/api/v1/docs", b"", {}, None), 200, "pages"),
    "a script": (("GET", "/api/v1/docs/start.js", b"", {}, None), 200, "pages"),
    "a script of others": (
        ("GET", "/api/v1/docs/swagger-ui-bundle.js", b"", {}, None),
        200,
        "the API",
    ),
    "no page": (("GET", "/api/v1/docs/none", b"", {}, None), 404, "the API"),
    "a wrong link": (("GET", "/storage/objects/x", b"", {}, None), 403, "the API"),
    "a wrong form": (("POST", "/storage/upload", b"", {}, None), 400, "the API"),
}


def require_safe(answer: Answer, policy: str) -> None:
    headers = answer.headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Content-Security-Policy"] == POLICIES[policy]
    assert headers["X-Request-ID"]
    assert headers["Cache-Control"]
    assert not any(name.lower().startswith("access-control-") for name in headers)
    assert headers["Set-Cookie"] is None
    assert headers["X-Powered-By"] is None
    assert not any(digit in headers["Server"] or "" for digit in "0123456789")
    for name in ("X-Content-Type-Options", "Content-Security-Policy", "Content-Type"):
        assert len(headers.get_all(name, [])) <= 1
    if policy == "the API" and answer.body and "html" not in headers["Content-Type"]:
        assert headers["Content-Type"].startswith(("application/json", "text/javascript"))


@pytest.mark.parametrize("name", ANSWERS)
def test_every_kind_of_answer_is_safe_to_be_opened(storing: Server, name: str) -> None:
    (method, path, body, headers, key), status, policy = ANSWERS[name]
    answer = storing.request(method, path, body, headers, key=key)
    assert answer.status == status
    require_safe(answer, policy)
    if policy == "the API" and "docs" not in path:
        assert answer.headers["Cache-Control"] == "no-store"


def test_files_are_served_for_themselves(storing: Server) -> None:
    store = DiskStorage(storing.state_dir / "files", base_url="/storage")
    for content_type, kind in (("image/jpeg", "inline"), ("text/plain", "attachment")):
        key = f"image/{uuid4()}"
        store.put(key, io.BytesIO(b"<script>alert(1)</script>"), content_type=content_type)
        link = store.url(key, expires_in=60, content_type=content_type)
        cases: list[tuple[dict[str, str], int]] = [({}, 200), ({"Range": "bytes=0-3"}, 206)]
        tag = storing.request("GET", link, key=None).headers["ETag"]
        cases.append(({"If-None-Match": tag}, 304))
        for headers, status in cases:
            answer = storing.request("GET", link, b"", headers, key=None)
            assert answer.status == status
            require_safe(answer, "files")
            assert answer.headers["Content-Disposition"].partition(";")[0] == kind
            assert answer.headers["Cache-Control"].startswith("private")
        beyond = storing.request("GET", link, b"", {"Range": "bytes=999-"}, key=None)
        assert (beyond.status, beyond.body) == (416, b"")
        require_safe(beyond, "the API")


def comparable(answer: Answer) -> Any:
    """All of an answer except what differs each time."""
    kept = {k.lower(): v for k, v in answer.headers.items()}
    return answer.status, answer.body, kept | {"x-request-id": "", "date": "", "connection": ""}


def test_a_stranger_hears_the_same_whatever_is_asked(server: Server) -> None:
    heard = []
    for operation in operations_of(CONTRACT):
        if operation.tag in ("Ops", "Webhooks"):
            continue
        for identifier in (str(uuid4()), "x", "%2e%2e", BUG):
            path = operation.path
            for name in ("userId", "dataId", "jobId"):
                path = path.replace(f"{{{name}}}", identifier)
            for key in (None, "", "wrong", KEY[:-1]):
                heard.append(server.request(operation.method, path, b"", key=key))
        for body in (b"{}", b"\0", b"a" * 2_000_000):
            heard.append(server.request(operation.method, path, body, JSON, key=None))
        heard.append(server.request(operation.method, f"{path}?userId={uuid4()}", key="wrong"))
    assert all(answer.status == 401 for answer in heard)
    assert all(comparable(answer) == comparable(heard[0]) for answer in heard)


def test_an_unknown_path_is_answered_alike_with_and_without_a_key(server: Server) -> None:
    """Which paths exist is no secret, as the contract is public. Nothing else is revealed."""
    for path in ("/", "/api", "/api/v1", "/api/v1/admin", "/api/v1/users", "/.env", "/metrics"):
        with_key, without = (server.request("GET", path, key=key) for key in (KEY, None))
        assert comparable(with_key) == comparable(without)
        assert (without.status, without.json["code"]) == (404, "not_found")
        assert path.strip("/") == "" or path.strip("/") not in without.body.decode()
