"""The page behind a payment link: a person presses Pay or Decline; no money moves.

The shop's notification is lost if the person wishes so, as it happens in real life.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from flask import Response, make_response, render_template_string, request

from local.sandbox.webhooks import Sender

# The style is in the page itself; it may stand in the frame of the sandbox's chat.
POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none';"
    " frame-ancestors 'self'"
)

ALL = 1000  # one payment is several events at Stripe

STYLE = """
:root{--ink:#1b1f24;--soft:#6a737d;--line:#e3e6ea;--page:#f4f5f7;--card:#fff;--go:#1f883d}
@media (prefers-color-scheme:dark){:root{--ink:#e9edf1;--soft:#9aa4af;--line:#30363d;--page:#0d1117;
--card:#161b22;--go:#2ea043}}
*{box-sizing:border-box}
body{margin:0;min-height:100vh;display:grid;place-items:center;background:var(--page);
color:var(--ink);font:16px/1.5 system-ui,sans-serif;padding:1rem}
main{width:100%;max-width:24rem;background:var(--card);border:1px solid var(--line);
border-radius:16px;padding:1.5rem}
header{display:flex;justify-content:space-between;color:var(--soft);font-size:.875rem}
h1{font-size:1.125rem;margin:1.25rem 0 .25rem}
.amount{font-size:2.25rem;font-weight:650;letter-spacing:-.02em;margin:0 0 1.25rem}
button,.back{display:block;width:100%;font:inherit;font-weight:600;padding:.8rem;margin-top:.6rem;
border-radius:10px;border:1px solid var(--line);background:none;color:var(--ink);cursor:pointer;
text-align:center;text-decoration:none}
button.go{background:var(--go);border-color:var(--go);color:#fff}
button:focus-visible,.back:focus-visible{outline:3px solid var(--soft);outline-offset:2px}
label{display:flex;gap:.6rem;align-items:center;margin-top:1rem;color:var(--soft);font-size:.9rem}
label .text{flex:1;min-width:0;font:inherit;padding:.5rem;border:1px solid var(--line);
border-radius:8px;background:var(--page);color:var(--ink)}
label [type=checkbox]{width:1.1rem;height:1.1rem;margin:0;flex:none;accent-color:var(--go)}
button:hover,.back:hover{filter:brightness(.96)}
.status{border:1px solid var(--line);border-radius:10px;padding:.7rem 1rem;margin:0}
footer{margin-top:1.25rem;color:var(--soft);font-size:.8125rem;text-align:center}
"""

PAGE = """<!doctype html>
<html lang="ru">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>{{ title }}</title>
<style>{{ style }}</style>
</head>
<body>
<main>
<header><span>{{ provider }}</span><span>песочница</span></header>
<h1>{{ title }}</h1>
<p class="amount">{{ amount }}</p>
{% if status_text %}<p class="status" role="status">{{ status_text }}</p>{% endif %}
{% if payable %}<form method="post">
<button class="go" name="do" value="pay">Оплатить</button>
<button name="do" value="decline">Отклонить</button>
<label><input type="checkbox" name="lose" value="yes">Потерять уведомление магазину</label>
</form>{% endif %}
{% if return_url %}<a class="back" href="{{ return_url }}">Вернуться в магазин</a>{% endif %}
<footer>Деньги не списываются, карта не нужна.</footer>
</main>
</body>
</html>
"""


@dataclass(frozen=True)
class PayPage:
    """What the page shows; `status_text` is the state, "" before anything was done."""

    provider: str
    title: str
    minor: int
    currency: str
    payable: bool
    return_url: str
    status_text: str = ""

    def response(self) -> Response:
        """The page."""
        whole, cents = divmod(self.minor, 100)
        sign = {"RUB": "₽", "USD": "$", "EUR": "€"}.get(self.currency, self.currency)
        amount = f"{whole:,}".replace(",", "\u00a0") + (f",{cents:02d}" if cents else "")
        page = render_template_string(
            PAGE,
            style=STYLE,
            provider=self.provider,
            title=self.title,
            amount=f"{amount}\u00a0{sign}",
            payable=self.payable,
            return_url=self.return_url,
            status_text=self.status_text,
        )
        return protected(page)


def protected(page: str) -> Response:
    """A page on which nothing runs and that nobody else shows in a frame."""
    answer = make_response(page)
    answer.headers["Content-Security-Policy"] = POLICY
    return answer


@contextmanager
def losing_if_wished(sender: Sender) -> Iterator[None]:
    """The box under the buttons: no notification of what is done now ever arrives."""
    wished = bool(request.form.get("lose"))
    if wished:
        sender.configure(lose=ALL)
    try:
        yield
    finally:
        if wished:
            sender.configure(lose=0)
