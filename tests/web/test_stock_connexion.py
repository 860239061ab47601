"""Our layers against stock connexion: equal answers, except for a closed table of differences.

Both servers have the same contract and the same stub functions. They are sent the requests of the
other tests in this folder, and valid requests of every operation.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from spec import CONTRACT
from spec.operations import JSON, MULTIPART, Operation, operations_of, resolve
from tests import wire
from tests.stubs import BEHAVIOURS
from tests.web.cases import (
    CASES,
    FAILURES,
    NOT_HTTP,
    OK,
    REGISTER,
    STRANGERS,
    USER,
    WEBHOOK,
    presenting,
)
from tests.web.forms import BAD_FORMS, FILE, TYPE, form
from tests.wire import Answer, Server, compose

AS_JSON = {"Content-Type": JSON}
AS_FORM = {"Content-Type": f"{MULTIPART}; boundary=BB"}
DATA = "/api/v1/data"
CANCEL = f"/api/v1/jobs/{USER}/cancel"
MIB = 1024 * 1024


def good_requests() -> Iterator[tuple[str, bytes]]:
    """Each operation by the contract's examples: with all its parameters, with required ones."""
    for operation in operations_of(CONTRACT):
        yield f"good: {operation.operation_id}", _good(operation, optional=True)
        yield f"good: {operation.operation_id}, no options", _good(operation, optional=False)


def _good(operation: Operation, *, optional: bool) -> bytes:
    path, query, headers = operation.path, [], {}
    item = CONTRACT["paths"][operation.path]
    described = item[operation.method.lower()]
    for node in [*item.get("parameters", ()), *described.get("parameters", ())]:
        parameter = resolve(CONTRACT, node)
        name, example = parameter["name"], str(parameter.get("example", "abc"))
        if parameter["in"] == "path":
            path = path.replace(f"{{{name}}}", example)
        elif optional or parameter.get("required"):
            if parameter["in"] == "query":
                query.append(f"{name}={example}")
            else:
                headers[name] = example
    body = b""
    if MULTIPART in operation.media_types:
        body, headers = form(TYPE, FILE), AS_FORM
    elif operation.media_types:
        (content,) = described["requestBody"]["content"].values()
        first = next(iter(content["examples"].values()))
        body, headers = json.dumps(first["value"]).encode(), AS_JSON | headers
    target = path + "?" * bool(query) + "&".join(query)
    return compose(operation.method, target, body, headers)


def _chunked(path: str, body: bytes, headers: dict[str, str]) -> bytes:
    return compose("POST", path, body, headers, chunked=True)


def _json_of(size: int) -> bytes:
    return b'{"telegramId":"1","x":"%s"}' % (b"a" * (size - 25))


