"""The settings in force."""

from __future__ import annotations

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue

import settings
from console.access import allowed
from console.permissions import Permission

pages = Blueprint("settings", __name__, url_prefix="/settings")


@pages.get("/")
@allowed(Permission.SETTINGS_READ)
def shown() -> ResponseReturnValue:
    """Every setting of this process, secrets masked, and what production still needs."""
    current = settings.load()
    return render_template(
        "settings/settings.html",
        rows=settings.described(current),
        missing=settings.missing_for_production(current),
        production=current.production,
    )
