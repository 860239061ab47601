"""The page behind an invoice link: visitors enter their Telegram id and press Pay."""

from __future__ import annotations

from flask import Blueprint, abort, render_template_string, request

from local.sandbox.telegram.invoices import Invoice, Invoices, Paid

PAGE = """<!doctype html>
<html lang="ru"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{{ invoice.title }}</title>
<style>body{font:16px sans-serif;max-width:26em;margin:3em auto;padding:0 1em}
button,input{font:inherit;padding:.5em 1em;margin:.3em 0}</style>
<h1>{{ invoice.title }}</h1>
<p>{{ invoice.description }}</p>
<p><strong>{{ price }}</strong></p>
{% if outcome %}<p role="status">{{ outcome }}</p>{% endif %}
<form method="post">
<label>Telegram ID плательщика<br>
<input name="user_id" inputmode="numeric" pattern="[0-9]+" required value="{{ user_id }}">
</label><br>
<button>Оплатить</button>
</form>
<p><small>Песочница: деньги не списываются.</small></p>
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
    def show(slug: str) -> str:
        return _render(_find(invoices, slug), None)

    @pages.post("/invoice/<slug>")
    def pay(slug: str) -> str:
        invoice = _find(invoices, slug)
        user_id = request.form.get("user_id", "")
        if not user_id.isdigit():
            abort(400)
        return _render(invoice, invoices.pay(slug, int(user_id)))

    return pages


def _find(invoices: Invoices, slug: str) -> Invoice:
    return invoices.links.get(slug) or abort(404)


def _render(invoice: Invoice, paid: Paid | None) -> str:
    stars = invoice.currency == "XTR"
    price = f"{invoice.total} ⭐" if stars else f"{invoice.total / 100:.2f} {invoice.currency}"
    outcome = OUTCOMES[paid.status].format(message=paid.message) if paid else ""
    user_id = request.values.get("user_id", "")
    return render_template_string(
        PAGE, invoice=invoice, price=price, outcome=outcome, user_id=user_id
    )
