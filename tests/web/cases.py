"""Requests that are wrong or only look so, and the answers they deserve."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.wire import KEY

JSON = {"Content-Type": "application/json"}
REGISTER = "/api/v1/users/register-or-login"
INTENTS = "/api/v1/payments/intents"
USER = "0b9f6c1e-4a7d-4f52-8f0b-6d1c2e3a4b5c"
OK = b'{"telegramId":"1"}'
WEBHOOK = "/api/v1/webhooks/payments/stripe"


def intent(amount: bytes, user: bytes = USER.encode()) -> bytes:
    return b'{"userId":"%s","amountRub":%s}' % (user, amount)


def post(body: bytes, headers: Mapping[str, str | bytes] = JSON, path: str = REGISTER) -> Any:
    return "POST", path, body, headers


def get(path: str | bytes, headers: Mapping[str, str | bytes] | None = None) -> Any:
    return "GET", path, b"", headers


# name: (request, status, what `details` must name); None as status stands for "accepted".
BODIES: dict[str, tuple[Any, int | None, str | None]] = {
    "good": (post(OK), None, None),
    "malformed": (post(b'{"telegramId":'), 400, "body"),
    "empty": (post(b""), 400, "body"),
    "blank": (post(b"  \n"), 400, "body"),
    "null": (post(b"null"), 400, "body"),
    "array": (post(b"[]"), 400, "body"),
    "string": (post(b'"x"'), 400, "body"),
    "missing field": (post(b"{}"), 400, "telegramId"),
    "wrong type": (post(b'{"telegramId":1}'), 400, "telegramId"),
    "null field": (post(b'{"telegramId":null}'), 400, "telegramId"),
    "unknown field": (post(b'{"telegramId":"1","zzz":1}'), None, None),
    "repeated name": (post(b'{"telegramId":"1","telegramId":2}'), 400, "telegramId"),
    "trailing comma": (post(b'{"telegramId":"1",}'), 400, "body"),
    "two documents": (post(OK + OK), 400, "body"),
    "byte order mark": (post(b"\xef\xbb\xbf" + OK), 400, "body"),
    "not UTF-8": (post(b'{"telegramId":"\xff\xfe"}'), 400, "body"),
    "UTF-16": (post('{"telegramId":"1"}'.encode("utf-16")), 400, "body"),
    "lone surrogate": (post(b'{"telegramId":"\\ud800"}'), 400, "body"),
    "lone surrogate in a name": (post(b'{"telegramId":"1","\\udfff":1}'), 400, "body"),
    "raw lone surrogate": (post(b'{"telegramId":"\xed\xa0\x80"}'), 400, "body"),
    "NUL": (post(b'{"telegramId":"a\\u0000b"}'), 400, "body"),
    "NUL in a name": (post(b'{"telegramId":"1","a\\u0000":1}'), 400, "body"),
    "NUL deep inside": (post(b'{"telegramId":"1","a":[{"b":"\\u0000"}]}'), 400, "body"),
    "escaped backslash before u0000": (
        post(b'{"telegramId":"1","username":"\\\\u0000"}'),
        None,
        None,
    ),
    "control character": (post(b'{"telegramId":"a\x01b"}'), 400, "body"),
    "nesting 100000": (post(b'{"telegramId":"1","x":%s}' % (b"[" * 100_000)), 400, "body"),
    "nesting 900": (
        post(b'{"telegramId":"1","x":%s%s}' % (b"[" * 900, b"]" * 900)),
        400,
        "body",
    ),
    "nesting 65": (post(b'{"telegramId":"1","x":%s%s}' % (b"[" * 64, b"]" * 64)), 400, "body"),
    "nesting 64": (post(b'{"telegramId":"1","x":%s%s}' % (b"[" * 63, b"]" * 63)), None, None),
    "integer of 5000 digits": (post(b'{"telegramId":"1","x":%s}' % (b"9" * 5000)), 400, "body"),
    "unknown integer of 66 bits": (
        post(b'{"telegramId":"1","x":36893488147419103232}'),
        None,
        None,
    ),
    "fraction of 20 digits": (
        post(intent(b"100.00000000000000001"), path=INTENTS),
        400,
        "amountRub",
    ),
    "amount of 66 bits": (post(intent(b"36893488147419103232"), path=INTENTS), 400, "amountRub"),
    "NaN": (post(intent(b"NaN"), path=INTENTS), 400, "body"),
    "Infinity": (post(intent(b"Infinity"), path=INTENTS), 400, "body"),
    "-Infinity": (post(intent(b"-Infinity"), path=INTENTS), 400, "body"),
    "1e400": (post(intent(b"1e400"), path=INTENTS), 400, "body"),
    "exponent of 20 digits": (
        post(
            b'{"userId":"%s","amountRub":100,"x":1e-99999999999999999999}' % USER.encode(),
            path=INTENTS,
        ),
        400,
        "body",
    ),
    "leading zero": (post(intent(b"0100"), path=INTENTS), 400, "body"),
    "hexadecimal": (post(intent(b"0x64"), path=INTENTS), 400, "body"),
    "a boolean as number": (post(intent(b"true"), path=INTENTS), 400, "amountRub"),
    "a string as number": (post(intent(b'"100"'), path=INTENTS), 400, "amountRub"),
    "three decimals": (post(intent(b"100.001"), path=INTENTS), 400, "amountRub"),
    "negative amount": (post(intent(b"-100"), path=INTENTS), 400, "amountRub"),
    "amount in exponent form": (post(intent(b"1E2"), path=INTENTS), None, None),
    "not a uuid": (post(intent(b"100", b"nope"), path=INTENTS), 400, "userId"),
    "uuid in braces": (post(intent(b"100", b"{%s}" % USER.encode()), path=INTENTS), 400, "userId"),
    "uuid as urn": (
        post(intent(b"100", b"urn:uuid:" + USER.encode()), path=INTENTS),
        400,
        "userId",
    ),
    "uuid without dashes": (
        post(intent(b"100", USER.replace("-", "").encode()), path=INTENTS),
        400,
        "userId",
    ),
    "uuid in capitals": (post(intent(b"100", USER.upper().encode()), path=INTENTS), None, None),
    "webhook that is an array": (post(b"[]", path=WEBHOOK), 400, "body"),
    "webhook with a long number": (post(b'{"n":36893488147419103232}', path=WEBHOOK), None, None),
}


MEDIA_TYPES: dict[str, tuple[Any, int | None, str | None]] = {
    "capitals": (post(OK, {"Content-Type": "APPLICATION/JSON"}), None, None),
    "charset": (post(OK, {"Content-Type": 'application/json; charset="UTF-8"'}), None, None),
    "other parameter": (post(OK, {"Content-Type": "application/json; v=1"}), None, None),
    "missing": (post(OK, {}), 415, "Content-Type"),
    "text": (post(OK, {"Content-Type": "text/plain"}), 415, "Content-Type"),
    "garbage": (post(OK, {"Content-Type": ";;;"}), 415, "Content-Type"),
    "no slash": (post(OK, {"Content-Type": "json"}), 415, "Content-Type"),
    "not ASCII": (post(OK, {"Content-Type": b"application/json\xff"}), 415, "Content-Type"),
    "merge patch": (
        post(OK, {"Content-Type": "application/merge-patch+json"}),
        415,
        "Content-Type",
    ),
    "form": (
        post(b"telegramId=1", {"Content-Type": "application/x-www-form-urlencoded"}),
        415,
        "Content-Type",
    ),
    "utf-16": (post(OK, {"Content-Type": "application/json; charset=utf-16"}), 415, "Content-Type"),
    "latin-1": (
        post(OK, {"Content-Type": "application/json; charset=latin-1"}),
        415,
        "Content-Type",
    ),
    "unknown charset": (
        post(OK, {"Content-Type": "application/json; charset=foo"}),
        415,
        "Content-Type",
    ),
    "gzip": (
        post(b"\x1f\x8b\x08\x00", {**JSON, "Content-Encoding": "gzip"}),
        415,
        "Content-Encoding",
    ),
    "identity": (post(OK, {**JSON, "Content-Encoding": "identity"}), None, None),
    "wants HTML": (post(OK, {**JSON, "Accept": "text/html"}), 406, None),
    "wants anything": (post(OK, {**JSON, "Accept": "text/html, */*;q=0.1"}), None, None),
    "multipart for a JSON operation": (
        post(OK, {"Content-Type": "multipart/form-data; boundary=x"}),
        415,
        "Content-Type",
    ),
    "JSON for a multipart operation": (post(OK, path="/api/v1/data"), 415, "Content-Type"),
}


PARAMETERS: dict[str, tuple[Any, int | None, str | None]] = {
    "path": (get(f"/api/v1/users/{USER}"), None, None),
    "path not a uuid": (get("/api/v1/users/nope"), 400, "userId"),
    "path NUL": (get("/api/v1/users/%00"), 400, "userId"),
    "path not UTF-8": (get("/api/v1/users/%ff"), 400, "userId"),
    "path digits of another script": (
        get("/api/v1/users/" + "%D9%A0" * 8 + "-4a7d-4f52-8f0b-6d1c2e3a4b5c"),
        400,
        "userId",
    ),
    "query": (get(f"/api/v1/jobs?userId={USER}"), None, None),
    "query missing": (get("/api/v1/jobs"), 400, "userId"),
    "query empty": (get("/api/v1/jobs?userId="), 400, "userId"),
    "query not a uuid": (get("/api/v1/jobs?userId=x"), 400, "userId"),
    "query null": (get("/api/v1/jobs?userId=null"), 400, "userId"),
    "query twice": (get(f"/api/v1/jobs?userId=x&userId={USER}"), 400, "userId"),
    "query unknown": (get(f"/api/v1/jobs?userId={USER}&zz=1"), None, None),
    "query unknown twice": (get(f"/api/v1/jobs?userId={USER}&zz=1&zz=2"), None, None),
    "query not UTF-8": (get("/api/v1/jobs?userId=%ff"), 400, "query"),
    "query name not UTF-8": (get(f"/api/v1/jobs?userId={USER}&%ff=1"), 400, "query"),
    "query NUL": (get("/api/v1/jobs?userId=%00"), 400, "query"),
    "query NUL elsewhere": (get(f"/api/v1/jobs?userId={USER}&zz=%00"), 400, "query"),
    "query of 200 fields": (get(f"/api/v1/jobs?userId={USER}" + "&a=1" * 200), 400, "query"),
    "limit": (get(f"/api/v1/jobs?userId={USER}&limit=10"), None, None),
    "limit 0": (get(f"/api/v1/jobs?userId={USER}&limit=0"), 400, "limit"),
    "limit too large": (get(f"/api/v1/jobs?userId={USER}&limit=1001"), 400, "limit"),
    "limit with a space": (get(f"/api/v1/jobs?userId={USER}&limit=%201"), 400, "limit"),
    "limit with a sign": (get(f"/api/v1/jobs?userId={USER}&limit=%2B1"), 400, "limit"),
    "limit with an underscore": (get(f"/api/v1/jobs?userId={USER}&limit=1_0"), 400, "limit"),
    "limit full-width": (get(f"/api/v1/jobs?userId={USER}&limit=%EF%BC%91"), 400, "limit"),
    "limit fraction": (get(f"/api/v1/jobs?userId={USER}&limit=1.0"), 400, "limit"),
    "limit nan": (get(f"/api/v1/jobs?userId={USER}&limit=nan"), 400, "limit"),
    "limit of 5000 digits": (get(f"/api/v1/jobs?userId={USER}&limit={'9' * 3000}"), 400, "limit"),
    "cursor not ASCII": (
        get(f"/api/v1/jobs?userId={USER}&cursor=%D0%B6"),
        400,
        "cursor",
    ),
    "idempotency key": (post(OK, {**JSON, "Idempotency-Key": "abc"}), None, None),
    "idempotency key of 255": (post(OK, {**JSON, "Idempotency-Key": "a" * 255}), None, None),
    "idempotency key of 256": (
        post(OK, {**JSON, "Idempotency-Key": "a" * 256}),
        400,
        "Idempotency-Key",
    ),
    "idempotency key with a space": (
        post(OK, {**JSON, "Idempotency-Key": "a b"}),
        400,
        "Idempotency-Key",
    ),
    "idempotency key not ASCII": (
        post(OK, {**JSON, "Idempotency-Key": "ж".encode()}),
        400,
        "Idempotency-Key",
    ),
    "idempotency key empty quotes": (
        post(OK, {**JSON, "Idempotency-Key": '""'}),
        400,
        "Idempotency-Key",
    ),
    "idempotency key twice": (
        post(OK, {**JSON, "Idempotency-Key": "a", "idempotency-key": "b"}),
        400,
        "Idempotency-Key",
    ),
    "webhook of an unknown provider": (
        post(b"{}", path="/api/v1/webhooks/payments/zz"),
        400,
        "provider",
    ),
}


PATHS: dict[str, tuple[Any, int | None, str | None]] = {
    "root": (get("/"), 404, None),
    "unknown": (get("/nope"), 404, None),
    "unknown under the API": (get("/api/v1/nope"), 404, None),
    "trailing slash": (get(f"/api/v1/users/{USER}/"), 404, None),
    "empty parameter": (get("/api/v1/users/"), 404, None),
    "double slash": (get("//api/v1/lotteries/current"), 404, None),
    "inner double slash": (get("/api/v1//lotteries/current"), 404, None),
    "encoded slash": (get("/api/v1/users/a%2Fb"), 404, None),
    "dots": (get("/api/v1/users/../tariffs"), 404, None),
    "three prefixes": (get("/api/api/api/v1/tariffs"), 404, None),
    "capitals": (get("/API/v1/tariffs"), 404, None),
    "DELETE": (("DELETE", REGISTER), 405, None),
    "GET on a literal path beside a template": (get(REGISTER), 405, None),
    "unknown method": (("BREW", "/api/v1/jobs"), 405, None),
    "OPTIONS": (("OPTIONS", "/api/v1/jobs"), 405, None),
    "TRACE": (("TRACE", "/api/v1/jobs"), 405, None),
    "HEAD of a POST": (("HEAD", REGISTER), 405, None),
    "PUT of a document": (("PUT", "/api/v1/openapi.json"), 405, None),
}


CASES = {
    f"{group}: {name}": case
    for group, cases in (
        ("body", BODIES),
        ("media type", MEDIA_TYPES),
        ("parameter", PARAMETERS),
        ("path", PATHS),
    )
    for name, case in cases.items()
}


# What gunicorn answers by itself, as the application never sees it.
NOT_HTTP = {
    "garbage": b"GARBAGE\r\n\r\n",
    "raw byte": b"GET /api/v1/users/\xff HTTP/1.1\r\nHost: x\r\n\r\n",
    "long target": b"GET /api/v1/jobs?userId=" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    "long header": b"GET /api/v1/jobs HTTP/1.1\r\nHost: x\r\nX-Big: "
    + b"a" * 100_000
    + b"\r\n\r\n",
    "length": b"POST /api/v1/jobs HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    "smuggling": b"POST /api/v1/jobs HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n",
    "two types": b"POST /api/v1/jobs HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    b"Content-Type: text/plain\r\nContent-Length: 0\r\n\r\n",
}


FAILURES = {
    0: (500, "internal_error"),  # RuntimeError
    1: (500, "internal_error"),  # ValueError
    2: (500, "internal_error"),  # StopIteration
    3: (503, "service_unavailable"),  # starlette
    4: (400, "bad_request"),  # connexion
    5: (404, "user_not_found"),
    6: (503, "storage_unavailable"),
    7: (500, "internal_error"),  # an answer that does not match
    8: (500, "internal_error"),  # an undeclared status
    9: (500, "internal_error"),  # an answer that is not JSON
    10: (500, "internal_error"),  # no answer
}


TARIFFS = "/api/v1/tariffs"


STRANGERS = {
    "no key": b"",
    "empty": b"X-API-Key: \r\n",
    "wrong": b"X-API-Key: wrong\r\n",
    "cut short": b"X-API-Key: " + KEY.encode()[:-1] + b"\r\n",
    "longer": b"X-API-Key: " + KEY.encode() + b"x\r\n",
    "capitals": b"X-API-Key: " + KEY.upper().encode() + b"\r\n",
    "not UTF-8": b"X-API-Key: \xff\xfe\r\n",
    "wrong one first": b"X-API-Key: wrong\r\nX-API-Key: " + KEY.encode() + b"\r\n",
    "twice": b"X-API-Key: " + KEY.encode() + b"\r\nX-API-Key: " + KEY.encode() + b"\r\n",
    "bearer": b"Authorization: Bearer " + KEY.encode() + b"\r\n",
    "cookie": b"Cookie: X-API-Key=" + KEY.encode() + b"\r\n",
}


def presenting(header: bytes) -> bytes:
    """A request with this header line as its key."""
    head = b"GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" % TARIFFS.encode()
    return head + header + b"\r\n"
