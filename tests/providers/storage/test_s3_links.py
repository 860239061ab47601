"""Links of a bucket: signing them again for each row of each list would cost more than the list."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

from providers.storage.s3 import S3Storage

HOUR = 3600
STEP = HOUR // 4


class Clock:
    """Shows what it is set to."""

    def __init__(self) -> None:
        self.seconds = 1_000_000 * STEP

    def __call__(self) -> float:
        return self.seconds


def bucket(clock: Clock) -> S3Storage:
    return S3Storage(
        bucket="photos",
        endpoint_url="http://127.0.0.1:1",
        region="us-east-1",
        access_key_id="key",
        secret_access_key="secret",
        clock=clock,
    )


def link(storage: S3Storage, key: str = "video/1.mp4") -> str:
    return storage.url(key, expires_in=HOUR, content_type="video/mp4")


def test_a_link_is_the_same_for_a_quarter_of_its_life_and_then_another() -> None:
    clock = Clock()
    storage = bucket(clock)
    first = link(storage)
    clock.seconds += STEP - 1
    assert link(storage) is first
    clock.seconds += 1
    assert link(storage) is not first


def test_what_is_left_of_it_is_never_less_than_was_asked_for() -> None:
    query = parse_qs(urlsplit(link(bucket(Clock()))).query)
    assert query["X-Amz-Expires"] == [str(HOUR + STEP)]


def test_each_file_has_its_own() -> None:
    storage = bucket(Clock())
    assert urlsplit(link(storage, "video/2.mp4")).path.endswith("/photos/video/2.mp4")
    assert urlsplit(link(storage)).path.endswith("/photos/video/1.mp4")