OTHERS = {
    "size: 1 MiB": compose("POST", REGISTER, _json_of(MIB), AS_JSON),
    "size: more than 1 MiB": compose("POST", REGISTER, _json_of(MIB + 1), AS_JSON),
    "size: webhook of more than 256 KiB": compose("POST", WEBHOOK, _json_of(MIB // 2), AS_JSON),
    "chunked: JSON": _chunked(REGISTER, OK, AS_JSON),
    "chunked: empty": _chunked(REGISTER, b"", AS_JSON),
    "chunked: form": _chunked(DATA, form(TYPE, FILE), AS_FORM),
    "chunked: no chunk": compose(
        "POST",
        REGISTER,
        b"zz\r\n",
        AS_JSON | {"Content-Length": "", "Transfer-Encoding": "chunked"},
    ),
    "no body wanted: JSON": compose("POST", CANCEL, b"{}", AS_JSON),
    "no body wanted: junk": compose("POST", CANCEL, b"junk"),
    "no body wanted: 100 kB": compose("POST", CANCEL, b"x" * 100_000),
    "form: file first": compose("POST", DATA, form(FILE, TYPE), AS_FORM),
    "form: no boundary": compose("POST", DATA, form(TYPE, FILE), {"Content-Type": MULTIPART}),
    "form: 2000 parts": compose(
        "POST",
        DATA,
        form(TYPE, FILE, *((f"z{number}", None, b"1") for number in range(2000))),
        AS_FORM,
    ),
    "head: GET": compose("HEAD", f"/api/v1/users/{USER}"),
    "head: without a key": compose("HEAD", f"/api/v1/users/{USER}", key=None),
    "key: asked for before the body": compose("POST", "/api/v1/jobs", b"junk", key=None),
    "path: second prefix": compose("GET", "/api/api/v1/tariffs"),
    "path: method of no operation": compose("DELETE", "/api/v1/jobs"),
}

REQUESTS: dict[str, bytes] = {
    **dict(good_requests()),
    **{name: compose(*request) for name, (request, _, _) in CASES.items()},
    **{f"form: {n}": compose("POST", DATA, body, AS_FORM) for n, (body, _) in BAD_FORMS.items()},
    **{f"key: {name}": presenting(header) for name, header in STRANGERS.items()},
    **{f"not HTTP: {name}": request for name, request in NOT_HTTP.items()},
    **{
        f"function: {number}": compose("GET", f"/api/v1/users/{list(BEHAVIOURS)[number]}")
        for number in FAILURES
    },
    **OTHERS,
}


def _differs(why: str, status: int | None, *names: str) -> dict[str, tuple[int | None, str]]:
    return dict.fromkeys(names, (status, why))


# name: (what stock connexion answers, why that differs); None is no answer at all.
DIFFERS: dict[str, tuple[int | None, str]] = {
    **_differs(
        "an error of its decoders is a 500",
        500,
        "body: not UTF-8",
        "body: UTF-16",
        "body: raw lone surrogate",
        "body: nesting 100000",
        "body: integer of 5000 digits",
        "body: NaN",
        "body: -Infinity",
        "media type: gzip",
        "form: garbage",
        "form: LF, cut short",
        "form: LF, no end of headers",
        "form: endless preamble",
        "form: other boundary",
        "form: part without a name",
        "form: no boundary",
        "form: 2000 parts",
    ),
    **_differs(
        "validator and function read the Content-Type differently, so that the body gets lost",
        500,
        "media type: missing",
        "media type: capitals",
    ),
    **_differs(
        "a charset that nobody decodes by is accepted",
        200,
        "media type: utf-16",
        "media type: latin-1",
        "media type: unknown charset",
    ),
    **_differs("Accept is not looked at", 200, "media type: wants HTML"),
    **_differs(
        "what PostgreSQL cannot store passes: NUL and lone surrogates",
        200,
        "body: lone surrogate in a name",
        "body: NUL in a name",
        "body: NUL deep inside",
        "parameter: path NUL",
        "parameter: query NUL",
        "parameter: query NUL elsewhere",
    ),
    **_differs("nesting has no limit", 200, "body: nesting 900", "body: nesting 65"),
    **_differs(
        "numbers are judged as floats, and draft 4 knows no exclusiveMinimum that is a number",
        201,
        "body: fraction of 20 digits",
        "body: negative amount",
        "body: exponent of 20 digits",
    ),
    **_differs(
        "format: uuid is ignored in bodies",
        201,
        "body: not a uuid",
        "body: uuid in braces",
        "body: uuid as urn",
        "body: uuid without dashes",
    ),
    **_differs(
        "format: uuid is ignored in parameters",
        200,
        "parameter: path not a uuid",
        "parameter: path not UTF-8",
        "parameter: path digits of another script",
        "parameter: query empty",
        "parameter: query not a uuid",
        "parameter: query null",
        "parameter: query not UTF-8",
    ),
    **_differs("of a repeated parameter one is taken", 200, "parameter: query twice"),
    **_differs(
        "a query string may be anything",
        200,
        "parameter: query name not UTF-8",
        "parameter: query of 200 fields",
    ),
    **_differs(
        "numbers in parameters are read by Python's int()",
        200,
        "parameter: limit with a space",
        "parameter: limit with a sign",
        "parameter: limit with an underscore",
        "parameter: limit full-width",
    ),
    **_differs(
        "the quotes of an Idempotency-Key belong to it, and of two keys one is taken",
        200,
        "parameter: idempotency key empty quotes",
        "parameter: idempotency key twice",
    ),
    **_differs("of two X-API-Key headers the first counts", 200, "key: twice"),
    **_differs("a trailing slash is redirected", 307, "path: trailing slash"),
    **_differs("Flask redirects where the contract has no path", 308, "path: inner double slash"),
    **_differs("Flask finds a path that connexion has not found", 500, "path: double slash"),
    **_differs(
        "a path with a template takes the methods that a literal path does not have",
        200,
        "path: GET on a literal path beside a template",
    ),
    **_differs(
        "HEAD is answered by GET's function and fails on it",
        500,
        "head: GET",
        "path: HEAD of a POST",
    ),
    **_differs(
        "the contract is served elsewhere", 404, "path: PUT of a document", "path: second prefix"
    ),
    **_differs("chunked bodies are taken for none", 400, "chunked: JSON", "chunked: form"),
    **_differs(
        "bodies have no limit",
        200,
        "size: more than 1 MiB",
        "size: webhook of more than 256 KiB",
        "no body wanted: 100 kB",
    ),
    **_differs(
        "a text may stand where a file must, file names may be anything",
        201,
        "form: a text as file",
        "form: file name not UTF-8",
    ),
    **_differs("StopIteration ends the thread, nobody answers", None, "function: 2"),
    **_differs("what a function aborts with is sent, secrets included", 402, "function: 4"),
}


@pytest.fixture(scope="module")
def stock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Stock connexion."""
    folder = tmp_path_factory.mktemp("stock")
    with wire.serve("tests.stock_connexion:create()", folder) as running:
        yield running


@pytest.mark.parametrize("name", REQUESTS)
def test_an_answer_is_that_of_stock_connexion_or_differs_for_a_known_reason(
    server: Server, stock: Server, name: str
) -> None:
    ours = server.raw(REQUESTS[name])
    theirs = _answer(stock, REQUESTS[name], known=DIFFERS.get(name, (ours.status, ""))[0])
    if name in DIFFERS:
        assert ours.status != DIFFERS[name][0], "equal by now: its row can go"
    elif theirs and ours.status < 300 and ours.body:
        assert theirs.json == ours.json
        if ours.headers["X-Seen"]:
            assert theirs.seen == ours.seen


def test_every_known_difference_is_tried() -> None:
    assert DIFFERS.keys() <= REQUESTS.keys()


def _answer(stock: Server, request: bytes, *, known: int | None) -> Answer | None:
    """Its answer, which must have the known status; None where no answer may come."""
    if known is None:
        with pytest.raises(TimeoutError):
            stock.raw(request, timeout=1)
        return None
    answer = stock.raw(request)
    assert answer.status == known, answer.body
    return answer
