"""Tables, answers and the contract agree about enums, fields and limits."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from types import CodeType, NoneType
from typing import Any, get_args, get_origin, get_type_hints
from uuid import UUID

import pytest
from marshmallow import fields
from sqlalchemy import CheckConstraint

from db import models
from db.rows.ids import Id
from handlers import components, schemas
from spec import CONTRACT, functions
from spec.operations import operations_of, resolve
from web.app import PROBES_TAG, WRITING_GETS

# (table, column): the contract's place of the same enum.
ENUMS = {
    "SERVICE_TYPES": "components/schemas/Job/properties/serviceType",
    "JOB_STATUSES": "components/schemas/Job/properties/status",
    "DATA_TYPES": "components/schemas/Data/properties/type",
    "TRANSACTION_TYPES": "components/schemas/Transaction/properties/type",
    "TRANSACTION_STATUSES": "components/schemas/Transaction/properties/status",
    "TRANSACTION_PROVIDERS": "components/schemas/Transaction/properties/provider",
    "PROVIDERS": "components/schemas/PaymentIntent/properties/provider",
    "SUPPORT_STATUSES": "components/schemas/SupportRequest/properties/status",
    "SUPPORT_TOPICS": "components/schemas/SupportRequest/properties/topic",
    "PAYMENT_STATUSES": "components/schemas/Payment/properties/status",
}
COMPONENTS = {
    name: each()
    for name, each in vars(schemas).items()
    if isinstance(each, type) and components.Component in each.__bases__
}
KINDS: dict[type, set[Any]] = {
    components.Amount: {Decimal},
    components.Moment: {datetime},
    fields.Boolean: {bool},
    fields.Integer: {int},
    fields.String: {str, int},
    fields.UUID: {UUID, Id},
}
# Added by schemas.drawn once the draw has been made, and by schemas.expected to a job that is read.
ADDED = {
    "Job": {"queuePosition", "etaSeconds"},
    "Lottery": {"seed", "entriesHash", "drawnAt", "winners"},
}
JOBS_CREATE = "components/schemas/JobsCreateBody/properties"


def at(contract: dict[str, Any], pointer: str) -> Any:
    """The part of the contract that a JSON Pointer names."""
    node: Any = contract
    for step in pointer.split("/"):
        node = node[step.replace("~1", "/")]
    return resolve(contract, node) if isinstance(node, dict) else node


def checks(table: str) -> str:
    """The SQL of all CHECKs of a table."""
    constraints = models.Table.metadata.tables[table].constraints
    return "\n".join(str(c.sqltext) for c in constraints if isinstance(c, CheckConstraint))


@pytest.mark.parametrize("name", ENUMS)
def test_enums_of_the_tables_are_those_of_the_contract(name: str, contract: dict[str, Any]) -> None:
    assert sorted(getattr(models, name)) == sorted(at(contract, ENUMS[name])["enum"])


@pytest.mark.parametrize("component", COMPONENTS)
def test_an_answer_has_the_fields_of_its_component(
    component: str, contract: dict[str, Any]
) -> None:
    promised = at(contract, f"components/schemas/{component}/properties")
    dumped = {field.data_key for field in COMPONENTS[component].fields.values()}
    assert dumped | ADDED.get(component, set()) == set(promised)


@pytest.mark.parametrize("component", COMPONENTS)
def test_a_field_is_the_one_of_its_row_with_that_name(component: str) -> None:
    schema: Any = type(COMPONENTS[component])
    (row,) = get_args(schema.__orig_bases__[0])
    held = get_type_hints(get_origin(row) or row)
    for name, field in COMPONENTS[component].fields.items():
        if type(field) not in (components.Made, fields.Raw):
            hint = held[field.attribute or name]
            kinds = {*(get_args(hint) or (hint,))} - {NoneType}
            assert kinds <= KINDS[type(field)], name


def test_components_that_operations_answer_with_can_be_dumped(contract: dict[str, Any]) -> None:
    answered = {
        name
        for path in contract["paths"].values()
        for operation in path.values()
        for name in re.findall(r"#/components/schemas/(\w+)", str(operation["responses"]))
    }
    others = {"Config", "Event", "IOObject", "Error", "Liveness", "Readiness"}
    assert answered - others - set(COMPONENTS) == set()


def test_the_longest_description_of_the_contract_fits_the_table(contract: dict[str, Any]) -> None:
    longest = at(contract, f"{JOBS_CREATE}/description/maxLength")
    assert f"char_length(description) <= {longest}" in checks("jobs")


def test_the_longest_client_ref_of_the_contract_fits_the_tables(contract: dict[str, Any]) -> None:
    longest = at(contract, f"{JOBS_CREATE}/clientRef/maxLength")
    for table in ("jobs", "payments"):
        assert f"char_length(client_ref) <= {longest}" in checks(table)


def test_the_progress_of_the_contract_is_that_of_the_table(contract: dict[str, Any]) -> None:
    progress = at(contract, "components/schemas/Job/properties/progress")
    bounds = f"progress BETWEEN {progress['minimum']} AND {progress['maximum']}"
    assert bounds in checks("jobs")


def test_the_longest_idempotency_key_of_the_contract_fits_the_table(
    contract: dict[str, Any],
) -> None:
    key = at(contract, "components/parameters/IdempotencyKey/schema")
    bounds = f"char_length(key) BETWEEN {key['minLength']} AND {key['maxLength']}"
    assert bounds in checks("idempotency_keys")


def test_what_has_the_threads_for_reads_neither_writes_nor_asks_the_outside() -> None:
    """Else a standby or a provider that is away would hold up all reads."""
    operations = operations_of(CONTRACT)
    handlers = functions.load(operations)
    reads = [
        each.function_name
        for each in operations
        if each.method == "GET" and each.tag != PROBES_TAG and each.operation_id not in WRITING_GETS
    ]
    assert len(reads) > 10
    for name in reads:
        used = dict(_used(handlers[name], set()))
        modules = {inspect.getmodule(each) for each in used.values()}
        rooms = {each.__name__.partition(".")[0] for each in modules if each is not None}
        if name == "config_get":  # what is connected is known without asking anybody
            rooms.discard("providers")
        assert not {"transaction", "counting"} & used.keys(), name
        assert not rooms & {"workflows", "providers"}, name


def _used(function: Any, seen: set[Any]) -> Iterator[tuple[str, Any]]:
    """What a handler names, and what the functions of its module that it calls name."""
    seen.add(function)
    codes = [function.__code__]
    for code in codes:
        codes += [each for each in code.co_consts if isinstance(each, CodeType)]
        for name in code.co_names:
            value = function.__globals__.get(name)
            yield name, value
            own = inspect.isfunction(value) and value.__module__ == function.__module__
            if own and value not in seen:
                yield from _used(value, seen)
