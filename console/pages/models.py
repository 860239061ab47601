"""Generation models: what a photo costs the customer and us, and which of them are on offer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Blueprint, abort, render_template, url_for
from flask.typing import ResponseReturnValue

from console import business_texts
from console.access import allowed
from console.actions import act
from console.addresses import whole
from console.forms import Form
from console.permissions import Permission
from db import browsing
from services import audit, models, versions
from services.audit import Entry
from services.models import ModelColumns
from workflows import model_offers

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

pages = Blueprint("models", __name__, url_prefix="/models")


@pages.get("/")
@allowed(Permission.LISTS_READ)
def listed() -> ResponseReturnValue:
    """All of them, by service, the default first."""
    with browsing() as session:
        rows = models.all_models(session)
    connected = {row.name: models.is_connected(row.engine) for row in rows}
    return render_template("models/list.html", listing=whole(rows), connected=connected)


@pages.get("/of/<path:name>")
@allowed(Permission.LISTS_READ)
def shown(name: str) -> ResponseReturnValue:
    """One model, and its form."""
    return _shown(name, Form())


@pages.post("/of/<path:name>")
@allowed(Permission.CATALOG_CHANGE, fresh_code=True)
def edit(name: str) -> ResponseReturnValue:
    """Other prices, words and positions; orders that were made keep theirs."""
    form = Form()
    columns, seen = _columns(form), form.words("seen", 64)
    entry = Entry("model.edit", f"model:{name}", form.words("reason"))

    def effect(session: Session) -> str:
        model = models.find(session, name)
        entry.compare(model, dict(columns))
        if columns["active"]:
            model_offers.require_recipe(model, columns)
        models.change(session, name, seen=seen, **columns)
        return business_texts.MODEL_CHANGED

    return act(
        form, entry, effect, to=url_for(".shown", name=name), refused=lambda: _shown(name, form)
    )


def _columns(form: Form) -> ModelColumns:
    offer = form.choice("offer", business_texts.OFFERS)
    position = form.whole("fallback", least=0, most=1000)
    return {
        "title": form.words("title", 100),
        "description": form.words("description", 300),
        "price_tokens": form.amount("tokens", model_offers.MOST_PRICE),
        "price_rub": form.amount("rub", model_offers.MOST_PRICE),
        "run_cost": form.cost("cost"),
        "usual_seconds": form.whole("seconds", least=1, most=3600),
        "fallback_position": position or None,
        "active": offer != "off",
        "is_default": offer == "default",
    }


def _shown(name: str, form: Form) -> str:
    with browsing() as session:
        try:
            model = models.find(session, name)
        except ValueError:
            abort(404)
        entries = audit.of_target(session, f"model:{name}")
    return render_template(
        "models/model.html",
        model=model,
        offer="default" if model.is_default else "on" if model.active else "off",
        offers=business_texts.OFFERS,
        connected=models.is_connected(model.engine),
        seen=versions.of(model),
        entries=entries,
        form=form,
    )
