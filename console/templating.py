"""What templates may call; the macros of templates/macros.html are made of it."""

from __future__ import annotations

from flask import Flask, g, request

from console import access, addresses, assets, business_texts, cookies, display, forms, menu, texts
from console.permissions import Permission, may
from db import browsing


def prepare(app: Flask) -> None:
    """Give the templates their filters and functions."""
    app.jinja_env.filters.update(
        amount=display.amount,
        browser=display.browser,
        local=display.local,
        moscow=display.moscow,
        named=texts.named,
        on=display.on,
        plain=display.plain,
        rub=display.rub,
        shown=display.shown,
        span=display.span,
        utc=display.utc,
    )
    app.jinja_env.globals.update(
        asset=assets.address,
        business=business_texts,
        code_is_fresh=access.is_fresh,
        filters_query=addresses.filters_query,
        form_token=cookies.form_token,
        link=addresses.link,
        may=_may,
        menu=_menu,
        new_form_key=forms.new_key,
        percent=display.percent,
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
