"""A typed client of the Live Photo backend: `Client`, and `AsyncClient` for asyncio.

`generated` is written from the contract; the rest of the package by hand. See README.md.
"""

from livephoto_client import generated
from livephoto_client.client import AsyncClient, Client
from livephoto_client.generated import *  # noqa: F403 - has an __all__ of its own
from livephoto_client.pages import Page
from livephoto_client.signatures import verify_event
from livephoto_client.trouble import (
    EventNotVerified,
    LivePhotoError,
    Refusal,
    UnexpectedAnswer,
    Unreachable,
)

__all__ = [
    *generated.__all__,
    "AsyncClient",
    "Client",
    "EventNotVerified",
    "LivePhotoError",
    "Page",
    "Refusal",
    "UnexpectedAnswer",
    "Unreachable",
    "verify_event",
]
