"""Checks responses against the contract, as requests are."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from jsonschema_rs import Draft202012Validator

from spec.operations import Operation
from spec.schemas import compiled, reasons

log = logging.getLogger(__name__)

LOG_EVERY_SECONDS = 60
_MAX_REMEMBERED = 1000

# operationId -> responses that did not match since this process started; health reports the sum.
mismatches: Counter[str] = Counter()


class ResponseMismatchError(Exception):
    """A response that the contract does not allow was about to be sent."""


class ResponseValidators:
    """Validators of all responses of `operations`.

    strict: raise on a mismatch, for tests. Otherwise the customer gets the response, and the
    mismatch is counted in `mismatches` and logged at ERROR once per LOG_EVERY_SECONDS and reason.
    """

    def __init__(
        self,
        operations: Iterable[Operation],
        *,
        strict: bool,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._strict = strict
        self._clock = clock
        self._declared = {each.operation_id: _validators(each) for each in operations}
        self._logged: dict[tuple[object, ...], float] = {}
        self._lock = threading.Lock()

    def require(self, operation_id: str, status: int, data: Any) -> None:
        """Check one response; `data` is what will be sent as JSON.

        `default` covers refusals only: an undeclared success is a mismatch.
        """
        found = self._reasons(operation_id, status, data)
        if not found:
            return
        mismatches[operation_id] += 1
        if self._strict:
            raise ResponseMismatchError(f"{operation_id} answered {status}: {found}")
        self._report(operation_id, status, found)

    def _reasons(self, operation_id: str, status: int, data: Any) -> dict[str, str]:
        declared = self._declared[operation_id]
        key = str(status)
        if key not in declared:
            if status < 400 or "default" not in declared:
                return {"status": "is not declared"}
            key = "default"
        validator = declared[key]
        try:
            return reasons(validator, data) if validator else {}
        except (ValueError, TypeError) as error:  # not made of JSON types, or a lone surrogate
            return {"body": f"is not JSON-ready: {type(error).__name__}"}

    def _report(self, operation_id: str, status: int, found: dict[str, str]) -> None:
        key = (operation_id, status, *sorted(found.items()))
        now = self._clock()
        with self._lock:
            if now - self._logged.get(key, float("-inf")) < LOG_EVERY_SECONDS:
                return
            if len(self._logged) >= _MAX_REMEMBERED:
                self._logged.clear()
            self._logged[key] = now
        log.error(
            "response does not match the contract",
            extra={"operation": operation_id, "status": status, "reasons": found},
        )


def _validators(operation: Operation) -> dict[str, Draft202012Validator | None]:
    """By status or `default`; None means no body."""
    return {
        status: None if schema is None else compiled(schema)
        for status, schema in operation.responses.items()
    }
