"""The first page."""

from __future__ import annotations

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue

from console.access import signed_in

pages = Blueprint("home", __name__)


@pages.get("/")
@signed_in
def shown() -> ResponseReturnValue:
    """Where to go."""
    return render_template("home/home.html")
