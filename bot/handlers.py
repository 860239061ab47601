"""Which function answers what: commands, buttons, photos; and what is said when one fails."""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

from telegram import Update
from telegram.error import BadRequest, Forbidden, TelegramError
from telegram.ext import (
    Application,
    CallbackQueryHandler,
    CommandHandler,
    ContextTypes,
    MessageHandler,
    filters,
)

from bot import screens, texts
from bot.growth import Growth
from bot.money import Money
from bot.orders import Orders
from bot.people import Stale, say
from livephoto_client import ConsentRequired, LivePhotoError, Refusal

log = logging.getLogger("bot")

App = Application[Any, Any, Any, Any, Any, Any]
Context = ContextTypes.DEFAULT_TYPE
Handler = Callable[[Update, Context], Coroutine[Any, Any, None]]
PRIVATE = filters.ChatType.PRIVATE & filters.UpdateType.MESSAGE
TOAST = 200  # characters that Telegram shows


def add_handlers(app: App, orders: Orders, money: Money, growth: Growth) -> None:
    """All of them. In groups and channels the bot answers nothing."""
    commands = {
        "start": orders.start,
        "buy": money.tariffs,
        "balance": money.balance,
        "history": money.history,
        "paysupport": money.support,
        "bonus": growth.bonus,
        "review": growth.review,
        "friends": growth.friends,
        "lottery": growth.lottery,
        "delete_me": growth.delete_me,
        "terms": _saying(texts.TERMS),
        "help": _saying(texts.help_()),
    }
    buttons = {
        screens.AGREE: orders.agree,
        screens.REMOVE: orders.remove,
        screens.ORDER: orders.order,
        screens.CANCEL: orders.cancel,
        screens.AGAIN: orders.again,
        screens.TARIFFS: money.tariffs,
        screens.TARIFF: money.tariff,
        screens.PAY: money.pay,
        screens.CHECK: money.check,
        screens.CHANNEL: growth.check_bonus,
    }
    for name, handler in commands.items():
        app.add_handler(CommandHandler(name, handler, filters=PRIVATE))
    for prefix, handler in buttons.items():
        app.add_handler(CallbackQueryHandler(handler, pattern=f"^{prefix}(:|$)"))
    app.add_handler(CallbackQueryHandler(_old_button))
    app.add_handler(MessageHandler(PRIVATE & filters.SUCCESSFUL_PAYMENT, money.thank))
    app.add_handler(MessageHandler(PRIVATE & (filters.PHOTO | filters.Document.ALL), orders.photo))
    app.add_handler(MessageHandler(PRIVATE & ~filters.StatusUpdate.ALL, _saying(texts.NOT_A_PHOTO)))
    app.add_error_handler(_on_error)


def _saying(text: str) -> Handler:
    async def handler(update: Update, context: Context) -> None:
        await say(update, text)

    return handler


async def _old_button(update: Update, context: Context) -> None:
    """A button that no version of this bot makes any more."""
    raise Stale(texts.STALE)


async def _on_error(update: object, context: Context) -> None:
    """Tell the person what went wrong, in words; log what is a fault."""
    trouble = context.error
    if not isinstance(update, Update):
        log.error("Error outside of an update: %r", trouble, exc_info=trouble)
        return
    number = update.update_id
    if isinstance(trouble, (Stale, LivePhotoError, Forbidden)):
        log.info("Update %s was not carried out: %r", number, trouble)
    else:
        log.error("Update %s failed: %r", number, trouble, exc_info=trouble)
    if isinstance(trouble, Forbidden):
        return  # whoever has blocked the bot hears nothing
    if update.effective_chat and update.effective_chat.type == "private":
        try:
            await _reply(update, _in_words(trouble))
        except TelegramError as another:
            log.warning("Update %s: its error could not be shown: %s", number, another)


async def _reply(update: Update, text: str) -> None:
    """Over the pressed button if that has no answer yet, else as a message."""
    if update.callback_query and len(text) <= TOAST:
        with suppress(BadRequest):  # answered already, or too old
            await update.callback_query.answer(text, show_alert=True)
            return
    await say(update, text)


def _in_words(trouble: BaseException | None) -> str:
    if isinstance(trouble, Stale):
        return str(trouble)
    if isinstance(trouble, ConsentRequired):
        return texts.CONSENT_FIRST
    if isinstance(trouble, Refusal):
        return texts.refusal(trouble)
    return texts.AWAY if isinstance(trouble, LivePhotoError) else texts.FAULT
