"""An action of a form: once for each form, with its audit entry; a refusal is shown in the form."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from flask import abort, g, redirect
from flask.typing import ResponseReturnValue

from console import texts
from console.addresses import with_result
from console.forms import WHOLE_FORM, Form
from db import transaction
from db.types import now
from errors import ApiError
from services import audit, form_keys, ledger
from services.audit import Entry

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

log = logging.getLogger("console")

Refusal = ApiError | ValueError | ledger.NotEnoughTokens
Show = Callable[[], str]


def act(
    form: Form,
    entry: Entry,
    effect: Callable[[Session], str],
    *,
    to: str,
    refused: Show,
    field: str = WHOLE_FORM,
) -> ResponseReturnValue:
    """Run `effect` in one transaction with its entry, then show at `to` the sentence it returns.

    A form that was sent before shows its first result again. What the rules refuse changes nothing:
    `refused` shows the form again, with their sentence beside `field`, and status 422.
    """
    if form.errors:
        return _again(refused)
    try:
        with transaction() as session:
            sent = form_keys.claim(session, form.key, g.operator.operator_id, now=now())
            if sent is None:
                said = effect(session)
                audit.write(session, entry)
                form_keys.settle(session, form.key, said)
    except (ApiError, ValueError, ledger.NotEnoughTokens) as refusal:
        return _refused(refusal, form, refused, field)
    return redirect(with_result(to, form.key), 303)


def act_outside(
    form: Form,
    entry: Entry,
    effect: Callable[[], str],
    *,
    to: str,
    refused: Show,
    field: str = WHOLE_FORM,
) -> ResponseReturnValue:
    """The same for an effect that calls a provider: it opens transactions of its own.

    The entry that it begins is committed before, and so is the key of the form: while it runs, and
    after a crash in the middle, a second form with this key does nothing. Without an answer nobody
    says that nothing was done: a provider may have done it all the same.
    """
    if form.errors:
        return _again(refused)
    try:
        with transaction() as session:
            sent = form_keys.claim(session, form.key, g.operator.operator_id, now=now())
            if sent is None:
                audit.write(session, entry, "begun")
        if sent is None:
            _run_outside(form, entry, effect)
    except (ApiError, ValueError, ledger.NotEnoughTokens) as refusal:
        if _is_away(refusal):
            facts = {"action": entry.action, "target": entry.target}
            log.warning("action at a provider has no answer", exc_info=refusal, extra=facts)
            abort(503, texts.PERHAPS_DONE)
        return _refused(refusal, form, refused, field)
    return redirect(with_result(to, form.key), 303)


def _run_outside(form: Form, entry: Entry, effect: Callable[[], str]) -> None:
    try:
        said = effect()
    except Exception as error:
        entry.note = str(error)
        with transaction() as session:
            audit.write(session, entry, "failed")
            form_keys.release(session, form.key)
        raise
    entry.note = entry.note or said
    with transaction() as session:
        audit.write(session, entry)
        form_keys.settle(session, form.key, said)


def _refused(refusal: Refusal, form: Form, refused: Show, field: str) -> ResponseReturnValue:
    if _is_away(refusal):
        raise refusal
    form.errors[field] = texts.refusal(refusal)
    return _again(refused)


def _is_away(refusal: Refusal) -> bool:
    """Whether nobody has refused anything: the database or a provider does not answer."""
    return isinstance(refusal, ApiError) and refusal.status >= 500


def _again(refused: Show) -> ResponseReturnValue:
    """The page of the form, as it answers a GET, but with 422."""
    return refused(), 422
