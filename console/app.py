"""The application: its pages, and what happens to a request before and after them."""

from __future__ import annotations

from urllib.parse import urlsplit

from flask import Flask
from jinja2 import StrictUndefined

import settings
from console import access, assets, envelope, refusals, templating
from console.pages import (
    audit,
    engines,
    exports,
    files,
    home,
    inbox,
    jobs,
    ledger,
    login,
    lotteries,
    models,
    operators,
    outbox,
    payments,
    people,
    personal_data,
    refunds,
    reviews,
    search,
    sessions,
    support,
    tariffs,
    tokens,
)
from console.pages import settings as settings_page

# Names by which this machine reaches it without a proxy.
LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
PAGES = (
    login.pages,
    home.pages,
    reviews.pages,
    search.pages,
    people.pages,
    personal_data.pages,
    tokens.pages,
    jobs.pages,
    payments.pages,
    refunds.pages,
    inbox.pages,
    files.pages,
    lotteries.pages,
    tariffs.pages,
    models.pages,
    engines.pages,
    outbox.pages,
    ledger.pages,
    exports.pages,
    support.pages,
    audit.pages,
    operators.pages,
    sessions.pages,
    settings_page.pages,
)


def create_app() -> Flask:
    """The console as a WSGI application. RuntimeError when a route does not say who may use it."""
    app = Flask(__name__)
    app.config.update(
        MAX_CONTENT_LENGTH=64 * 1024,
        MAX_FORM_MEMORY_SIZE=64 * 1024,
        MAX_FORM_PARTS=200,
        TRUSTED_HOSTS=[*LOOPBACK, *_named_hosts()],
    )
    app.jinja_env.undefined = StrictUndefined
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    for pages in PAGES:
        app.register_blueprint(pages)
    envelope.cover(app)
    assets.keep(app)
    templating.prepare(app)
    refusals.show(app)
    access.guard(app)
    return app


def _named_hosts() -> list[str]:
    host = urlsplit(settings.load().console_url).hostname
    return [host] if host else []
