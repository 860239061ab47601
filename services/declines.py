"""What a customer is told about a payment that was not made."""

from __future__ import annotations

from dataclasses import dataclass

# By the codes of providers.payments.declines, and by ends that have no other reason.
SENTENCES = {
    "insufficient_funds": "На карте не хватило денег. Пополните её или заплатите другой.",
    "card_expired": "Срок действия карты истёк. Заплатите другой картой.",
    "card_data_wrong": "Данные карты введены неверно. Проверьте их и попробуйте ещё раз.",
    "not_confirmed": "Банк не получил подтверждения платежа. Попробуйте ещё раз и введите код.",
    "limit_exceeded": "Превышен лимит платежей. Обратитесь в банк или заплатите другим способом.",
    "method_not_accepted": "Этой картой или кошельком заплатить нельзя. Выберите другой способ.",
    "suspicious": "Платёжная система не пропустила этот платёж. Выберите другой способ оплаты.",
    "bank_unavailable": "Банк сейчас не отвечает. Попробуйте ещё раз через несколько минут.",
    "refused_by_bank": "Банк отклонил платёж. Попробуйте другую карту или другой способ оплаты.",
    "canceled_by_shop": "Платёж отменён. Деньги не списаны.",
    "expired": "Время на оплату истекло. Деньги не списаны, создайте новый платёж.",
    "not_paid": "Платёж не прошёл. Деньги не списаны, попробуйте ещё раз.",
}


@dataclass(frozen=True)
class Refusal:
    """The contract's PaymentError: a code for programs, a sentence for the customer."""

    code: str
    message: str


def of(status: str, decline_code: str | None) -> Refusal | None:
    """Why a payment with this status has not been made; None while nothing speaks against it.

    A pending one has a code when a card was declined and another may still be tried.
    """
    if status == "expired":
        code: str | None = "expired"
    elif status == "canceled":
        code = decline_code or "not_paid"
    else:
        code = decline_code if status == "pending" else None
    if code is None:
        return None
    # A later version may have stored a reason that this one does not know.
    known = code if code in SENTENCES else "refused_by_bank"
    return Refusal(known, SENTENCES[known])
