"""The page behind an invoice link: visitors enter their Telegram id and press Pay."""

from __future__ import annotations

from flask import Blueprint, Response, abort, render_template_string, request

from local.sandbox.pay_page import STYLE, protected
from local.sandbox.telegram.invoices import Invoice, Invoices, Paid

PAGE = """<!doctype html>
<html lang="ru">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>{{ invoice.title }}</title>
<style>{{ style }}</style>
</head>
<body>
<main>
<header><span>Telegram</span><span>песочница</span></header>
<h1>{{ invoice.title }}</h1>
<p>{{ invoice.description }}</p>
<p class="amount">{{ price }}</p>
{% if outcome %}<p class="status" role="status">{{ outcome }}</p>{% endif %}
<form method="post">
<label>Telegram ID плательщика
<input class="text" name="user_id" inputmode="numeric" pattern="[0-9]+" required
value="{{ user_id }}"></label>
<button class="go">Оплатить</button>
</form>
<footer>Деньги не списываются.</footer>
</main>
</body>
</html>
"""

OUTCOMES = {
    "paid": "Оплачено",
    "refused": "Бот отклонил платёж: {message}",
    "timeout": "Бот не ответил вовремя, деньги не списаны",
}


def pay_page_blueprint(invoices: Invoices) -> Blueprint:
    """GET shows the invoice, POST with user_id pays it, any number of times."""
    pages = Blueprint("pay_page", __name__)

    @pages.get("/invoice/<slug>")
    def show(slug: str) -> Response:
        return _render(_find(invoices, slug), None)

    @pages.post("/invoice/<slug>")
    def pay(slug: str) -> Response:
        invoice = _find(invoices, slug)
        user_id = request.form.get("user_id", "")
        if not user_id.isdigit():
            abort(400)
        return _render(invoice, invoices.pay(slug, int(user_id)))

    return pages


def _find(invoices: Invoices, slug: str) -> Invoice:
    return invoices.links.get(slug) or abort(404)


def _render(invoice: Invoice, paid: Paid | None) -> Response:
    stars = invoice.currency == "XTR"
    price = f"{invoice.total} ⭐" if stars else f"{invoice.total / 100:.2f} {invoice.currency}"
    outcome = OUTCOMES[paid.status].format(message=paid.message) if paid else ""
    user_id = request.values.get("user_id", "")
    page = render_template_string(
        PAGE, style=STYLE, invoice=invoice, price=price, outcome=outcome, user_id=user_id
    )
    return protected(page)
