"""A stored file, found by its id; what is in it is shown with its order."""

from __future__ import annotations

from uuid import UUID

from flask import Blueprint, abort, render_template
from flask.typing import ResponseReturnValue

from console.access import allowed
from console.permissions import Permission
from db import browsing
from services import data, listed_jobs

pages = Blueprint("files", __name__, url_prefix="/files")


@pages.get("/<uuid:data_id>")
@allowed(Permission.LISTS_READ)
def shown(data_id: UUID) -> ResponseReturnValue:
    """Its facts, and the order that it is the result of."""
    with browsing() as session:
        file = data.of_ids(session, [data_id]).get(data_id)
        if file is None:
            abort(404)
        job_id = listed_jobs.with_result(session, data_id)
    return render_template("files/file.html", file=file, job_id=job_id)
