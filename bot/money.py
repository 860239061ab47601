"""Tokens and what they cost: tariffs, payments, balance, history, questions about money."""

from __future__ import annotations

import time

from telegram import InlineKeyboardButton as Button
from telegram import InlineKeyboardMarkup as Keyboard
from telegram import Update
from telegram.ext import ContextTypes

from bot import screens, texts
from bot.people import Stale, alter, chosen, client_ref_of, say, visitor
from livephoto_client import AsyncClient, Tariff

Context = ContextTypes.DEFAULT_TYPE

LISTED = 10
LONGEST_REQUEST = 2000  # characters
SAME_PAYMENT_SECONDS = 600  # a button pressed again opens the same page, unless that is stale


class Money:
    """Handlers of /buy, /balance, /history, /paysupport and of the buttons about payments."""

    def __init__(self, backend: AsyncClient) -> None:
        self._backend = backend

    async def tariffs(self, update: Update, context: Context) -> None:
        """What can be bought."""
        if update.callback_query:
            await chosen(update)
        user = await visitor(self._backend, update)
        rows = screens.of_tariffs(await self._backend.tariffs_list())
        await say(update, texts.buy(user.balance_tokens), Keyboard(rows))

    async def tariff(self, update: Update, context: Context) -> None:
        """How to pay for a tariff, in a message that the payment keeps."""
        (tariff_id,), _ = await chosen(update)
        tariff = await self._tariff(tariff_id)
        config = await self._backend.config_get()
        buttons = screens.of_providers(tariff, config.payments.providers)
        await say(update, texts.how_to_pay(tariff), buttons)

    async def pay(self, update: Update, context: Context) -> None:
        """The page of a provider; whether it was paid, an event tells."""
        (letter, tariff_id), message = await chosen(update)
        user, tariff = await visitor(self._backend, update), await self._tariff(tariff_id)
        client_ref = client_ref_of(message)
        since = int(time.time() / SAME_PAYMENT_SECONDS)
        intent = await self._backend.payments_create_intent(
            user_id=user.id,
            amount_rub=tariff.cost_rub,
            provider=screens.PROVIDERS[letter],
            plan=tariff.name,
            client_ref=client_ref,
            # The refusal of somebody who had not agreed yet is kept with the key.
            idempotency_key=f"pay:{client_ref}:{letter}:{user.consent_pd:d}:{since}",
        )
        buttons = [
            [Button(texts.pay_now(intent), url=intent.payment_url)],
            [screens.button(texts.I_PAID, screens.CHECK, intent.id)],
            [screens.button(texts.ANOTHER_WAY, screens.TARIFF, tariff.id)],
        ]
        await alter(message, texts.paying(intent), Keyboard(buttons))

    async def check(self, update: Update, context: Context) -> None:
        """«Я оплатил»: ask the provider now. Tokens that came are told by their event."""
        (payment_id,), message = await chosen(update, texts.CHECKING)
        payment = await self._backend.payments_check(payment_id)
        if payment.status == "pending":
            declined = payment.error.message if payment.error else texts.NOT_PAID_YET
            await message.reply_text(declined)
        else:
            await alter(message, texts.payment(payment.status), None)

    async def thank(self, update: Update, context: Context) -> None:
        """Telegram's own message that Stars were paid: tokens come a moment later."""
        await say(update, texts.STARS_PAID)

    async def balance(self, update: Update, context: Context) -> None:
        """How many tokens there are."""
        user = await visitor(self._backend, update)
        button = screens.button(texts.BUY, screens.TARIFFS)
        await say(update, texts.balance(user.balance_tokens), Keyboard([[button]]))

    async def history(self, update: Update, context: Context) -> None:
        """The last moves of tokens, and results that can be sent again."""
        user = await visitor(self._backend, update)
        moves = await self._backend.transactions_list(user_id=user.id, limit=LISTED)
        jobs = await self._backend.jobs_list(user_id=user.id, limit=LISTED)
        rows = [
            [screens.button(texts.again(job), screens.AGAIN, job.id)]
            for job in jobs
            if job.status == "done"
        ]
        await say(update, texts.history(moves), Keyboard(rows))

    async def support(self, update: Update, context: Context) -> None:
        """/paysupport, which Telegram wants of whoever sells for Stars."""
        words, message = " ".join(context.args or ()), update.effective_message
        if words and message:
            user = await visitor(self._backend, update)
            await self._backend.support_requests_create(
                user_id=user.id,
                topic="help",
                message=words[:LONGEST_REQUEST],
                idempotency_key=f"support:{client_ref_of(message)}",
            )
        await say(update, texts.SUPPORT_TAKEN if words else texts.SUPPORT)

    async def _tariff(self, tariff_id: str) -> Tariff:
        for each in await self._backend.tariffs_list():
            if each.id == tariff_id:
                return each
        raise Stale(texts.TARIFF_GONE)
