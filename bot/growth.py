"""Why people come and bring others: bonuses, reviews, friends, lotteries; and how they leave."""

from __future__ import annotations

from telegram import InlineKeyboardMarkup as Keyboard
from telegram import Update
from telegram.ext import ContextTypes

from bot import screens, texts
from bot.people import Stale, chosen, say, visitor
from livephoto_client import AsyncClient, BadRequest, EntryNotFound, NoCurrentLottery, User

Context = ContextTypes.DEFAULT_TYPE

LINKS = 20  # of one entry


class Growth:
    """Handlers of /bonus, /review, /friends, /lottery, /delete_me."""

    def __init__(self, backend: AsyncClient) -> None:
        self._backend = backend

    async def bonus(self, update: Update, context: Context) -> None:
        """The channels whose subscribers get tokens, each with a button."""
        given = (await self._backend.config_get()).bonuses
        rows = [
            [screens.button(texts.subscribed(each), screens.CHANNEL, each)]
            for each in given.channels
        ]
        await say(update, texts.bonus(given), Keyboard(rows))

    async def check_bonus(self, update: Update, context: Context) -> None:
        """«Я подписался»."""
        (channel,), message = await chosen(update, texts.CHECKING)
        user = await visitor(self._backend, update)
        found = await self._backend.subscriptions_check_channel(
            user_id=user.id, telegram_id=user.telegram_id, channel_username=channel
        )
        if not found.is_member:
            await message.reply_text(texts.NOT_SUBSCRIBED)
        elif not found.bonus_granted:  # a new one is told by its event
            await message.reply_text(texts.BONUS_WAS_GIVEN)

    async def review(self, update: Update, context: Context) -> None:
        """Look for the person's review, or at the message they link to."""
        user = await visitor(self._backend, update)
        link = context.args[0] if context.args else None
        try:
            found = await self._backend.reviews_check(user_id=user.id, message_link=link)
        except BadRequest as refusal:
            raise Stale(texts.NOT_A_LINK) from refusal
        if not found.found:
            reviews = (await self._backend.config_get()).reviews
            await say(update, texts.no_review(reviews.chat if reviews else None, link))
        elif not found.bonus_granted:
            await say(update, texts.REVIEW_WAS_REWARDED)

    async def friends(self, update: Update, context: Context) -> None:
        """The link that brings friends, and what they brought."""
        user = await visitor(self._backend, update)
        link = await self._backend.referrals_get_link(user_id=user.id)
        stats = await self._backend.referrals_stats(user_id=user.id)
        await say(update, texts.friends(link.ref_link, stats))

    async def lottery(self, update: Update, context: Context) -> None:
        """The running lottery, and the person's part in it; links given with the command count."""
        user = await visitor(self._backend, update)
        if links := list(dict.fromkeys(context.args or ()))[:LINKS]:
            await self._submit(user, links)
        try:
            lottery = await self._backend.lotteries_current()
            entry = await self._backend.lotteries_entry_me(user_id=user.id)
        except NoCurrentLottery:
            await say(update, texts.NO_LOTTERY)
        except EntryNotFound:
            await say(update, texts.lottery(lottery, None))
        else:
            await say(update, texts.lottery(lottery, entry))

    async def _submit(self, user: User, links: list[str]) -> None:
        try:
            await self._backend.lotteries_submit_social(user_id=user.id, social_links=links)
        except BadRequest as refusal:
            raise Stale(texts.NOT_A_LINK) from refusal

    async def delete_me(self, update: Update, context: Context) -> None:
        """Withdraw the consent, and ask the operator to delete what is kept."""
        user = await visitor(self._backend, update)
        if context.args != [texts.YES]:
            await say(update, texts.DELETE_ME)
            return
        await self._backend.users_update_consent(user.id, consent_pd=False)
        await self._backend.support_requests_create(
            user_id=user.id, topic="help", message=texts.DELETION_WANTED
        )
        await say(update, texts.DELETION_TAKEN)
