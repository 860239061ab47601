"""Invoices: links payable many times by anybody, the 10 s of pre-checkout, Stars and refunds."""

from __future__ import annotations

import re
import secrets
import threading
import time
from dataclasses import dataclass, field
from typing import Any

from local.sandbox.telegram.delivery import PRE_CHECKOUT_LIFETIME, Delivery
from local.sandbox.telegram.state import State
from local.sandbox.telegram.wire import Parameters, Refusal

# Smallest and largest total in minor units (Stars have none). The real fiat limits follow the
# dollar, about $1 to $10000; those of RUB are rounded.
TOTAL_LIMITS = {"XTR": (1, 100_000), "RUB": (8_000, 80_000_000), "USD": (100, 1_000_000)}


@dataclass
class Invoice:
    """What createInvoiceLink was asked for; can be paid any number of times."""

    slug: str
    title: str
    description: str
    payload: str
    currency: str
    total: int


@dataclass
class PreCheckout:
    """A question to the bot; `verdict` is (ok, error_message) once it has answered."""

    id: str
    answered: threading.Event = field(default_factory=threading.Event)
    verdict: tuple[bool, str] | None = None


@dataclass(frozen=True)
class Paid:
    """The outcome of one attempt to pay: paid, refused by the bot, declined, or timeout."""

    status: str
    charge_id: str = ""
    message: str = ""


