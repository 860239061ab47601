"""What templates may call; the macros of templates/macros.html are made of it."""

from __future__ import annotations

from flask import Flask, g, request

from console import access, addresses, assets, cookies, display, forms, menu, texts
from console.permissions import Permission, may
from db import browsing


def prepare(app: Flask) -> None:
    """Give the templates their filters and functions."""
    app.jinja_env.filters.update(
        browser=display.browser,
        moscow=display.moscow,
        named=texts.named,
        rub=display.rub,
        shown=display.shown,
        tokens=display.tokens,
        utc=display.utc,
    )
    app.jinja_env.globals.update(
        asset=assets.address,
        code_is_fresh=access.is_fresh,
        form_token=cookies.form_token,
        link=addresses.link,
        may=_may,
        menu=_menu,
        new_form_key=forms.new_key,
        permissions=Permission,
        result=_result,
        texts=texts,
    )


def _may(permission: Permission) -> bool:
    return may(g.operator.role, permission)


def _menu() -> list[menu.Section]:
    return menu.visible(g.operator.role)


def _result() -> str | None:
    """What the form said that led here; asked only where the address names one."""
    if addresses.DONE not in request.args:
        return None
    with browsing() as session:
        return addresses.result(session)
