"""Rubles returned through a provider: the tokens that would go are shown first."""

from __future__ import annotations

from uuid import UUID

from flask import Blueprint, render_template, request, url_for
from flask.typing import ResponseReturnValue

from console import texts
from console.access import allowed
from console.actions import act_outside
from console.forms import Form, new_key
from console.permissions import Permission
from db import browsing
from db.rows import AuditEntryRow
from services import audit, payments, previews
from services.audit import Entry
from workflows import reconciler

pages = Blueprint("refunds", __name__, url_prefix="/payments/<uuid:payment_id>/refund")


@pages.get("")
@allowed(Permission.PAYMENTS_REFUND)
def ask(payment_id: UUID) -> ResponseReturnValue:
    """How much, and what it would do."""
    form = Form.of_address()
    if "rub" in request.args:
        _read(form)
    shown = _shown(payment_id, form)
    return (shown, 422) if form.errors else shown


@pages.post("")
@allowed(Permission.PAYMENTS_REFUND, fresh_code=True)
def refund(payment_id: UUID) -> ResponseReturnValue:
    """Return it.

    The key that makes it happen once at the provider is in the address of the page that asked:
    whoever comes back there after a failure, in which the money may have gone, sends it again.
    """
    form = Form()
    _read(form)
    rub, key = form.amount("rub"), form.words("key", 200)
    entry = Entry(
        "payment.refund", f"payment:{payment_id}", form.words("reason"), key, after={"rub": rub}
    )
    return act_outside(
        form,
        entry,
        lambda: texts.verdict(reconciler.refund(payment_id, rub, key=key)),
        to=url_for("payments.shown", payment_id=payment_id),
        refused=lambda: _shown(payment_id, form),
        field="rub",
    )


def _read(form: Form) -> None:
    """Note what is wrong with the fields."""
    form.amount("rub")
    form.words("reason")
    form.words("key", 200)


def _shown(payment_id: UUID, form: Form) -> str:
    with browsing() as session:
        payment, effect = payments.get(session, payment_id), None
        entries = audit.of_target(session, f"payment:{payment_id}")
        if form.values.get("rub") and not form.errors:
            try:
                effect = previews.refund(session, payment, form.amount("rub"))
            except ValueError as refusal:
                form.errors["rub"] = texts.refusal(refusal)
    return render_template(
        "refunds/form.html",
        payment=payment,
        form=form,
        effect=effect,
        left=payment.amount_rub - payment.refunded_rub,
        key=new_key(),
        doubtful=_doubtful(entries, form.values.get("key")),
    )


def _doubtful(entries: list[AuditEntryRow], key: str | None) -> AuditEntryRow | None:
    """The last refund, if nobody knows whether the provider made it and this one has another key:
    it would return the money a second time.
    """
    last = next((entry for entry in entries if entry.action == "payment.refund"), None)
    return last if last and last.outcome != "done" and last.key not in (None, key) else None
