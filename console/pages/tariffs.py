"""Packages of tokens: what they cost, and in which order the bot shows them."""

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
from db.types import MAX_AMOUNT
from services import audit, tariffs, versions
from services.audit import Entry
from services.tariffs import TariffColumns

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

pages = Blueprint("tariffs", __name__, url_prefix="/tariffs")


@pages.get("/")
@allowed(Permission.LISTS_READ)
def listed() -> ResponseReturnValue:
    """All of them, those on offer first."""
    with browsing() as session:
        rows = tariffs.all_tariffs(session)
    return render_template("tariffs/list.html", listing=whole(rows))


@pages.get("/add")
@allowed(Permission.CATALOG_CHANGE)
def new() -> ResponseReturnValue:
    """The form of a new one."""
    return _new(Form())


@pages.post("/add")
@allowed(Permission.CATALOG_CHANGE, fresh_code=True)
def create() -> ResponseReturnValue:
    """A new tariff, on offer at once."""
    form = Form()
    name, columns = form.words("name", 64), _columns(form)
    entry = Entry("tariff.add", f"tariff:{name}", form.words("reason"), after=dict(columns))

    def effect(session: Session) -> str:
        tariffs.add(session, name, **columns)
        return business_texts.TARIFF_ADDED

    return act(form, entry, effect, to=url_for(".listed"), refused=lambda: _new(form), field="name")


@pages.get("/of/<path:name>")
@allowed(Permission.LISTS_READ)
def shown(name: str) -> ResponseReturnValue:
    """One tariff, and its form."""
    return _shown(name, Form())


@pages.post("/of/<path:name>")
@allowed(Permission.CATALOG_CHANGE, fresh_code=True)
def edit(name: str) -> ResponseReturnValue:
    """Other terms; payments that were opened keep theirs."""
    form = Form()
    columns, seen = _columns(form), form.words("seen", 64)
    columns["active"] = form.choice("active", business_texts.YES_OR_NO) == "yes"
    entry = Entry("tariff.edit", f"tariff:{name}", form.words("reason"))

    def effect(session: Session) -> str:
        entry.compare(tariffs.find(session, name), dict(columns))
        tariffs.change(session, name, seen=seen, **columns)
        return business_texts.TARIFF_CHANGED

    return act(
        form, entry, effect, to=url_for(".shown", name=name), refused=lambda: _shown(name, form)
    )


def _columns(form: Form) -> TariffColumns:
    return {
        "title": form.words("title", 100),
        "monthly_tokens": form.whole("tokens", least=1, most=int(MAX_AMOUNT)),
        "cost_rub": form.amount("rub"),
        "position": form.whole("position", least=0, most=10_000),
    }


def _new(form: Form) -> str:
    return render_template("tariffs/new.html", form=form)


def _shown(name: str, form: Form) -> str:
    with browsing() as session:
        try:
            tariff = tariffs.find(session, name)
        except ValueError:
            abort(404)
        entries = audit.of_target(session, f"tariff:{name}")
    return render_template(
        "tariffs/tariff.html", tariff=tariff, seen=versions.of(tariff), entries=entries, form=form
    )
