"""Lotteries: made with prizes, drawn, proved, and one place of them drawn again."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING
from uuid import UUID

from flask import Blueprint, abort, render_template, url_for
from flask.typing import ResponseReturnValue

from console import business_texts, texts
from console.access import allowed
from console.actions import act
from console.addresses import PAGE_ROWS, cursor, listing
from console.forms import Form
from console.permissions import Permission
from db import browsing
from db.rows import LotteryRow
from db.types import now
from services import audit, draws, lotteries
from services.audit import Entry
from services.lotteries import LotteryColumns, Prize

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

pages = Blueprint("lotteries", __name__, url_prefix="/lotteries")

MOST_WINNERS = 1_000_000  # of all rounds; any number that is more than there will be
PRIZES = range(1, 6)  # kinds of prizes that the form has fields for


@pages.get("/")
@allowed(Permission.LISTS_READ)
def listed() -> ResponseReturnValue:
    """All of them, newest first."""
    with browsing() as session:
        page = lotteries.listed(session, limit=PAGE_ROWS, cursor=cursor())
    states = {row.id: _state(row) for row in page.rows}
    return render_template("lotteries/list.html", listing=listing(page), states=states)


@pages.get("/add")
@allowed(Permission.LOTTERIES_CHANGE)
def new() -> ResponseReturnValue:
    """The form of a new one."""
    return _new(Form())


@pages.post("/add")
@allowed(Permission.LOTTERIES_CHANGE, fresh_code=True)
def create() -> ResponseReturnValue:
    """A new lottery, with a seed of which only the hash is known."""
    form = Form()
    title, description = form.words("title", 200), form.words("description")
    start, end = form.moment("start"), form.moment("end")
    prizes = _prizes(form)
    if end <= now() and "end" not in form.errors:
        form.errors["end"] = business_texts.IN_THE_PAST
    entry = Entry("lottery.create")

    def effect(session: Session) -> str:
        made = lotteries.create(
            session,
            title=title,
            description=description,
            start_date=start,
            end_date=end,
            prizes=prizes,
        )
        entry.tell(f"lottery:{made.id}", title=title, start=start, end=end, prizes=made.prizes)
        return business_texts.LOTTERY_CREATED

    return act(form, entry, effect, to=url_for(".listed"), refused=lambda: _new(form))


@pages.get("/<uuid:lottery_id>")
@allowed(Permission.LISTS_READ)
def shown(lottery_id: UUID) -> ResponseReturnValue:
    """One lottery: its winners when it was drawn, and what may be done with it."""
    return _shown(lottery_id, Form())


@pages.get("/<uuid:lottery_id>/entries")
@allowed(Permission.PEOPLE_READ)
def entries(lottery_id: UUID) -> ResponseReturnValue:
    """Who takes part, in no order that says anything."""
    with browsing() as session:
        lottery = _found(session, lottery_id)
        page = lotteries.entries(session, lottery_id, limit=PAGE_ROWS, cursor=cursor())
    return render_template("lotteries/entries.html", lottery=lottery, listing=listing(page))


@pages.post("/<uuid:lottery_id>/edit")
@allowed(Permission.LOTTERIES_CHANGE)
def edit(lottery_id: UUID) -> ResponseReturnValue:
    """Other words, or another end, before the draw."""
    form = Form()
    changes: LotteryColumns = {
        "title": form.words("title", 200),
        "description": form.words("description"),
        "end_date": form.moment("end"),
    }
    if changes["end_date"] <= now() and "end" not in form.errors:
        form.errors["end"] = business_texts.IN_THE_PAST
    entry = Entry("lottery.edit", f"lottery:{lottery_id}", form.words("edit_reason"))

    def effect(session: Session) -> str:
        entry.compare(lotteries.get(session, lottery_id), dict(changes))
        lotteries.change(session, lottery_id, **changes)
        return business_texts.LOTTERY_CHANGED

    return _act(form, entry, effect, lottery_id)


@pages.post("/<uuid:lottery_id>/close")
@allowed(Permission.LOTTERIES_CHANGE)
def close(lottery_id: UUID) -> ResponseReturnValue:
    """The end without a draw."""
    form = Form()
    entry = Entry("lottery.close", f"lottery:{lottery_id}", form.words("close_reason"))

    def effect(session: Session) -> str:
        lotteries.cancel(session, lottery_id)
        return business_texts.LOTTERY_CLOSED

    return _act(form, entry, effect, lottery_id)


@pages.post("/<uuid:lottery_id>/draw")
@allowed(Permission.LOTTERIES_CHANGE, fresh_code=True)
def draw(lottery_id: UUID) -> ResponseReturnValue:
    """The draw of one that has ended; a worker does it by itself within seconds."""
    form = Form()
    entry = Entry("lottery.draw", f"lottery:{lottery_id}", form.words("draw_reason"))

    def effect(session: Session) -> str:
        drawn = draws.draw_due(session, now=now())
        if drawn is None or drawn.id != lottery_id:
            raise ValueError("this lottery has been drawn, or another one comes first")
        return business_texts.LOTTERY_DRAWN

    return _act(form, entry, effect, lottery_id)


@pages.post("/<uuid:lottery_id>/redraw")
@allowed(Permission.LOTTERIES_CHANGE, fresh_code=True)
def redraw(lottery_id: UUID) -> ResponseReturnValue:
    """One place again; its first winner keeps the tokens."""
    form = Form()
    place = form.whole("place", least=1, most=lotteries.MAX_PLACES)
    reason = form.words("redraw_reason")
    seen = form.whole("seen", least=0, most=MOST_WINNERS)
    entry = Entry("lottery.redraw", f"lottery:{lottery_id}", reason)

    def effect(session: Session) -> str:
        winner = draws.redraw(session, lottery_id, place, reason=reason, seen=seen)
        entry.after = {"place": place, "round": winner.round}
        return business_texts.lottery_redrawn(place, winner.round)

    return _act(form, entry, effect, lottery_id)


def _act(
    form: Form, entry: Entry, effect: Callable[[Session], str], lottery_id: UUID
) -> ResponseReturnValue:
    return act(
        form,
        entry,
        effect,
        to=url_for(".shown", lottery_id=lottery_id),
        refused=lambda: _shown(lottery_id, form),
    )


def _new(form: Form) -> str:
    return render_template("lotteries/new.html", form=form, kinds=PRIZES)


def _shown(lottery_id: UUID, form: Form) -> str:
    with browsing() as session:
        lottery = _found(session, lottery_id)
        drawn = lottery.drawn_at is not None
        winners = draws.winners(session, lottery) if drawn else []
        faults = draws.verified(session, lottery) if drawn else []
        acts = audit.of_target(session, f"lottery:{lottery_id}")
    return render_template(
        "lotteries/lottery.html",
        lottery=lottery,
        state=_state(lottery),
        winners=winners,
        faults=[texts.refusal(ValueError(fault)) for fault in faults],
        entries=acts,
        form=form,
    )


def _found(session: Session, lottery_id: UUID) -> LotteryRow:
    try:
        return lotteries.get(session, lottery_id)
    except ValueError:
        abort(404)


def _state(row: LotteryRow) -> str:
    moment = now()
    if row.canceled_at or row.drawn_at:
        return "drawn" if row.drawn_at else "closed"
    if row.start_date > moment:
        return "to_come"
    return "running" if row.end_date > moment else "to_be_drawn"


def _prizes(form: Form) -> list[Prize]:
    """Those whose title was typed; at least one."""
    found = [
        Prize(
            form.words(f"prize_{kind}", 100),
            form.whole(f"count_{kind}", least=1, most=lotteries.MAX_PLACES),
            form.amount(f"tokens_{kind}") if form.typed(f"tokens_{kind}") else Decimal(0),
        )
        for kind in PRIZES
        if form.typed(f"prize_{kind}")
    ]
    if not found:
        form.errors["prize_1"] = texts.NEEDED
    return found
