"""Signed permissions for the disk store: what S3 does with presigned forms and URLs.

A token contains everything it permits; nothing about it is stored. itsdangerous compares signatures
in constant time; HMAC-SHA256 with a separate key for each salt, so that one kind of token cannot
be used as the other.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import TypeVar

from itsdangerous import BadData, URLSafeSerializer

REMEMBERED_LINKS = 4096  # about a kilobyte each


class LinkInvalid(Exception):
    """The token is forged, altered, expired or of the other kind."""


@dataclass(frozen=True)
class UploadPolicy:
    """One key may be written with `min_bytes` to `max_bytes` bytes of one type, until `expires_at`.

    Times are whole seconds since the epoch.
    """

    key: str
    content_type: str
    min_bytes: int
    max_bytes: int
    expires_at: int


@dataclass(frozen=True)
class DownloadPermit:
    """One key may be read until `expires_at`, seconds since the epoch."""

    key: str
    content_type: str
    expires_at: int


Claims = TypeVar("Claims", UploadPolicy, DownloadPermit)


class Links:
    """Creates and checks tokens; `clock` returns seconds since the epoch."""

    def __init__(self, secret: bytes, *, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._upload = _serializer(secret, "upload")
        self._download = _serializer(secret, "download")
        # Lists show the same links again and again for a quarter of their life.
        self._signed = lru_cache(maxsize=REMEMBERED_LINKS)(
            lambda permit: _dumped(self._download, permit)
        )

    def upload_token(self, key: str, *, content_type: str, max_bytes: int, expires_in: int) -> str:
        """A token for an UploadPolicy, valid for `expires_in` seconds."""
        expires_at = int(self._clock()) + expires_in
        policy = UploadPolicy(key, content_type, 1, max_bytes, expires_at)
        return _dumped(self._upload, policy)

    def upload_policy(self, token: str) -> UploadPolicy:
        """What the token permits now, else LinkInvalid."""
        return self._loaded(self._upload, token, UploadPolicy)

    def download_token(self, key: str, *, content_type: str, expires_in: int) -> str:
        """A token for a DownloadPermit, valid for `expires_in` to 1.25 * `expires_in` seconds.

        The expiry is rounded up, so links made soon after one another are the same to a cache.
        """
        step = max(1, expires_in // 4)
        expires_at = -(-(int(self._clock()) + expires_in) // step) * step
        return self._signed(DownloadPermit(key, content_type, expires_at))

    def download_permit(self, token: str) -> DownloadPermit:
        """What the token permits now, else LinkInvalid."""
        return self._loaded(self._download, token, DownloadPermit)

    def _loaded(self, serializer: URLSafeSerializer, token: str, kind: type[Claims]) -> Claims:
        try:
            claims = kind(**serializer.loads(token))
        except (BadData, TypeError) as error:  # TypeError: signed by a release with other claims
            raise LinkInvalid from error
        if self._clock() >= claims.expires_at:
            raise LinkInvalid("expired")
        return claims


def _serializer(secret: bytes, salt: str) -> URLSafeSerializer:
    return URLSafeSerializer(
        secret,
        salt=salt,
        signer_kwargs={"digest_method": hashlib.sha256, "key_derivation": "hmac"},
    )


def _dumped(serializer: URLSafeSerializer, claims: UploadPolicy | DownloadPermit) -> str:
    return serializer.dumps(asdict(claims))
