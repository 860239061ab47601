"""On a machine of one's own the sandbox stands in for whatever is not configured."""

from __future__ import annotations

from dataclasses import replace

import settings
from local.simulation import Playground
from settings import Settings


def test_everything_is_played_where_nothing_is_configured() -> None:
    playground = Playground(Settings())
    played = playground.settings
    assert all(settings.configured(played, provider) for provider in settings.PROVIDERS)
    assert all(settings.engine_configured(played, engine) for engine in settings.ENGINES)
    assert played.replicate_api_url == f"{playground.url}/replicate/v1"
    assert len(playground.programs) == 1


def test_what_has_a_key_or_an_address_is_real() -> None:
    mine = Settings(replicate_api_token="r8_mine", fal_api_url="https://fal.example.com")
    played = Playground(mine).settings
    assert played.replicate_api_url == Settings.replicate_api_url
    assert played.replicate_api_token == "r8_mine"
    assert (played.fal_api_url, played.fal_key) == ("https://fal.example.com", "")
    assert settings.engine_configured(played, "polza")


def test_an_engine_alone_is_enough_for_a_sandbox() -> None:
    mine = replace(
        Settings(),
        yookassa_api_url="https://a.example.com",
        stripe_api_url="https://b.example.com",
        telegram_api_url="https://c.example.com",
    )
    playground = Playground(mine)
    assert playground.programs and playground.settings.comfyui_url


def test_production_plays_nothing() -> None:
    playground = Playground(Settings(environment="production"))
    assert playground.programs == () and playground.settings.replicate_api_token == ""
