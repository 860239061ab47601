"""Tag Config."""

from __future__ import annotations

from typing import Any

import images
import settings
from db.types import number
from providers import registry
from services import bonuses, data, media
from settings import Settings
from spec.functions import Reply


def config_get() -> Reply:
    current = settings.load()
    body = {
        "bonuses": _bonuses(current),
        "consent": {"required": current.require_consent},
        "limits": _limits(current),
        "lifetimes": _lifetimes(current),
        "payments": _payments(current),
    }
    if current.consent_version:
        body["consent"]["version"] = current.consent_version
    if current.review_chat:
        body["reviews"] = {"chat": current.review_chat, "minLength": current.review_min_length}
    return body, 200


def _bonuses(current: Settings) -> dict[str, Any]:
    return {
        "welcomeTokens": number(current.welcome_bonus_tokens),
        "channelTokens": number(current.channel_bonus_tokens),
        "channels": [bonuses.normalized(name) for name in current.bonus_channels],
        "reviewTokens": number(current.review_bonus_tokens),
        "referralTokens": number(current.referral_bonus_tokens),
        "referralPercent": number(current.referral_bonus_percent),
    }


def _limits(current: Settings) -> dict[str, Any]:
    return {
        "imageBytes": media.UPLOAD_LIMITS["image"],
        "imagePixels": images.MAX_PIXELS,
        "imageMinSide": images.MIN_SIDE,
        "imageMaxAspect": images.MAX_ASPECT,
        "videoBytes": media.UPLOAD_LIMITS["video"],
        "audioBytes": media.UPLOAD_LIMITS["audio"],
        "textBytes": media.UPLOAD_LIMITS["text"],
        "requestsPerMinutePerUser": current.rate_limit_per_user,
    }


def _lifetimes(current: Settings) -> dict[str, Any]:
    kept = data.lifetimes()
    return {
        "waitingJobHours": current.waiting_job_ttl_hours,
        "dataHours": kept["photo"],
        "resultHours": kept["result"],
        "unusedUploadHours": kept["unused"],
        "linkSeconds": current.link_ttl_seconds,
        "uploadFormSeconds": current.presign_ttl_seconds,
        "idempotencyKeyHours": current.idempotency_ttl_hours,
    }


def _payments(current: Settings) -> dict[str, Any]:
    connected = [each for each in settings.PROVIDERS if settings.configured(current, each)]
    body: dict[str, Any] = {
        "providers": connected,
        "tokenPriceRub": number(current.token_price_rub),
        "minRub": number(current.min_payment_rub),
        "maxRub": number(current.max_payment_rub),
        "stars": registry.stars(current.token_price_rub) is not None,
    }
    if current.default_provider in connected:
        body["defaultProvider"] = current.default_provider
    return body
