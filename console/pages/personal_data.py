"""What is kept about a person: handed out as a ZIP, or erased."""

from __future__ import annotations

import tempfile
from uuid import UUID

from flask import Blueprint, render_template, send_file, url_for
from flask.typing import ResponseReturnValue

from console import personal_texts
from console.access import allowed
from console.actions import act_outside
from console.forms import Form
from console.permissions import Permission
from db import browsing
from db.types import now
from services import erasure, users
from services.audit import Entry
from workflows import erasure as workflow
from workflows import export as exports
from workflows.actions import announced

pages = Blueprint("personal_data", __name__, url_prefix="/people/<uuid:user_id>")


@pages.get("/export")
@allowed(Permission.PEOPLE_EXPORT)
def ask_export(user_id: UUID) -> ResponseReturnValue:
    """What will be in the ZIP."""
    with browsing() as session:
        person = users.get(session, user_id)
    return render_template("personal_data/export.html", person=person)


@pages.post("/export")
@allowed(Permission.PEOPLE_EXPORT, fresh_code=True)
def export(user_id: UUID) -> ResponseReturnValue:
    """The ZIP. It is made on the disk, in a file without a name, and sent from there."""
    made = tempfile.TemporaryFile()  # noqa: SIM115 closed with the response
    try:
        with announced(Entry("user.export", f"user:{user_id}")):
            exports.write(user_id, made, now=now())
        made.seek(0)
    except BaseException:
        made.close()
        raise
    name = f"person-{user_id}.zip"
    sent = send_file(made, mimetype="application/zip", as_attachment=True, download_name=name)
    sent.headers["Cache-Control"] = "no-store"  # Flask would let a browser keep it
    return sent


@pages.get("/erase")
@allowed(Permission.PEOPLE_ERASE)
def ask_erasure(user_id: UUID) -> ResponseReturnValue:
    """What will go."""
    return _erasure(user_id, Form())


@pages.post("/erase")
@allowed(Permission.PEOPLE_ERASE, fresh_code=True)
def erase(user_id: UUID) -> ResponseReturnValue:
    """All that leads to the person goes; the books stay."""
    form = Form()
    reason = form.words("reason")
    return act_outside(
        form,
        Entry("user.erase", f"user:{user_id}", reason),
        lambda: _erase(user_id),
        to=url_for("people.listed"),
        refused=lambda: _erasure(user_id, form),
    )


def _erase(user_id: UUID) -> str:
    try:
        return personal_texts.erased(workflow.erase(user_id))
    except erasure.NotNow as refusal:
        raise ValueError(personal_texts.not_now(refusal)) from refusal


def _erasure(user_id: UUID, form: Form) -> str:
    with browsing() as session:
        person = users.get(session, user_id)
        left = erasure.left(session, user_id)
    return render_template("personal_data/erase.html", person=person, left=left, form=form)
