"""Payments: the list, and one with what its provider reported and what it moved."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from flask import Blueprint, render_template, url_for
from flask.typing import ResponseReturnValue

from console import texts
from console.access import allowed
from console.actions import act_outside
from console.addresses import PAGE_ROWS, chosen, cursor, day, listing
from console.forms import Form
from console.permissions import Permission
from db import browsing
from db.models import PAYMENT_STATUSES, PROVIDERS
from db.rows import PaymentRow
from services import audit, inbox, ledger, payments
from services.audit import Entry
from services.paging import Page
from workflows import reconciler

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

pages = Blueprint("payments", __name__, url_prefix="/payments")

TROUBLED = ("troubled",)


@pages.get("/")
@allowed(Permission.LISTS_READ)
def listed() -> ResponseReturnValue:
    """Payments, newest first."""
    with browsing() as session:
        page = rows(session, limit=PAGE_ROWS, cursor=cursor())
    return render_template(
        "payments/list.html",
        listing=listing(page),
        statuses=PAYMENT_STATUSES,
        providers=PROVIDERS,
        only=TROUBLED,
    )


def rows(session: Session, *, limit: int, cursor: str | None) -> Page[PaymentRow]:
    """The payments that the address asks for."""
    return payments.listed(
        session,
        limit=limit,
        cursor=cursor,
        status=chosen("status", PAYMENT_STATUSES),
        provider=chosen("provider", PROVIDERS),
        troubled=True if chosen("only", TROUBLED) else None,
        since=day("since"),
        until=day("until", end=True),
    )


@pages.get("/<uuid:payment_id>")
@allowed(Permission.LISTS_READ)
def shown(payment_id: UUID) -> ResponseReturnValue:
    """One payment."""
    return _shown(payment_id, Form())


@pages.post("/<uuid:payment_id>/check")
@allowed(Permission.PAYMENTS_CHECK)
def check(payment_id: UUID) -> ResponseReturnValue:
    """Ask its provider now, and apply what it says."""
    form = Form()
    return act_outside(
        form,
        Entry("payment.check", f"payment:{payment_id}"),
        lambda: texts.verdict(reconciler.check(payment_id)),
        to=url_for(".shown", payment_id=payment_id),
        refused=lambda: _shown(payment_id, form),
    )


def _shown(payment_id: UUID, form: Form) -> str:
    with browsing() as session:
        payment = payments.get(session, payment_id)
        events = inbox.of_payment(session, payment_id)
        moves = ledger.of_payment(session, payment_id)
        entries = audit.of_target(session, f"payment:{payment_id}")
    return render_template(
        "payments/payment.html",
        payment=payment,
        events=events,
        moves=moves,
        entries=entries,
        form=form,
    )
