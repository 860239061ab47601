"""What is outside simulated on loopback, for the demo, the tests and `make run`: YooKassa, Stripe
and Telegram, and the engines Replicate, fal.ai, Polza.ai and ComfyUI.

True to the wire. Shares no code with the server, so that the same mistake cannot be on both sides.
Keeps everything in memory. Never part of production: `python -m local.sandbox` refuses to start
there.

    /yookassa/v3  /stripe/v1  /telegram/bot<token>/   the APIs
    /replicate/v1  /fal  /polza/api/v1  /comfyui      those of the engines
    /yookassa/pay  /stripe/pay  /telegram/invoice     pages on which a person pays
    /chat                                             a messenger in which people talk to the bot
    /control                                          controls that the real ones do not have
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass, field
from threading import Lock
from typing import Any
from wsgiref.types import StartResponse, WSGIEnvironment

from flask import Blueprint, Flask, Response, jsonify

from local.sandbox import stripe, telegram, yookassa
from local.sandbox.chat import chat_blueprint
from local.sandbox.clock import Clock
from local.sandbox.control import body, refuse_invalid_requests
from local.sandbox.engines import fal, polza, replicate
from local.sandbox.engines.comfyui import ComfyUiSandbox
from local.sandbox.engines.fal import FalSandbox
from local.sandbox.engines.polza import PolzaSandbox
from local.sandbox.engines.replicate import ReplicateSandbox
from local.sandbox.stripe import StripeSandbox
from local.sandbox.telegram import TelegramSandbox, world
from local.sandbox.telegram.delivery import Webhook
from local.sandbox.yookassa import YooKassaSandbox

Part = tuple[tuple[Blueprint, str], ...]
TELEGRAM_WEBHOOK_SECRET = "sandbox-not-a-secret"  # noqa: S105 - public on purpose


@dataclass(frozen=True)
class Options:
    """Keys that the simulated providers accept, and where they send their webhooks.

    server_url: of the backend, such as http://127.0.0.1:8000/api; empty sends none. world: the
    people and chats that Telegram begins with, see telegram/world.py.
    """

    server_url: str = ""
    yookassa_shop_id: str = yookassa.SHOP_ID
    yookassa_secret_key: str = yookassa.SECRET_KEY
    stripe_secret_key: str = stripe.SECRET_KEY
    stripe_webhook_secrets: tuple[str, ...] = (stripe.WEBHOOK_SECRET,)
    telegram_bot_token: str = telegram.TOKEN
    telegram_bot_username: str = telegram.USERNAME
    telegram_webhook_secret: str = TELEGRAM_WEBHOOK_SECRET
    replicate_api_token: str = replicate.TOKEN
    fal_key: str = fal.KEY
    polza_api_key: str = polza.KEY
    comfyui_header: str = ""
    world: Mapping[str, Any] = field(default_factory=dict)

    def webhook(self, provider: str) -> str | None:
        """Where the events of a provider go."""
        root = self.server_url.rstrip("/")
        return f"{root}/v1/webhooks/payments/{provider}" if root else None


class Sandbox:
    """A WSGI application of several, each put together when it is first asked.

    Flask needs a third of a millisecond for each of 160 routes; most sandboxes of a test run are
    asked for a few of them.
    """

    def __init__(self) -> None:
        self._parts: dict[str, Part] = {}
        self._apps: dict[str, Flask] = {}
        self._putting_together = Lock()
        self.on_close: list[Callable[[], None]] = []

    def add(self, name: str, *blueprints: tuple[Blueprint, str]) -> None:
        """Serve blueprints at their prefixes, which are /`name` and /control/`name`."""
        self._parts[name] = blueprints

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer with the application that the path begins with."""
        return self._app(_part_of(environ["PATH_INFO"], self._parts))(environ, start_response)

    def close(self) -> None:
        """Begin no delivery any more: call all of `on_close`; the threads that sent then end."""
        for stop in self.on_close:
            stop()

    def _app(self, name: str) -> Flask:
        with self._putting_together:
            if name not in self._apps:
                app = self._apps[name] = Flask("sandbox")
                for blueprint, prefix in self._parts.get(name, ()):
                    app.register_blueprint(blueprint, url_prefix=prefix)
            return self._apps[name]


def _part_of(path: str, parts: Container[str]) -> str:
    """`fal` for /fal/... and /control/fal/..., `control` for what is of all; "" for no part."""
    _, first, *others = [*path.split("/"), ""]
    if first == "control" and others[0] in parts:
        return others[0]
    return first if first in parts else ""


def create_app(options: Options | None = None, clock: Clock | None = None) -> Sandbox:
    """All of them in one application."""
    options, clock = options or Options(), clock or Clock()
    sandbox = Sandbox()
    shop = YooKassaSandbox(
        clock,
        options.yookassa_shop_id,
        options.yookassa_secret_key,
        webhook_url=options.webhook("yookassa"),
    )
    account = StripeSandbox(
        clock,
        options.stripe_secret_key,
        options.stripe_webhook_secrets,
        webhook_url=options.webhook("stripe"),
    )
    sandbox.on_close += [shop.sender.close, account.sender.close]
    for name, api, provider in (("yookassa", "/v3", shop), ("stripe", "/v1", account)):
        sandbox.add(
            name,
            (provider.api, f"/{name}{api}"),
            (provider.pages, f"/{name}/pay"),
            (provider.control, f"/control/{name}"),
        )
    _add_telegram(sandbox, options)
    _add_engines(sandbox, options, clock)
    sandbox.add("control", (_controls_of_all(clock, shop, account), "/control"))
    return sandbox


def _add_telegram(sandbox: Sandbox, options: Options) -> None:
    bot = TelegramSandbox(options.telegram_bot_token, options.telegram_bot_username)
    world.furnish(bot.state, options.world)
    if url := options.webhook("telegram"):
        bot.delivery.set_webhook(
            Webhook(url, options.telegram_webhook_secret, max_connections=40, is_bot=False),
            drop_pending=False,
        )
    sandbox.on_close.append(bot.delivery.close)
    sandbox.add("telegram", (bot.api, "/telegram"), (bot.control, "/control/telegram"))
    sandbox.add("chat", (chat_blueprint(bot), "/chat"))


def _add_engines(sandbox: Sandbox, options: Options, clock: Clock) -> None:
    header, _, value = options.comfyui_header.partition(":")
    engines = {
        "/replicate/v1": ReplicateSandbox(clock, options.replicate_api_token),
        "/fal": FalSandbox(clock, options.fal_key),
        "/polza/api/v1": PolzaSandbox(clock, options.polza_api_key),
        "/comfyui": ComfyUiSandbox(clock, (header, value.strip())),
    }
    for path, engine in engines.items():
        control = f"/control/{engine.name}"
        sandbox.add(engine.name, (engine.api, path), (engine.control, control))


def _controls_of_all(clock: Clock, shop: YooKassaSandbox, account: StripeSandbox) -> Blueprint:
    control = Blueprint("control", __name__)
    refuse_invalid_requests(control)

    @control.post("/clock")
    def advance() -> Response:
        """Advance the clock; what was not paid in time expires, and its shop is notified."""
        moment = clock.advance(float(body()["advance_seconds"]))
        shop.shop.expire_late()
        account.account.expire_late()
        return jsonify({"now": moment.isoformat()})

    @control.get("/health")
    def health() -> Response:
        return jsonify({"status": "ok"})

    return control
