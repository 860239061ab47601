"""Channels that give a bonus."""

from __future__ import annotations

import click

import settings
from commands.shapes import table
from db import snapshot
from services import bonuses


@click.group()
def channels() -> None:
    """Channels that give a bonus."""


@channels.command("list")
def list_channels() -> None:
    """Channels in BONUS_CHANNELS and how many users got their bonus."""
    names = [bonuses.normalized(name) for name in settings.load().bonus_channels]
    with snapshot() as session:
        counts = bonuses.given(session, names)
    table(("channel", "bonuses given"), ((name, counts.get(name, 0)) for name in names))
