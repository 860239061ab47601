"""People: the list, and one with everything that happened to them; bans."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING
from uuid import UUID

from flask import Blueprint, render_template, url_for
from flask.typing import ResponseReturnValue

from console import pictures, texts
from console.access import allowed
from console.actions import act
from console.addresses import PAGE_ROWS, chosen, cursor, day, listing
from console.forms import Form
from console.permissions import Permission
from console.pictures import Pair
from db import browsing
from db.rows import UserRow
from db.types import now
from services import jobs, people, timeline, users
from services.audit import Entry
from services.paging import Page
from workflows.actions import recorded

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

pages = Blueprint("people", __name__, url_prefix="/people")

PICTURES_OF = 6  # orders, the newest
BANNED = ("banned",)


@pages.get("/")
@allowed(Permission.PEOPLE_READ)
def listed() -> ResponseReturnValue:
    """People, the newest first."""
    with browsing() as session:
        page = rows(session, limit=PAGE_ROWS, cursor=cursor())
    return render_template("people/list.html", listing=listing(page), only=BANNED)


def rows(session: Session, *, limit: int, cursor: str | None) -> Page[UserRow]:
    """The people that the address asks for."""
    return people.listed(
        session,
        limit=limit,
        cursor=cursor,
        banned=chosen("only", BANNED) is not None,
        since=day("since"),
        until=day("until", end=True),
    )


@pages.get("/<uuid:user_id>")
@allowed(Permission.PEOPLE_READ)
def shown(user_id: UUID) -> ResponseReturnValue:
    """One person; their pictures are opened by a form."""
    return _shown(user_id, Form())


@pages.post("/<uuid:user_id>/pictures")
@allowed(Permission.PICTURES_READ)
def open_pictures(user_id: UUID) -> ResponseReturnValue:
    """The same with the pictures of the newest orders, which leaves an entry."""
    with recorded(Entry("picture.open", f"user:{user_id}")) as session:
        newest = jobs.of_user(session, user_id, limit=PICTURES_OF, cursor=None).rows
        pairs = pictures.of_jobs(session, newest)
    return _shown(user_id, Form(), pairs)


@pages.post("/<uuid:user_id>/ban")
@allowed(Permission.PEOPLE_BAN)
def ban(user_id: UUID) -> ResponseReturnValue:
    """No new orders and payments."""
    form = Form()
    reason = form.words("reason", 300)

    def effect(session: Session) -> str:
        people.ban(session, user_id, reason=reason, now=now())
        return texts.BANNED

    return _act(form, Entry("user.ban", f"user:{user_id}", reason), effect, user_id)


@pages.post("/<uuid:user_id>/unban")
@allowed(Permission.PEOPLE_BAN)
def unban(user_id: UUID) -> ResponseReturnValue:
    """Orders and payments again."""
    form = Form()
    reason = form.words("reason", 300)

    def effect(session: Session) -> str:
        people.unban(session, user_id)
        return texts.UNBANNED

    return _act(form, Entry("user.unban", f"user:{user_id}", reason), effect, user_id)


def _act(
    form: Form, entry: Entry, effect: Callable[[Session], str], user_id: UUID
) -> ResponseReturnValue:
    return act(
        form,
        entry,
        effect,
        to=url_for(".shown", user_id=user_id),
        refused=lambda: _shown(user_id, form),
        field="reason",
    )


def _shown(user_id: UUID, form: Form, pairs: list[Pair] | None = None) -> str:
    with browsing() as session:
        person = users.get(session, user_id)
        happened = timeline.of_user(session, user_id, limit=PAGE_ROWS, cursor=cursor())
    return render_template(
        "people/person.html",
        person=person,
        listing=listing(happened),
        form=form,
        pairs=pairs,
    )
