"""`python -m local.sandbox --port 8090`: the simulated providers as a process of their own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click
from werkzeug.serving import WSGIRequestHandler, make_server

import settings
from local import sandbox
from local.sandbox.telegram.world import WorldError, read
from settings import Settings


class _QuietHandler(WSGIRequestHandler):
    """No line per request: URLs of the Bot API hold the token."""

    def log_request(self, *_: object) -> None:
        pass


@click.command(context_settings={"show_default": True, "help_option_names": ["-h", "--help"]})
@click.option("--host", default="127.0.0.1", help="Address to listen on.")
@click.option("--port", default=8090, help="Port to listen on; 0 chooses a free one.")
@click.option(
    "--world",
    type=click.Path(path_type=Path),
    help="A JSON file with the people and chats that Telegram begins with.",
)
def main(host: str, port: int, world: Path | None) -> None:
    """Serve payment providers, Telegram and engines as they look on the wire; no money moves.

    Keys, secrets and SERVER_URL are those of the backend's settings; a key that is not set has a
    public default. Webhooks go to SERVER_URL.
    """
    try:
        current = settings.load()
    except settings.SettingsError as error:
        raise click.ClickException(str(error)) from error
    if current.production:
        raise click.ClickException("The sandbox takes play money; it never starts in production.")
    try:
        furnished = replace(_options(current), world=read(world) if world else {})
        app = sandbox.create_app(furnished)
    except WorldError as error:
        raise click.ClickException(str(error)) from error
    server = make_server(host, port, app, threaded=True, request_handler=_QuietHandler)
    click.echo(f"Sandbox of providers and engines: http://{host}:{server.server_port}")
    server.serve_forever()


def _options(current: Settings) -> sandbox.Options:
    public = sandbox.Options()
    # Events are signed with every secret of the list, as Stripe does while one is being rolled.
    return sandbox.Options(
        server_url=current.server_url,
        yookassa_shop_id=current.yookassa_shop_id or public.yookassa_shop_id,
        yookassa_secret_key=current.yookassa_secret_key or public.yookassa_secret_key,
        stripe_secret_key=current.stripe_secret_key or public.stripe_secret_key,
        stripe_webhook_secrets=current.stripe_webhook_secret or public.stripe_webhook_secrets,
        telegram_bot_token=current.telegram_bot_token or public.telegram_bot_token,
        telegram_bot_username=current.telegram_bot_username or public.telegram_bot_username,
        telegram_webhook_secret=next(
            iter(current.telegram_webhook_secret), public.telegram_webhook_secret
        ),
        replicate_api_token=current.replicate_api_token or public.replicate_api_token,
        fal_key=current.fal_key or public.fal_key,
        polza_api_key=current.polza_api_key or public.polza_api_key,
        comfyui_header=current.comfyui_header,
    )


if __name__ == "__main__":
    main()
