"""From a photo to an order: consent, upload, the choice of a service, cancelling, sending again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

from telegram import InlineKeyboardMarkup as Keyboard
from telegram import Message, Update
from telegram.constants import ChatAction
from telegram.error import BadRequest as TelegramBadRequest
from telegram.ext import ContextTypes

from bot import screens, texts
from bot.people import Stale, alter, chosen, client_ref_of, say, visitor
from bot.progress import Progress
from bot.results import send_results
from livephoto_client import (
    AsyncClient,
    Data,
    IdempotencyKeyReused,
    IOObject,
    Job,
    Model,
    Refusal,
)

Context = ContextTypes.DEFAULT_TYPE

ALBUM_SECONDS = 1.0  # photos of an album come one by one; nothing says which is the last
LARGEST_FILE = 20_000_000  # of what Telegram gives to bots, bytes
LONGEST_WISH = 300  # characters
LOOK_SECONDS = 8.0
FILES_AT_ONCE = 6  # each is in memory while it goes through


class Orders:
    """Handlers of photos and of the buttons about orders."""

    def __init__(self, backend: AsyncClient, progress: Progress) -> None:
        self._backend = backend
        self._progress = progress
        self._albums: dict[str, list[Message]] = {}
        self._collected: dict[str, asyncio.Task[None]] = {}
        self._files = asyncio.Semaphore(FILES_AT_ONCE)

    async def start(self, update: Update, context: Context) -> None:
        """/start, perhaps with the code of whoever sent them here."""
        user = await visitor(self._backend, update, context.args[0] if context.args else None)
        if user.consent_pd:
            await say(update, texts.welcome_back(user.balance_tokens))
        else:
            await say(update, texts.WELCOME, _agreement())

    async def agree(self, update: Update, context: Context) -> None:
        """The person agrees; the photo that was waiting for it goes on."""
        _, message = await chosen(update)
        user = await visitor(self._backend, update)
        await self._backend.users_update_consent(user.id, consent_pd=True)
        await alter(message, texts.AGREED, None)
        asked = message.reply_to_message
        if asked and (asked.photo or asked.document):
            await self._offer([asked])

    async def photo(self, update: Update, context: Context) -> None:
        """A photo, a file that may be one, or one of an album; it is handled when its album is."""
        message = update.effective_message
        assert message  # noqa: S101 - filtered
        user = await visitor(self._backend, update)
        if not user.consent_pd:
            await message.reply_text(texts.CONSENT_FIRST, reply_markup=_agreement(), do_quote=True)
        elif group := message.media_group_id:
            self._albums.setdefault(group, []).append(message)
            if group in self._collected:
                await asyncio.wait([self._collected[group]])
            else:
                self._collected[group] = asyncio.create_task(self._album(group))
                await self._collected[group]
        else:
            await self._offer([message])

    async def remove(self, update: Update, context: Context) -> None:
        """Take one photo out of a menu; the last one takes the menu with it."""
        (photo_id,), message = await chosen(update)
        photos = [each for each in _photos(message) if each != photo_id]
        if photos:
            await alter(message, *screens.of_menu(await self._models(), photos))
        else:
            await alter(message, texts.DROPPED, None)

    async def order(self, update: Update, context: Context) -> None:
        """Order what was chosen. The message is the order's from now on, and makes one order."""
        (model_id,), message = await chosen(update)
        user, photos = await visitor(self._backend, update), _photos(message)
        if not user.consent_pd:  # it was withdrawn; a refusal would stay with this message's key
            await say(update, texts.CONSENT_FIRST, _agreement())
            return
        models = [each for each in await self._models() if each.id == model_id]
        if not models:
            raise Stale(texts.MODEL_GONE)
        create = partial(
            self._backend.jobs_create,
            user_id=user.id,
            service_type=models[0].service_type,
            model_id=model_id,
            description=_wish(message) if models[0].takes_wish else None,
            input=[IOObject(type="image", data_id=each) for each in photos],
            client_ref=client_ref_of(message),
        )
        job = await self._once(create, user.id, client_ref_of(message))
        await self._progress.show(job.id)

    async def _once(
        self, create: Callable[..., Awaitable[Job]], user_id: str, client_ref: str
    ) -> Job:
        """Make the one order of a message. A key keeps a refusal, too: then there is no order yet,
        and what is chosen now, another model perhaps, gets the next key.
        """
        key = f"order:{client_ref}"
        while True:
            try:
                return await create(idempotency_key=key)
            except IdempotencyKeyReused as refusal:
                jobs = await self._backend.jobs_list(user_id=user_id)
                if any(job.client_ref == client_ref for job in jobs):
                    raise Stale(texts.ORDERED_ALREADY) from refusal
            key += "+"

    async def cancel(self, update: Update, context: Context) -> None:
        """Cancel an order; its tokens are back at once."""
        (job_id,), _ = await chosen(update)
        await self._progress.end(await self._backend.jobs_cancel(job_id))

    async def again(self, update: Update, context: Context) -> None:
        """Send a result once more."""
        (job_id,), message = await chosen(update, texts.SENDING)
        job = await self._backend.jobs_get(job_id)
        if not await send_results(context.bot, self._backend, message.chat.id, job):
            await message.chat.send_message(texts.EXPIRED)

    async def _models(self) -> Sequence[Model]:
        return await self._backend.models_list()

    async def _album(self, group: str) -> None:
        count = 0
        while count < len(self._albums[group]):
            count = len(self._albums[group])
            await asyncio.sleep(ALBUM_SECONDS)
        messages = sorted(self._albums.pop(group), key=lambda each: each.message_id)
        del self._collected[group]
        await self._offer(messages)

    async def _offer(self, messages: list[Message]) -> None:
        """Upload photos, tell what is wrong with those that are refused, offer the services."""
        await messages[0].chat.send_action(ChatAction.TYPING)
        found = await asyncio.gather(
            *(self._upload(each) for each in messages), return_exceptions=True
        )
        photos: list[Data] = []
        for message, each in zip(messages, found, strict=True):
            if isinstance(each, Data):
                photos.append(each)
            elif isinstance(each, Refusal) and len(messages) > 1:
                await message.reply_text(texts.refusal(each), do_quote=True)
            else:
                raise each
        if photos:
            text, buttons = screens.of_menu(await self._models(), [each.id for each in photos])
            text = "\n\n".join([*texts.warnings(photos), text])
            await messages[-1].reply_text(text, reply_markup=buttons, do_quote=True)

    async def _upload(self, message: Message) -> Data:
        """The file, and what is seen on it. Telegram's own address of it holds the bot's token:
        nobody may get it.
        """
        file = message.photo[-1] if message.photo else message.document
        assert file  # noqa: S101 - filtered
        if (file.file_size or 0) > LARGEST_FILE:
            raise Stale(texts.TOO_LARGE)
        async with self._files:
            try:
                content = await (await file.get_file()).download_as_bytearray()
            except TelegramBadRequest as refusal:
                raise Stale(texts.TOO_LARGE) from refusal
            uploaded = await self._backend.upload(bytes(content))
            try:
                async with asyncio.timeout(LOOK_SECONDS):
                    return await self._backend.data_confirm_upload(uploaded.id, faces=True)
            except TimeoutError:  # a busy backend: no warning is worth a longer wait
                return uploaded


def _agreement() -> Keyboard:
    return Keyboard([[screens.button(texts.AGREE, screens.AGREE)]])


def _wish(message: Message) -> str | None:
    """What was written under the photo that a menu answers to."""
    asked = message.reply_to_message
    return (asked.caption or "")[:LONGEST_WISH] or None if asked else None


def _photos(message: Message) -> list[str]:
    photos = screens.photos_of(message.reply_markup) if message.reply_markup else []
    if not photos:
        raise Stale(texts.STALE)
    return photos
