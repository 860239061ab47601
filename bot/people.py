"""The person who writes or presses, and the message they see."""

from __future__ import annotations

from contextlib import suppress

from telegram import Bot, Message, Update
from telegram import InlineKeyboardMarkup as Keyboard
from telegram.error import BadRequest

from bot import texts
from livephoto_client import AsyncClient, User

CHANGED, UNCHANGED, GONE = "changed", "unchanged", "gone"


class Stale(Exception):
    """What was asked for cannot be done; the text says why, in the person's words."""


async def visitor(backend: AsyncClient, update: Update, ref_code: str | None = None) -> User:
    """The backend's user of whoever an update is from, created at the first one."""
    person = update.effective_user
    assert person  # noqa: S101 - handlers are for what people do
    return await backend.users_register_or_login(
        telegram_id=str(person.id), username=person.username, ref_code=(ref_code or "")[:64] or None
    )


async def chosen(update: Update, toast: str | None = None) -> tuple[list[str], Message]:
    """What a pressed button carries, and its message. It is answered, which stops its clock."""
    query = update.callback_query
    assert query and query.data  # noqa: S101 - all our buttons have data
    message = query.message
    if not isinstance(message, Message):  # so old that Telegram shows it to people only
        raise Stale(texts.STALE)
    with suppress(BadRequest):  # it was pressed while the bot was away, and its clock has stopped
        await query.answer(toast)
    return query.data.split(":")[1:], message


def client_ref_of(message: Message) -> str:
    """The `clientRef` of what a message is about: where the message is."""
    return f"{message.chat.id}:{message.message_id}"


async def say(update: Update, text: str, buttons: Keyboard | None = None) -> None:
    """A new message in the chat of an update."""
    assert update.effective_chat  # noqa: S101 - handlers are for what happens in chats
    rows = buttons and buttons.inline_keyboard
    await update.effective_chat.send_message(text, reply_markup=buttons if rows else None)


async def alter(message: Message, text: str, buttons: Keyboard | None) -> None:
    """Edit a message; say it anew where that is not possible any more."""
    if await edit(message.get_bot(), client_ref_of(message), text, buttons) == GONE:
        await message.chat.send_message(text, reply_markup=buttons)


async def edit(bot: Bot, client_ref: str | None, text: str, buttons: Keyboard | None) -> str:
    """Edit the message at a `clientRef`: CHANGED, UNCHANGED if it said so before, or GONE."""
    chat, _, number = (client_ref or "").partition(":")
    if not number.isdigit():
        return GONE
    try:
        await bot.edit_message_text(text, int(chat), int(number), reply_markup=buttons)
    except BadRequest as refusal:
        return UNCHANGED if "not modified" in str(refusal).lower() else GONE
    return CHANGED
