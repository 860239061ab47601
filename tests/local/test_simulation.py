"""On a machine of one's own the sandbox stands in for whatever is not configured."""

from __future__ import annotations

from dataclasses import replace

import settings
from local.simulation import SimulatedProviders
from settings import Settings


def test_everything_is_played_where_nothing_is_configured() -> None:
    simulated = SimulatedProviders(Settings())
    filled = simulated.settings
    assert all(settings.configured(filled, provider) for provider in settings.PROVIDERS)
    assert all(settings.engine_configured(filled, engine) for engine in settings.ENGINES)
    assert filled.replicate_api_url == f"{simulated.url}/replicate/v1"
    assert len(simulated.programs) == 1


def test_what_has_a_key_or_an_address_is_real() -> None:
    mine = Settings(replicate_api_token="r8_mine", fal_api_url="https://fal.example.com")
    filled = SimulatedProviders(mine).settings
    assert filled.replicate_api_url == Settings.replicate_api_url
    assert filled.replicate_api_token == "r8_mine"
    assert (filled.fal_api_url, filled.fal_key) == ("https://fal.example.com", "")
    assert settings.engine_configured(filled, "polza")


def test_an_engine_alone_is_enough_for_a_sandbox() -> None:
    mine = replace(
        Settings(),
        yookassa_api_url="https://a.example.com",
        stripe_api_url="https://b.example.com",
        telegram_api_url="https://c.example.com",
    )
    simulated = SimulatedProviders(mine)
    assert simulated.programs and simulated.settings.comfyui_url


def test_production_plays_nothing() -> None:
    simulated = SimulatedProviders(Settings(environment="production"))
    assert simulated.programs == () and simulated.settings.replicate_api_token == ""
