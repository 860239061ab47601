"""Engines of providers and their models, as a new server knows them; none is on offer at first.

Inputs are those of the providers' published schemas. Prices are what public pages of 2026 said, an
estimate for limits until the operator has seen a bill.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

# name: in flight, creates a minute, currency, and what it may cost in a day
ENGINES: dict[str, tuple[int, int, str, Decimal]] = {
    "replicate": (100, 300, "USD", Decimal(50)),
    # A new account at fal runs two at once and lets the others wait.
    "fal": (40, 120, "USD", Decimal(50)),
    "polza": (40, 60, "RUB", Decimal(5000)),
    "comfyui": (4, 60, "USD", Decimal(0)),
}


def engines() -> list[dict[str, Any]]:
    """Rows of `engines`."""
    columns = ("max_in_flight", "creates_per_minute", "currency", "daily_cost")
    return [{"name": name, **dict(zip(columns, ENGINES[name], strict=True))} for name in ENGINES]


def remote_model(
    service_type: str,
    name: str,
    engine: str,
    model: str,
    template: dict[str, Any],
    texts: tuple[str, str],
    price: tuple[int, str],
    **more: Any,
) -> dict[str, Any]:
    """A row of `generation_models`.

    texts: title and description. price: tokens for the customer, and what a run costs us. more:
    prompt; seconds, that it usually takes; fallback, its order among those that stand in; version,
    of a Replicate model that is not official.
    """
    recipe = {"model": model, "template": template}
    return {
        "name": name,
        "service_type": service_type,
        "engine": engine,
        "title": texts[0],
        "description": texts[1],
        "recipe": recipe | {key: more[key] for key in ("version",) if key in more},
        "prompt": more["prompt"],
        "price_tokens": Decimal(price[0]),
        "price_rub": Decimal(price[0] * 10),
        "run_cost": Decimal(price[1]),
        "run_currency": ENGINES[engine][2],
        "usual_seconds": more["seconds"],
        "fallback_position": more.get("fallback"),
        "active": False,
        "is_default": False,
    }


# Polza takes photos along with the order.
POLZA_PHOTO = [{"type": "base64", "data": "{photo}"}]
