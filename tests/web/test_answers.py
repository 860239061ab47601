"""Answers that break the contract: an error in tests, a log line and a count in production."""

from __future__ import annotations

from tests.stubs import BEHAVIOURS
from tests.wire import Server

WRONG_TYPE, UNDECLARED, NOT_JSON = (list(BEHAVIOURS)[number] for number in (7, 8, 9))


def test_in_tests_a_wrong_answer_is_an_error(server: Server) -> None:
    answer = server.get(f"/api/v1/users/{WRONG_TYPE}", X_Request_ID="wrong-answer")
    assert answer.status == 500
    server.access("wrong-answer")
    text = str([line for line in server.lines() if line.get("request_id") == "wrong-answer"])
    assert "telegramId" in text
    assert "must be of type string" in text


def test_in_production_a_wrong_answer_is_sent_and_reported_once(lenient_server: Server) -> None:
    for _ in range(3):
        answer = lenient_server.get(f"/api/v1/users/{WRONG_TYPE}")
        assert answer.status == 200
        assert answer.json["telegramId"] == 1
    lenient_server.access(answer.headers["X-Request-ID"])
    reports = [line for line in lenient_server.lines() if line["logger"] == "spec.responses"]
    (report,) = [each for each in reports if "telegramId" in each["reasons"]]
    assert report["level"] == "ERROR"
    assert report["operation"] == "usersGetById"
    assert report["reasons"] == {"telegramId": "must be of type string"}


def test_an_undeclared_status_is_reported(lenient_server: Server) -> None:
    answer = lenient_server.get(f"/api/v1/users/{UNDECLARED}")
    assert answer.status == 299
    lenient_server.access(answer.headers["X-Request-ID"])
    reports = [line for line in lenient_server.lines() if line["logger"] == "spec.responses"]
    assert any(each["reasons"] == {"status": "is not declared"} for each in reports)


def test_an_answer_that_is_no_json_is_an_error_everywhere(lenient_server: Server) -> None:
    assert lenient_server.get(f"/api/v1/users/{NOT_JSON}").status == 500