@dataclass
class Invoices:
    """All invoices and payments in one bot's world."""

    state: State
    delivery: Delivery
    provider_tokens: tuple[str, ...]
    pre_checkout_seconds: float = 10.0

    def __post_init__(self) -> None:
        self.links: dict[str, Invoice] = {}
        self.sent: dict[tuple[int, int], str] = {}  # (chat, message): slug
        self._questions: dict[str, PreCheckout] = {}
        self._charges: dict[str, dict[str, Any]] = {}
        self._transactions: list[dict[str, Any]] = []

    def create_link(self, parameters: Parameters) -> Invoice:
        """Check the limits and store the invoice; 400 with the server's own error codes."""
        title = _check_length(parameters.text("title"), 32, "TITLE_INVALID")
        description = _check_length(parameters.text("description"), 255, "DESCRIPTION_INVALID")
        payload = parameters.text("payload")
        if len(payload.encode()) > 128:
            raise Refusal(400, "Bad Request: INVOICE_PAYLOAD_INVALID")
        currency = parameters.text("currency")
        prices = _prices(parameters.structure("prices"))
        provider_token = parameters.text("provider_token", "")
        self._check_currency(currency, provider_token, len(prices))
        total = sum(prices)
        smallest, largest = TOTAL_LIMITS[currency]
        if not smallest <= total <= largest:
            raise Refusal(400, "Bad Request: CURRENCY_TOTAL_AMOUNT_INVALID")
        slug = secrets.token_urlsafe(12)
        invoice = Invoice(slug, title, description, payload, currency, total)
        self.links[slug] = invoice
        return invoice

    def message(self, invoice: Invoice, parameters: Parameters) -> Parameters:
        """The call of sendInvoice with the button that Telegram adds where there is none."""
        if parameters.structure("reply_markup"):
            return parameters
        stars = invoice.currency == "XTR"
        price = f"⭐️{invoice.total}" if stars else f"{invoice.total / 100:.2f} {invoice.currency}"
        button = {"text": f"Pay {price}", "pay": True}
        return parameters.replaced(reply_markup={"inline_keyboard": [[button]]})

    def pay(self, slug: str, user_id: int, *, declined: bool = False) -> Paid:
        """Pay as a user: ask the bot, wait for its answer, then take the money.

        declined: the payment fails after that, as without enough Stars; the bot hears no more.
        Blocks up to `pre_checkout_seconds`, as the payer's phone does.
        """
        invoice = self.links[slug]
        person = self.state.person(user_id).as_author()
        question = PreCheckout(str(secrets.randbelow(10**18) + 10**17))
        self._questions[question.id] = question
        facts = {
            "currency": invoice.currency,
            "total_amount": invoice.total,
            "invoice_payload": invoice.payload,
        }
        self.delivery.push(
            "pre_checkout_query",
            {"id": question.id, "from": person, **facts},
            queue=f"pre_checkout:{user_id}",
            lifetime=PRE_CHECKOUT_LIFETIME,
        )
        question.answered.wait(self.pre_checkout_seconds)
        with self.state.lock:
            del self._questions[question.id]
        if question.verdict is None:
            return Paid("timeout", message="The bot did not answer in time")
        allowed, message = question.verdict
        if not allowed:
            return Paid("refused", message=message)
        if declined:
            return Paid("declined")
        return Paid("paid", charge_id=self._charge(facts, user_id))

    def answer(self, parameters: Parameters) -> bool:
        """answerPreCheckoutQuery: the first answer within the deadline wins, others get 400."""
        number = parameters.text("pre_checkout_query_id")
        allowed = parameters.flag("ok")
        message = "" if allowed else parameters.text("error_message")
        with self.state.lock:
            question = self._questions.get(number)
            if question is None or question.verdict is not None:
                raise Refusal(
                    400,
                    "Bad Request: query is too old and response timeout expired"
                    " or query ID is invalid",
                )
            question.verdict = (allowed, message)
            question.answered.set()
        return True

    def refund(self, parameters: Parameters) -> bool:
        """refundStarPayment: whole amount, Stars only, once; sends a refunded_payment update."""
        user_id = parameters.user_id()
        charge_id = parameters.text("telegram_payment_charge_id")
        with self.state.lock:
            charge = self._charges.get(charge_id)
            if charge is None or charge["currency"] != "XTR" or charge["user_id"] != user_id:
                raise Refusal(400, "Bad Request: CHARGE_NOT_FOUND")
            if charge["refunded"]:
                raise Refusal(400, "Bad Request: CHARGE_ALREADY_REFUNDED")
            charge["refunded"] = True
            self._record(charge_id, "receiver", charge)
        self._notify(user_id, "refunded_payment", charge["facts"] | _charge_ids(charge_id, None))
        return True

    def transactions(self, parameters: Parameters) -> dict[str, Any]:
        """getStarTransactions: oldest first; offset counts from the oldest."""
        offset = max(parameters.integer("offset"), 0)
        limit = parameters.integer("limit", 100)
        if not 1 <= limit <= 100:
            raise Refusal(400, "Bad Request: LIMIT_INVALID")
        with self.state.lock:
            return {"transactions": self._transactions[offset : offset + limit]}

    def balance(self, _: Parameters) -> dict[str, Any]:
        """getMyStarBalance: what was paid and not returned."""
        with self.state.lock:
            signs = [(1 if "source" in row else -1) * row["amount"] for row in self._transactions]
        return {"amount": sum(signs)}

    def _check_currency(self, currency: str, provider_token: str, prices: int) -> None:
        if currency == "XTR":
            if provider_token or prices != 1:
                raise Refusal(400, "Bad Request: STARS_INVOICE_INVALID")
            return
        if provider_token not in self.provider_tokens:
            raise Refusal(400, "Bad Request: PAYMENT_PROVIDER_INVALID")
        if not re.fullmatch("[A-Z]{3}", currency) or currency not in TOTAL_LIMITS:
            raise Refusal(400, "Bad Request: CURRENCY_INVALID")

    def _charge(self, facts: dict[str, Any], user_id: int) -> str:
        stars = facts["currency"] == "XTR"
        charge_id = ("stx" if stars else "fiat") + secrets.token_urlsafe(40)
        charge = {
            "user_id": user_id,
            "currency": facts["currency"],
            "facts": facts,
            "refunded": False,
        }
        with self.state.lock:
            self._charges[charge_id] = charge
            if stars:
                self._record(charge_id, "source", charge)
        self._notify(user_id, "successful_payment", facts | _charge_ids(charge_id, facts))
        return charge_id

    def _record(self, charge_id: str, direction: str, charge: dict[str, Any]) -> None:
        partner = {
            "type": "user",
            "transaction_type": "invoice_payment",
            "user": self.state.person(charge["user_id"]).as_dict(),
            "invoice_payload": charge["facts"]["invoice_payload"],
        }
        self._transactions.append(
            {
                "id": charge_id,
                "amount": charge["facts"]["total_amount"],
                "date": int(time.time()),
                direction: partner,
            }
        )

    def _notify(self, user_id: int, kind: str, payment: dict[str, Any]) -> None:
        body = {"from": self.state.person(user_id).as_author(), kind: payment}
        message = self.state.store_message(self.state.private_chat(user_id), body, service=True)
        self.delivery.push("message", message, queue=f"chat:{user_id}")


def _charge_ids(charge_id: str, paid: dict[str, Any] | None) -> dict[str, str]:
    """Only a payment, not a refund, carries the provider's id; for Stars that is the payload."""
    ids = {"telegram_payment_charge_id": charge_id}
    if paid is not None:
        stars = paid["currency"] == "XTR"
        ids["provider_payment_charge_id"] = paid["invoice_payload"] if stars else charge_id[4:24]
    return ids


def _check_length(text: str, limit: int, code: str) -> str:
    if len(text) > limit:
        raise Refusal(400, f"Bad Request: {code}")
    return text


def _prices(prices: Any) -> list[int]:
    if not isinstance(prices, list) or not prices:
        raise Refusal(400, 'Bad Request: parameter "prices" is required')
    try:
        return [int(price["amount"]) for price in prices if str(price["label"])]
    except (TypeError, KeyError, ValueError):
        raise Refusal(400, "Bad Request: can't parse labeled price") from None
