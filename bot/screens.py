"""What is shown of an order, wherever it is shown: its text and its buttons."""

from __future__ import annotations

from collections.abc import Sequence

from telegram import InlineKeyboardButton as Button
from telegram import InlineKeyboardMarkup as Keyboard

from bot import texts
from livephoto_client import Job, Model, PaymentProvider, Tariff

# What buttons carry, 64 bytes at most: a letter, and the id it is about.
AGREE, REMOVE, ORDER, CANCEL, AGAIN = "ok", "x", "o", "c", "g"
TARIFFS, TARIFF, PAY, CHECK, CHANNEL = "m", "t", "p", "k", "b"
# A text and its buttons.
Screen = tuple[str, Keyboard | None]
PROVIDERS: dict[str, PaymentProvider] = {"t": "telegram", "y": "yookassa", "s": "stripe"}


def button(title: str, *data: str) -> Button:
    """A button that the bot gets back."""
    return Button(title, callback_data=":".join(data))


def of_menu(models: Sequence[Model], photos: Sequence[str]) -> Screen:
    """The choice of a service; the ids of the photos are in the buttons that drop them."""
    rows = [[button(texts.choice(model, len(photos)), ORDER, model.id)] for model in models]
    drops = [button(texts.drop(n, len(photos)), REMOVE, each) for n, each in enumerate(photos, 1)]
    rows += [drops[start : start + 5] for start in range(0, len(drops), 5)]
    return texts.what_to_do(len(photos)), Keyboard(rows)


def photos_of(markup: Keyboard) -> list[str]:
    """The photos of a menu, read back from its buttons."""
    data = [str(each.callback_data or "") for row in markup.inline_keyboard for each in row]
    return [each.partition(":")[2] for each in data if each.startswith(f"{REMOVE}:")]


def of_job(job: Job, tariffs: Sequence[Tariff] = ()) -> Screen:
    """What an order waits for or came to, and what can be done about it. tariffs: of all, those
    that are enough for it are offered.
    """
    cancel = [button(texts.CANCEL, CANCEL, job.id)]
    match job.status:
        case "waiting_payment":
            enough = [t for t in tariffs if t.monthly_tokens >= (job.missing_tokens or 0)]
            return texts.shortage(job), Keyboard([*of_tariffs(enough or tariffs), cancel])
        case "queued":
            return texts.queued(job), Keyboard([cancel])
        case "processing":
            return texts.in_work(job), None
        case "done":
            return texts.done(job), Keyboard([[button(texts.AGAIN, AGAIN, job.id)]])
    return texts.failed(job), None


def of_tariffs(tariffs: Sequence[Tariff]) -> list[list[Button]]:
    """A row for each tariff."""
    return [[button(texts.tariff(each), TARIFF, each.id)] for each in tariffs]


def of_providers(tariff: Tariff, connected: Sequence[str]) -> Keyboard:
    """How to pay for a tariff; Stars only where they are the currency of Telegram's payments."""
    return Keyboard(
        [
            [button(texts.provider(provider, tariff), PAY, letter, tariff.id)]
            for letter, provider in PROVIDERS.items()
            if provider in connected
        ]
    )
