"""Tokens given or taken by hand: what it would do is shown first, then a code is asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING
from uuid import UUID

from flask import Blueprint, g, render_template, request, url_for
from flask.typing import ResponseReturnValue

from console import texts
from console.access import allowed
from console.actions import act
from console.forms import Form
from console.permissions import SUPPORT_GRANT_TOKENS, Permission, may
from db import browsing
from db.types import MAX_AMOUNT
from services import grants, previews, users
from services.audit import Entry
from services.ledger import Move
from services.previews import Effect

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

pages = Blueprint("tokens", __name__, url_prefix="/people/<uuid:user_id>/tokens")


@dataclass(frozen=True)
class Kind:
    """Giving or taking: how it is previewed, done, told, and recorded."""

    action: str
    preview: Callable[[Session, UUID, Decimal], Effect]
    move: Callable[..., Move]
    said: Callable[[Decimal, Decimal], str]
    title: str
    endpoint: str


GRANT = Kind("user.grant", previews.grant, grants.grant, texts.granted, texts.GIVE, ".grant")
WITHDRAWAL = Kind(
    "user.withdraw",
    previews.withdraw,
    grants.withdraw,
    texts.withdrawn,
    texts.TAKE,
    ".withdraw",
)


@pages.get("/grant")
@allowed(Permission.TOKENS_GRANT)
def ask_grant(user_id: UUID) -> ResponseReturnValue:
    """How many, and what it would do."""
    return _asked(GRANT, user_id)


@pages.post("/grant")
@allowed(Permission.TOKENS_GRANT, fresh_code=True)
def grant(user_id: UUID) -> ResponseReturnValue:
    """Give them."""
    return _moved(GRANT, user_id)


@pages.get("/withdraw")
@allowed(Permission.TOKENS_WITHDRAW)
def ask_withdrawal(user_id: UUID) -> ResponseReturnValue:
    """How many, and what it would do."""
    return _asked(WITHDRAWAL, user_id)


@pages.post("/withdraw")
@allowed(Permission.TOKENS_WITHDRAW, fresh_code=True)
def withdraw(user_id: UUID) -> ResponseReturnValue:
    """Take them."""
    return _moved(WITHDRAWAL, user_id)


def _asked(kind: Kind, user_id: UUID) -> ResponseReturnValue:
    form = Form.of_address()
    if "tokens" in request.args:
        form.amount("tokens", _most(kind))
        form.words("reason")
    shown = _shown(kind, user_id, form)
    return (shown, 422) if form.errors else shown


def _moved(kind: Kind, user_id: UUID) -> ResponseReturnValue:
    form = Form()
    tokens, reason = form.amount("tokens", _most(kind)), form.words("reason")
    entry = Entry(kind.action, f"user:{user_id}", reason, form.key)

    def effect(session: Session) -> str:
        move = kind.move(session, user_id, tokens, key=form.key, reason=reason)
        entry.after = {"tokens": move.tokens_delta, "balance": move.balance_after}
        # Orders that waited may have taken of it at once.
        return kind.said(tokens, users.balance(session, user_id))

    return act(
        form,
        entry,
        effect,
        to=url_for("people.shown", user_id=user_id),
        refused=lambda: _shown(kind, user_id, form),
        field="tokens",
    )


def _shown(kind: Kind, user_id: UUID, form: Form) -> str:
    with browsing() as session:
        person, effect = users.get(session, user_id), None
        if form.values.get("tokens") and not form.errors:
            effect = kind.preview(session, user_id, form.amount("tokens"))
    return render_template(
        "tokens/form.html", kind=kind, person=person, form=form, effect=effect, most=_most(kind)
    )


def _most(kind: Kind) -> Decimal:
    """What one move may be at most: whoever may not take tokens gives only some."""
    limited = kind is GRANT and not may(g.operator.role, Permission.TOKENS_WITHDRAW)
    return Decimal(SUPPORT_GRANT_TOKENS) if limited else MAX_AMOUNT
