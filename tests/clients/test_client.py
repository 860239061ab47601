"""The typed client against the real server."""

from __future__ import annotations

import asyncio
import io
import itertools
from collections.abc import Iterator
from datetime import UTC
from decimal import Decimal
from pathlib import Path

import pytest

from livephoto_client import (
    AsyncClient,
    BadRequest,
    Client,
    IOObject,
    JobNotFound,
    NotFound,
    Refusal,
    Unauthorized,
    Unreachable,
    UnsupportedMediaType,
    User,
)
from local import ports
from tests.live import Server
from tests.wire import KEY

SAMPLES = Path(__file__).parents[2] / "local/samples"
NOBODY = "0b9f6c1e-4a7d-4f52-8f0b-6d1c2e3a4b5c"
_people = itertools.count(31_000_000)


@pytest.fixture(scope="module")
def client(live_server: Server) -> Iterator[Client]:
    with Client(live_server.url, KEY) as client:
        yield client


@pytest.fixture
def user(client: Client) -> User:
    return client.users_register_or_login(telegram_id=str(next(_people)), username="anna")


def test_answers_have_exact_amounts_and_times_with_a_zone(client: Client, user: User) -> None:
    assert user.balance_tokens == Decimal(0) and isinstance(user.balance_tokens, Decimal)
    assert user.created_at.tzinfo == UTC
    assert user.username == "anna" and user.email is None
    assert user == client.users_get_by_id(user.id)
    agreed = client.users_update_consent(user.id, consent_pd=True)
    assert agreed.consent_pd
    models = client.models_list(service_type="animate")
    assert {model.service_type for model in models} == {"animate"}
    assert all(isinstance(model.price_tokens, Decimal) for model in models)
    assert client.health_ready().checks["database"].ok


def test_a_file_is_uploaded_in_one_call_by_either_way(client: Client) -> None:
    photo = SAMPLES / "portrait.jpg"
    for source in (photo, str(photo), photo.read_bytes(), io.BytesIO(photo.read_bytes())):
        assert client.upload(source).type == "image"
    direct = client.upload(SAMPLES / "portrait.heic", direct=True)
    assert client.download(direct.public_s3_url) == (SAMPLES / "portrait.heic").read_bytes()
    with pytest.raises(UnsupportedMediaType) as refused:
        client.upload(SAMPLES / "bad_html_named.jpg")
    assert refused.value.user_message and refused.value.request_id


def test_an_order_is_made_listed_page_by_page_and_cancelled(client: Client, user: User) -> None:
    photo = IOObject(type="image", data_id=client.upload(SAMPLES / "portrait.jpg").id)
    jobs = [
        client.jobs_create(user_id=user.id, service_type="restore", input=[photo]) for _ in range(3)
    ]
    assert {job.status for job in jobs} == {"waiting_payment"}
    page = client.jobs_list(user_id=user.id, limit=2)
    assert [job.id for job in page] == [jobs[2].id, jobs[1].id] and page.next_query
    listed = client.jobs_list_all(user_id=user.id, limit=2)
    assert [job.id for job in listed] == [job.id for job in reversed(jobs)]
    again = client.jobs_get(jobs[0].id)
    assert again.price_rub > 0 and again.input[0].data_id == photo.data_id
    assert client.jobs_cancel(again.id).status == "failed"
    assert client.jobs_cancel(again.id).meta.reason == "cancelled"


def test_a_key_of_ones_own_makes_one_order_of_two_calls(client: Client, user: User) -> None:
    photo = IOObject(type="image", data_id=client.upload(SAMPLES / "portrait.jpg").id)
    once, twice = (
        client.jobs_create(
            user_id=user.id,
            service_type="animate",
            input=[photo],
            idempotency_key=f"order-{user.telegram_id}-1",
        )
        for _ in range(2)
    )
    assert once == twice
    assert len(client.jobs_list(user_id=user.id)) == 1


def test_events_come_as_they_happen_and_once_they_are_handled_not_again(
    client: Client, user: User
) -> None:
    photo = IOObject(type="image", data_id=client.upload(SAMPLES / "portrait.jpg").id)
    for place in ("1:1", "1:2"):
        job = client.jobs_create(
            user_id=user.id, service_type="restore", input=[photo], client_ref=place
        )
        client.jobs_cancel(job.id)

    def refs(count: int) -> list[str | None]:
        mine = (e for e in client.events(wait=5) if e.user and e.user.id == user.id)
        return [event.client_ref for event in itertools.islice(mine, count)]

    assert refs(2) == ["1:1", "1:2"]
    client.events_list(after=client.events_list()[-1].sequence)
    job = client.jobs_create(user_id=user.id, service_type="animate", input=[photo])
    client.jobs_cancel(job.id)
    assert refs(1) == [None]


def test_a_payment_is_opened_with_an_exact_amount(client: Client, user: User) -> None:
    with pytest.raises(Refusal) as refused:
        client.payments_create_intent(
            user_id=user.id, amount_rub=Decimal("199.01"), plan="start", provider="yookassa"
        )
    assert refused.value.status == 409


def test_refusals_are_exceptions_by_their_code(
    client: Client, live_server: Server, user: User
) -> None:
    with pytest.raises(JobNotFound) as refused:
        client.jobs_get(NOBODY)
    assert (refused.value.status, refused.value.code) == (404, "job_not_found")
    with pytest.raises(NotFound):
        client.jobs_get("../users/" + user.id)  # what a person may put into a button's data
    with pytest.raises(BadRequest) as misspelled:
        client.jobs_get("1042")
    assert misspelled.value.details
    stranger = Client(live_server.url, "a key of somebody else")
    with stranger, pytest.raises(Unauthorized):
        stranger.tariffs_list()


def test_nothing_listens_there(user: User) -> None:
    lost = Client(f"http://127.0.0.1:{ports.reserve()}", KEY, attempts=2, longest_pause=0)
    with lost, pytest.raises(Unreachable):
        lost.upload(b"photo")


def test_the_async_client_does_the_same(live_server: Server) -> None:
    async def story() -> None:
        async with AsyncClient(f"{live_server.url}/v1/", KEY) as client:
            user = await client.users_register_or_login(telegram_id=str(next(_people)))
            photos = await asyncio.gather(
                client.upload(SAMPLES / "portrait.jpg"),
                client.upload(SAMPLES / "portrait.webp", direct=True),
            )
            content = await client.download(photos[1].public_s3_url)
            assert content == (SAMPLES / "portrait.webp").read_bytes()
            for photo in photos:
                await client.jobs_create(
                    user_id=user.id,
                    service_type="restore",
                    input=[IOObject(type="image", data_id=photo.id)],
                )
            jobs = [job async for job in client.jobs_list_all(user_id=user.id, limit=1)]
            assert [job.input[0].data_id for job in jobs] == [photo.id for photo in photos][::-1]
            with pytest.raises(JobNotFound):
                await client.jobs_get(NOBODY)

    asyncio.run(story())
