"""Each provider's gateway as the settings describe it."""

from __future__ import annotations

import providers
from errors import ApiError
from providers.payments import Gateway
from providers.payments.networks import SourceFilter
from providers.payments.receipts import ReceiptRules
from providers.payments.stripe import StripeGateway
from providers.payments.telegram import TelegramGateway
from providers.payments.yookassa import YooKassaGateway
from settings import Settings, configured


def connected(provider: str, current: Settings) -> Gateway:
    """The gateway of a provider of the contract. ApiError `provider_not_configured`."""
    if not configured(current, provider):
        raise ApiError("provider_not_configured", details={"provider": provider})
    return {"yookassa": _yookassa, "stripe": _stripe, "telegram": _telegram}[provider](current)


def _yookassa(current: Settings) -> Gateway:
    return YooKassaGateway(
        current.yookassa_api_url,
        current.yookassa_shop_id,
        current.yookassa_secret_key,
        receipts=_receipts(current),
        sources=SourceFilter(current.trusted_proxies) if current.yookassa_check_network else None,
    )


def _stripe(current: Settings) -> Gateway:
    return StripeGateway(
        current.stripe_api_url, current.stripe_secret_key, current.stripe_webhook_secret
    )


def _telegram(current: Settings) -> Gateway:
    return TelegramGateway(
        providers.telegram(),
        secrets=current.telegram_webhook_secret,
        currency=current.telegram_currency,
        rub_per_star=current.telegram_rub_per_star,
        provider_token=current.telegram_provider_token,
    )


def _receipts(current: Settings) -> ReceiptRules | None:
    if not current.yookassa_receipt_email:
        return None
    return ReceiptRules(
        email=current.yookassa_receipt_email,
        vat_code=current.yookassa_vat_code,
        tax_system_code=current.yookassa_tax_system_code,
        payment_subject=current.yookassa_payment_subject,
        payment_mode=current.yookassa_payment_mode,
    )
