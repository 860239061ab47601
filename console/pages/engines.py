"""Engines of providers: their limits and breakers, and orders that may have cost something."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from flask import Blueprint, abort, render_template, url_for
from flask.typing import ResponseReturnValue

from console import business_texts
from console.access import allowed
from console.actions import act
from console.addresses import chosen, whole
from console.forms import Form
from console.permissions import Permission
from db import browsing
from db.types import now
from services import attempts, audit, breakers, engines, models, versions
from services.audit import Entry
from services.engines import EngineLimits

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

pages = Blueprint("engines", __name__, url_prefix="/engines")

NEWEST = 100  # orders at one engine


@pages.get("/")
@allowed(Permission.LISTS_READ)
def listed() -> ResponseReturnValue:
    """Each with what is in flight, what today has cost, and whether it takes orders."""
    moment = now()
    with browsing() as session:
        rows = engines.all_engines(session)
        used = {row.name: engines.usage(session, row.name, now=moment) for row in rows}
    return render_template(
        "engines/list.html",
        listing=whole(rows),
        used=used,
        connected={row.name: models.is_connected(row.name) for row in rows},
        opened={row.name: breakers.of(row).is_open(moment) for row in rows},
    )


@pages.get("/<name>")
@allowed(Permission.LISTS_READ)
def shown(name: str) -> ResponseReturnValue:
    """One engine, its newest orders, and its forms."""
    return _shown(name, Form())


@pages.post("/<name>/limits")
@allowed(Permission.CATALOG_CHANGE, fresh_code=True)
def limit(name: str) -> ResponseReturnValue:
    """Other limits; workers see them within a second."""
    form = Form()
    changes: EngineLimits = {
        "max_in_flight": form.whole("in_flight", least=0, most=10_000),
        "creates_per_minute": form.whole("per_minute", least=0, most=10_000),
        "daily_cost": form.cost("per_day") if form.typed("per_day") else None,
    }
    entry = Entry("engine.limit", f"engine:{name}", form.words("reason"))
    seen = form.words("seen", 64)

    def effect(session: Session) -> str:
        entry.compare(engines.find(session, name), dict(changes))
        engines.change(session, name, seen=seen, **changes)
        return business_texts.ENGINE_CHANGED

    return _act(form, entry, effect, name)


@pages.post("/<name>/resume")
@allowed(Permission.CATALOG_CHANGE)
def resume(name: str) -> ResponseReturnValue:
    """Orders at once: what opened its breaker is mended."""
    form = Form()
    entry = Entry("engine.resume", f"engine:{name}", form.words("resume_reason"))

    def effect(session: Session) -> str:
        entry.before = {"open_code": engines.find(session, name).open_code}
        breakers.close(session, name)
        return business_texts.ENGINE_RESUMED

    return _act(form, entry, effect, name)


def _act(
    form: Form, entry: Entry, effect: Callable[[Session], str], name: str
) -> ResponseReturnValue:
    return act(
        form, entry, effect, to=url_for(".shown", name=name), refused=lambda: _shown(name, form)
    )


def _shown(name: str, form: Form) -> str:
    moment, doubtful = now(), chosen("doubtful", ("yes",)) is not None
    with browsing() as session:
        try:
            engine = engines.find(session, name)
        except ValueError:
            abort(404)
        used = engines.usage(session, name, now=moment)
        orders = attempts.recent(session, name, doubtful=doubtful, limit=NEWEST)
        entries = audit.of_target(session, f"engine:{name}")
    return render_template(
        "engines/engine.html",
        engine=engine,
        used=used,
        seen=versions.of(engines.limits(engine)),
        listing=whole(orders),
        opened=breakers.of(engine).is_open(moment),
        connected=models.is_connected(name),
        entries=entries,
        form=form,
    )
