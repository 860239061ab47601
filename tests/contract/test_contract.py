"""The contract is valid, says everything a client needs, and its examples are correct."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import schemathesis
from openapi_spec_validator import OpenAPIV31SpecValidator
from schemathesis.core.result import Ok

import errors

Node = dict[str, Any]

CONTRACT = Path(__file__).parents[2] / "spec/openapi.yaml"
OPEN_TO_ALL = {"webhookPayments", "healthLive", "healthReady"}
IDEMPOTENT = {
    "usersRegisterOrLogin",
    "jobsCreate",
    "paymentsCreateIntent",
    "dataGetPresign",
    "supportRequestsCreate",
}
PAGED = {
    "jobsList",
    "transactionsList",
    "referralsHistory",
    "lotteriesHistory",
    "tariffsList",
}


def test_the_contract_is_valid_openapi_31(contract: Node) -> None:
    assert contract["openapi"] == "3.1.0"
    OpenAPIV31SpecValidator(contract).validate()


def test_every_reference_leads_somewhere(contract: Node) -> None:
    references = [node["$ref"] for _, node in _nodes(contract) if isinstance(node.get("$ref"), str)]

    assert len(references) > 100
    for reference in references:
        _resolved(contract, {"$ref": reference})


def test_every_example_is_true(contract: Node) -> None:
    checked = 0
    for where, node in _nodes(contract):
        for example in _examples(contract, node):
            assert _problems(contract, node["schema"], example) == [], (where, example)
            checked += 1

    assert checked > 50


def test_every_example_of_a_refusal_has_a_code_of_its_status(contract: Node) -> None:
    for where, status, response in _responses(contract):
        media = response.get("content", {}).get("application/json", {})
        for example in _examples(contract, media):
            if isinstance(example, dict) and "code" in example and status != "default":
                assert errors.CODES[example["code"]][0] == int(status), where


def test_the_closed_list_of_codes_is_the_one_the_program_knows(contract: Node) -> None:
    text = contract["components"]["schemas"]["Error"]["properties"]["code"]["description"]
    listed = re.findall(r"^\| (\d{3}) \| `(\w+)` \|", text, re.MULTILINE)

    known = {code: status for code, (status, *_) in errors.CODES.items()}
    assert {code: int(status) for status, code in listed} == known
    assert len(listed) == len(known)


def test_every_example_of_a_refusal_shows_the_customer_a_sentence(contract: Node) -> None:
    for where, _, response in _responses(contract):
        media = response.get("content", {}).get("application/json", {})
        for example in _examples(contract, media):
            if isinstance(example, dict) and example.get("code") in errors.CODES:
                shown = example.get("details", {}).get("message")
                assert example["userMessage"] == shown or (
                    not shown and example["userMessage"] == errors.CODES[example["code"]][2]
                ), where


def test_every_operation_is_described_and_shown_by_example(contract: Node) -> None:
    tags = {tag["name"] for tag in contract["tags"]}
    assert all(tag["description"] for tag in contract["tags"])
    for operation_id, operation in _operations(contract).items():
        assert operation["summary"], operation_id
        assert operation["description"], operation_id
        assert len(operation["tags"]) == 1 and set(operation["tags"]) <= tags, operation_id
        for media in _bodies(contract, operation):
            assert list(_examples(contract, media)), operation_id


def test_generators_keep_apart_what_the_server_serves_and_what_it_sends(contract: Node) -> None:
    # They write a module per tag: webhooks with the tag of an operation replace it.
    sent = [set(post["tags"]) for each in contract["webhooks"].values() for post in each.values()]
    served = [set(each["tags"]) for each in _operations(contract).values()]
    known = {tag["name"] for tag in contract["tags"]}
    assert not set().union(*sent) & set().union(*served)
    assert set().union(*sent, *served) == known


def test_every_operation_documents_its_refusals(contract: Node) -> None:
    for operation_id, operation in _operations(contract).items():
        responses = operation["responses"]
        assert responses["default"] == {"$ref": "#/components/responses/Error"}, operation_id
        expected = set()
        if "requestBody" in operation:
            expected |= {"400", "413", "415"}
        if _parameters(contract, operation):
            expected.add("400")
        if operation_id not in OPEN_TO_ALL:
            expected |= {"401", "429"}
        if operation_id in IDEMPOTENT:
            expected |= {"409", "422"}
        if {"userId", "jobId", "dataId", "paymentId"} & set(_parameters(contract, operation)):
            expected.add("404")
        assert expected <= responses.keys(), (operation_id, expected - responses.keys())


def test_every_answer_carries_the_request_id_and_has_a_schema(contract: Node) -> None:
    for where, status, response in _responses(contract):
        assert "X-Request-ID" in response["headers"], where
        if where[0] != "webhookPayments" or status != "200":
            assert "schema" in response["content"]["application/json"], where
        if status in ("429", "503"):
            assert "Retry-After" in response["headers"], where


def test_only_the_webhook_and_the_probes_need_no_key(contract: Node) -> None:
    assert contract["security"] == [{"ApiKeyAuth": []}]
    operations = _operations(contract)
    assert {name for name in operations if operations[name].get("security") == []} == OPEN_TO_ALL
    assert {name for name in operations if "security" in operations[name]} == OPEN_TO_ALL


def test_idempotency_keys_are_taken_where_they_are_meant(contract: Node) -> None:
    operations = _operations(contract)
    taking = {
        name for name in operations if "Idempotency-Key" in _parameters(contract, operations[name])
    }

    assert taking == IDEMPOTENT
    for name in taking:
        (success,) = (
            answer for status, answer in operations[name]["responses"].items() if status < "3"
        )
        assert "Idempotency-Replayed" in success["headers"], name


def test_lists_are_paged_and_nothing_else_is(contract: Node) -> None:
    operations = _operations(contract)
    for name, operation in operations.items():
        paged = {"limit", "cursor"} <= set(_parameters(contract, operation))
        assert paged == (name in PAGED), name
        if paged:
            success = operation["responses"]["200"]
            assert "Link" in success["headers"], name
            assert success["content"]["application/json"]["schema"]["type"] == "array", name


def test_links_lead_to_operations_that_take_what_they_carry(contract: Node) -> None:
    operations = _operations(contract)
    for name, link in contract["components"]["links"].items():
        target = operations[link["operationId"]]
        # openapi-generator reads a `requestBody` only if it is a string, and refuses the document.
        assert link.keys() == {"operationId", "description", "parameters"}, name
        assert set(link["parameters"]) <= set(_parameters(contract, target)), name


def test_schemathesis_reads_every_operation(contract: Node) -> None:
    schema = schemathesis.openapi.from_path(CONTRACT)

    read = list(schema.get_all_operations())
    assert [result for result in read if not isinstance(result, Ok)] == []
    assert len(read) == len(_operations(contract))


USER = "0b9f6c1e-4a7d-4f52-8f0b-6d1c2e3a4b5c"
PHOTO = {"dataId": "6f1c3a52-8d0e-4b7a-9c41-2e5b7d90f318"}
JOB: Node = {"userId": USER, "serviceType": "animate", "input": [PHOTO]}
PAYMENT: Node = {"userId": USER, "amountRub": 199}
SOCIAL: Node = {"userId": USER, "socialLinks": ["https://vk.com/wall-1_42"]}
PRESIGN: Node = {"type": "image", "fileName": "я.jpg", "contentType": "image/jpeg"}

ACCEPTED: list[tuple[str, Node]] = [
    *(
        ("usersUpdateEmail", {"email": address})
        for address in ("", "a@b.ru", "anna.s+bot@sub.example-shop.xn--p1ai", "o'neil@example.com")
    ),
    ("supportRequestsCreate", {"userId": USER, "topic": "refund", "message": "ё" * 2000}),
    ("usersRegisterOrLogin", {"telegramId": "384726159", "refCode": "", "isPremium": True}),
    *(
        ("paymentsCreateIntent", {**PAYMENT, "amountRub": amount})
        for amount in (0.01, 0.07, 0.29, 199.99, 1234567.89, 9999999.99)
    ),
    ("jobsCreate", {**JOB, "description": "ё" * 300, "input": [PHOTO] * 10}),
    ("jobsCreate", {**JOB, "input": [{"url": "HTTPS://пример.рф/фото.jpg"}]}),
    ("jobsCreate", {**JOB, "clientRef": "🙂" * 200}),
    ("paymentsCreateIntent", {**PAYMENT, "clientRef": "384726159:1024"}),
    ("lotteriesSubmitSocial", {**SOCIAL, "socialLinks": ["Https://ok.ru/я"]}),
    ("dataGetPresign", {**PRESIGN, "contentType": "image/svg+xml"}),
]
REFUSED: list[tuple[str, Node]] = [
    *(
        ("usersUpdateEmail", {"email": address})
        for address in (
            *(
                "anna",
                "anna@",
                "@example.ru",
                "anna@localhost",
                "a b@example.ru",
                "anna@example.ru\n",
            ),
            *(
                "anna@-example.ru",
                "anna@exa_mple.ru",
                "анна@example.ru",
                "anna@пример.рф",
                "a@b..ru",
            ),
            *(
                "a@b.ru,c@d.ru",
                "anna@example.ru\r\nBcc: b@c.ru",
                "<a@b.ru>",
                "x" * 65 + "@b.ru",
                None,
            ),
        )
    ),
    ("supportRequestsCreate", {"userId": USER, "topic": "help", "message": ""}),
    ("supportRequestsCreate", {"userId": USER, "topic": "help", "message": " \n\u00a0"}),
    ("supportRequestsCreate", {"userId": USER, "topic": "help", "message": "ё" * 2001}),
    ("supportRequestsCreate", {"userId": USER, "topic": "love", "message": "?"}),
    ("usersRegisterOrLogin", {"telegramId": ""}),
    ("usersRegisterOrLogin", {"telegramId": "3847 26159"}),
    ("usersRegisterOrLogin", {"telegramId": 384726159}),
    ("usersRegisterOrLogin", {"telegramId": "1" * 33}),
    *(
        ("paymentsCreateIntent", {**PAYMENT, "amountRub": amount})
        for amount in (0, -1, 0.001, 199.999, 10000000, "199")
    ),
    ("paymentsCreateIntent", {**PAYMENT, "provider": "manual"}),
    ("paymentsCreateIntent", {**PAYMENT, "userId": "42"}),
    ("paymentsCreateIntent", {**PAYMENT, "clientRef": ""}),
    ("jobsCreate", {**JOB, "clientRef": "ё" * 201}),
    ("jobsCreate", {**JOB, "input": []}),
    ("jobsCreate", {**JOB, "input": [PHOTO] * 11}),
    ("jobsCreate", {**JOB, "input": [{"type": "image"}]}),
    ("jobsCreate", {**JOB, "input": [{"url": "file:///etc/passwd"}]}),
    ("jobsCreate", {**JOB, "input": [{"url": "https://a/" + "b" * 2048}]}),
    ("jobsCreate", {**JOB, "description": "ё" * 301}),
    ("lotteriesSubmitSocial", {**SOCIAL, "socialLinks": []}),
    ("lotteriesSubmitSocial", {**SOCIAL, "socialLinks": ["https://vk.com/1"] * 2}),
    ("lotteriesSubmitSocial", {**SOCIAL, "socialLinks": ["https://vk.com/a\nb"]}),
    ("lotteriesSubmitSocial", {**SOCIAL, "socialLinks": ["javascript:alert(1)"]}),
    ("dataGetPresign", {**PRESIGN, "contentType": "jpeg"}),
    ("dataGetPresign", {**PRESIGN, "fileName": ""}),
]


@pytest.mark.parametrize(("operation_id", "body"), ACCEPTED)
def test_a_sensible_request_is_accepted(contract: Node, operation_id: str, body: Node) -> None:
    (media,) = _bodies(
        contract, {"requestBody": _operations(contract)[operation_id]["requestBody"]}
    )
    assert _problems(contract, media["schema"], body) == []


@pytest.mark.parametrize(("operation_id", "body"), REFUSED)
def test_a_request_beyond_the_limits_is_refused(
    contract: Node, operation_id: str, body: Node
) -> None:
    (media,) = _bodies(
        contract, {"requestBody": _operations(contract)[operation_id]["requestBody"]}
    )
    assert _problems(contract, media["schema"], body)


def _operations(contract: Node) -> dict[str, Node]:
    return {
        operation["operationId"]: operation
        for item in contract["paths"].values()
        for operation in item.values()
    }


def _parameters(contract: Node, operation: Node) -> list[str]:
    return [_resolved(contract, entry)["name"] for entry in operation.get("parameters", [])]


def _responses(contract: Node) -> Iterator[tuple[tuple[str, str], str, Node]]:
    for operation_id, operation in _operations(contract).items():
        for status, response in operation["responses"].items():
            yield (operation_id, status), status, _resolved(contract, response)


def _bodies(contract: Node, operation: Node) -> Iterator[Node]:
    """Media types of the request and of every answer."""
    holders = [operation.get("requestBody", {})]
    holders += [_resolved(contract, entry) for entry in operation.get("responses", {}).values()]
    for holder in holders:
        yield from holder.get("content", {}).values()


def _examples(contract: Node, node: Node) -> Iterator[Any]:
    if "schema" not in node:
        return
    if "example" in node:
        yield node["example"]
    for example in node.get("examples", {}).values():
        yield _resolved(contract, example)["value"]


def _problems(contract: Node, schema: Node, instance: Any) -> list[str]:
    whole = {**schema, "components": contract["components"]}
    validator = jsonschema_rs.Draft202012Validator(whole, validate_formats=True)
    return [error.message for error in validator.iter_errors(instance)]


def _resolved(contract: Node, node: Node) -> Node:
    while "$ref" in node:
        target: Any = contract
        for part in node["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        node = target
    return node


def _nodes(node: Any, where: str = "#") -> Iterator[tuple[str, Node]]:
    """Every object of the document with its place."""
    if isinstance(node, dict):
        yield where, node
        for key, value in node.items():
            yield from _nodes(value, f"{where}/{key}")
    elif isinstance(node, list):
        for position, value in enumerate(node):
            yield from _nodes(value, f"{where}/{position}")
