"""Any S3-compatible bucket. Clients upload to it and download from it directly.

Path style and SigV4 work everywhere. The credentials need GetObject, PutObject, DeleteObject and
ListBucket: without the last one S3 answers 403 instead of 404 for what is missing.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, BinaryIO

import boto3.session
from botocore.client import Config
from botocore.exceptions import BotoCoreError, ClientError

from providers import outside
from providers.storage import ObjectMissing, StorageUnavailable, StoredObject, UploadForm
from providers.storage.disposition import content_disposition
from providers.storage.links import REMEMBERED_LINKS
from telemetry import metrics

CONNECT_SECONDS = 2
READ_SECONDS = 10
ATTEMPTS = 2
CONNECTIONS = 32

_CONFIG = Config(
    signature_version="s3v4",
    s3={"addressing_style": "path"},
    connect_timeout=CONNECT_SECONDS,
    read_timeout=READ_SECONDS,
    retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
    max_pool_connections=CONNECTIONS,
    # Stores other than Amazon's refuse botocore's newer checksums.
    request_checksum_calculation="when_required",
    response_checksum_validation="when_required",
)


class S3Storage:
    """The store in one bucket. `endpoint_url` None means Amazon.

    public_endpoint_url: the same store as those know it to whom links and forms are given.
    """

    hashed = False

    def __init__(
        self,
        *,
        bucket: str,
        endpoint_url: str | None,
        public_endpoint_url: str | None = None,
        region: str,
        access_key_id: str,
        secret_access_key: str,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._bucket = bucket
        self._account = {
            "endpoint_url": endpoint_url,
            "region_name": region,
            "aws_access_key_id": access_key_id,
            "aws_secret_access_key": secret_access_key,
        }
        self._public = self._account | {"endpoint_url": public_endpoint_url or endpoint_url}
        self._made: dict[bool, Any] = {}
        self._making = threading.Lock()
        self._clock = clock
        # Signing takes longer than everything else a list does for one row.
        self._signed = lru_cache(maxsize=REMEMBERED_LINKS)(self._sign)

    def put(self, key: str, file: BinaryIO, *, content_type: str) -> StoredObject:
        """See Storage. One request, so an interrupted upload leaves nothing behind."""
        size = file.seek(0, os.SEEK_END)
        file.seek(0)
        with _call("put"):
            answer = self._client.put_object(
                Bucket=self._bucket, Key=key, Body=file, ContentType=content_type
            )
        return StoredObject(size, answer["ETag"].strip('"'))

    @contextlib.contextmanager
    def open(self, key: str) -> Iterator[BinaryIO]:
        """See Storage."""
        with _call("open", key):
            answer = self._client.get_object(Bucket=self._bucket, Key=key)
            with contextlib.closing(answer["Body"]) as body:
                yield body

    def peek(self, key: str, count: int) -> bytes:
        """See Storage."""
        part = f"bytes=0-{count - 1}"
        with _call("peek", key):
            answer = self._client.get_object(Bucket=self._bucket, Key=key, Range=part)
            with contextlib.closing(answer["Body"]) as body:
                content: bytes = body.read()
                return content

    def head(self, key: str) -> StoredObject | None:
        """See Storage."""
        try:
            with _call("head", key):
                answer = self._client.head_object(Bucket=self._bucket, Key=key)
        except ObjectMissing:
            return None
        return StoredObject(answer["ContentLength"], answer["ETag"].strip('"'))

    def delete(self, key: str) -> None:
        """See Storage."""
        with _call("delete"):
            self._client.delete_object(Bucket=self._bucket, Key=key)

    def names(self, older_than_seconds: int) -> Iterator[list[str]]:
        """See Storage. A request for each thousand."""
        end = datetime.fromtimestamp(self._clock() - older_than_seconds, UTC)
        after: dict[str, str] = {}
        while True:
            with _call("list"):
                page = self._client.list_objects_v2(Bucket=self._bucket, **after)
            found = page.get("Contents", [])
            yield [each["Key"] for each in found if each["LastModified"] < end]
            if not page["IsTruncated"]:
                return
            after = {"ContinuationToken": page["NextContinuationToken"]}

    def remove(self, name: str) -> None:
        """See Storage."""
        self.delete(name)

    def presign_upload(
        self, key: str, *, content_type: str, max_bytes: int, expires_in: int
    ) -> UploadForm:
        """See Storage. Signed here, without asking S3."""
        form = self._signer.generate_presigned_post(
            self._bucket,
            key,
            Fields={"Content-Type": content_type},
            Conditions=[{"Content-Type": content_type}, ["content-length-range", 1, max_bytes]],
            ExpiresIn=expires_in,
        )
        return UploadForm(form["url"], form["fields"])

    def url(self, key: str, *, expires_in: int, content_type: str) -> str:
        """See Storage. Signed here, without asking S3, and the same for a quarter of its life."""
        step = max(1, expires_in // 4)
        turn = int(self._clock() // step)
        return self._signed(key, expires_in + step, content_type, turn)

    def _sign(self, key: str, expires_in: int, content_type: str, turn: int) -> str:
        link: str = self._signer.generate_presigned_url(
            "get_object",
            Params={
                "Bucket": self._bucket,
                "Key": key,
                "ResponseContentType": content_type,
                "ResponseContentDisposition": content_disposition(content_type),
            },
            ExpiresIn=expires_in,
        )
        return link

    def uri(self, key: str) -> str:
        """See Storage."""
        return f"s3://{self._bucket}/{key}"

    def check(self) -> None:
        """See Storage."""
        with _call("check"):
            self._client.head_bucket(Bucket=self._bucket)

    def sweep(self, older_than_seconds: int) -> int:
        """See Storage. There is nothing to remove: see put()."""
        return 0

    @property
    def _client(self) -> Any:
        """What talks to the store."""
        return self._make(public=False)

    @property
    def _signer(self) -> Any:
        """What signs for others, and talks to nobody: the host's name is signed, too."""
        return self._make(public=self._public != self._account)

    def _make(self, *, public: bool) -> Any:
        """Created on first use: that takes a second, and it must not be shared across a fork."""
        with self._making:
            if public not in self._made:
                account = self._public if public else self._account
                # boto3's default session is not thread-safe, our own one is.
                client = boto3.session.Session().client("s3", config=_CONFIG, **account)
                self._made[public] = client
            return self._made[public]


@contextlib.contextmanager
def _call(name: str, key: str | None = None) -> Iterator[None]:
    """Counts a call, and turns S3's errors into ours; `key`: an object whose absence is
    ObjectMissing.
    """
    outside.leave("S3")
    outcome, started = "error", time.monotonic()
    try:
        with _trouble(key):
            yield
        outcome = "ok"
    except ObjectMissing:
        outcome = "ok"
        raise
    finally:
        metrics.provider_calls.add("s3", name, outcome)
        metrics.provider_call_seconds.observe(time.monotonic() - started, "s3", name)


@contextlib.contextmanager
def _trouble(key: str | None) -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        # HEAD has no body, so there is no error code for what is wrong.
        if key is not None and error.response["Error"]["Code"] in ("NoSuchKey", "404"):
            raise ObjectMissing(key) from error
        raise StorageUnavailable(str(error)) from error
    except BotoCoreError as error:
        raise StorageUnavailable(str(error)) from error
