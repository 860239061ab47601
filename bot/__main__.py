"""`python -m bot`: the bot, until it is stopped."""

from __future__ import annotations

import asyncio
import logging
import signal
from contextlib import AbstractAsyncContextManager, nullcontext
from weakref import WeakValueDictionary

from telegram import BotCommand, LinkPreviewOptions, Update
from telegram.error import NetworkError, TelegramError
from telegram.ext import AIORateLimiter, Application, Defaults

from bot import environment, texts
from bot.delivery import Delivery
from bot.environment import Environment
from bot.forwarding import Forwarding
from bot.growth import Growth
from bot.handlers import App, add_handlers
from bot.journal import Journal
from bot.money import Money
from bot.orders import Orders
from bot.progress import Progress
from bot.updates import Updates
from livephoto_client import AsyncClient

log = logging.getLogger("bot")

TROUBLE_PAUSE = 1.0
Turns = WeakValueDictionary[int, asyncio.Lock]


async def main(given: Environment) -> None:
    """Everything until SIGTERM or Ctrl-C."""
    app = _application(given)
    await _find_telegram(app)
    async with AsyncClient(given.server_url, given.api_key) as backend, app:
        progress = Progress(app.bot, backend)
        delivery = Delivery(app.bot, backend, progress, Journal(given.folder / "bot.events"))
        forwarding = Forwarding(backend, given.webhook_secret)
        add_handlers(app, Orders(backend, progress), Money(backend), Growth(backend))

        turns: Turns = WeakValueDictionary()
        apologised_to: set[int] = set()  # chats

        async def handle(update: Update, repeated: bool) -> None:
            if forwarding.concerns(update):
                await forwarding.forward(update)
            chat = update.effective_chat
            if repeated and chat and chat.id not in apologised_to:
                apologised_to.add(chat.id)
                await _apologise(update)
            async with _turn(turns, update):
                await app.process_update(update)

        updates = Updates(app.bot, Journal(given.folder / "bot.updates"), handle)
        await _introduce(app)
        loops = (updates.run(), delivery.run(), forwarding.learn())
        tasks = [asyncio.create_task(each) for each in loops]
        for signum in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(signum, tasks[0].cancel)
        log.info("The bot is ready")
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
    for each in ended:
        if isinstance(each, Exception):
            raise each


def _application(given: Environment) -> App:
    limiter = AIORateLimiter(max_retries=5)
    plain = Defaults(link_preview_options=LinkPreviewOptions(is_disabled=True))
    builder = Application.builder().token(given.token).updater(None).rate_limiter(limiter)
    builder = builder.defaults(plain)
    builder = builder.base_url(f"{given.telegram_url}/bot").media_write_timeout(120)
    return builder.base_file_url(f"{given.telegram_url}/file/bot").build()


async def _find_telegram(app: App) -> None:
    """Wait for Telegram, which may be away as we start, or in the sandbox start after us.

    InvalidToken when it does not know the token.
    """
    while True:
        try:
            await app.initialize()
            return
        except NetworkError as trouble:
            log.warning("Telegram cannot be reached, the start waits: %s", trouble)
            await asyncio.sleep(TROUBLE_PAUSE)


def _turn(turns: Turns, update: Update) -> AbstractAsyncContextManager[object]:
    """What one person does is handled in its order; only photos of an album wait for each other."""
    message, chat = update.message, update.effective_chat
    if chat is None or (message and message.media_group_id):
        return nullcontext()
    return turns.setdefault(chat.id, asyncio.Lock())


async def _introduce(app: App) -> None:
    """Take over from a webhook, and say which commands there are."""
    try:
        await app.bot.delete_webhook()
        await app.bot.set_my_commands([BotCommand(*each) for each in texts.COMMANDS.items()])
    except TelegramError as trouble:  # no reason to stay down
        log.warning("Webhook or commands could not be set at Telegram: %s", trouble)


async def _apologise(update: Update) -> None:
    """The bot was killed in the middle of this update, and whatever it said comes again."""
    try:
        if update.effective_chat and update.effective_chat.type == "private":
            await update.effective_chat.send_message(texts.INTERRUPTED)
    except TelegramError as trouble:
        log.info("Update %s: the apology could not be sent: %s", update.update_id, trouble)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)  # its lines hold the bot's token
    asyncio.run(main(environment.read()))
