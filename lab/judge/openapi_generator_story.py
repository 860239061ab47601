"""A customer's story, played by the client that openapi-generator makes.

Runs in that client's own environment: `python openapi_generator_story.py ORIGIN API_KEY PHOTO`.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from uuid import uuid4

import openapi_generator_client as made
import urllib3
from openapi_generator_client import api
from openapi_generator_client.exceptions import ApiException

PATIENCE_SECONDS = 120
POLL_SECONDS = 0.3


def main() -> None:
    """Register, pay, order, and be refused once."""
    origin, key, photo = sys.argv[1:]
    configuration = made.Configuration(host=origin, api_key={"ApiKeyAuth": key})
    with made.ApiClient(configuration) as client:
        user = register(client)
        pay(client, user)
        job = order(client, user, Path(photo))
        refused(client)
    print(f"an order of {job.price_tokens} tokens is {job.status.value}, made by {job.meta.engine}")


def register(client: made.ApiClient) -> made.User:
    """A new person, who agrees; what the bot should know of the server."""
    config = api.ConfigApi(client).config_get()
    assert made.PaymentProvider.YOOKASSA in config.payments.providers, config
    users = api.UsersApi(client)
    telegram_id = str(uuid4().int % 10**9 + 10**9)
    user = users.users_register_or_login(made.UsersRegisterOrLoginBody(telegram_id=telegram_id))
    agreed = users.users_update_consent(user.id, made.UsersUpdateConsentBody(consent_pd=True))
    assert agreed.consent_pd and agreed.created_at.tzinfo is not None
    return agreed


def pay(client: made.ApiClient, user: made.User) -> None:
    """The first tariff; the provider is asked whether it was paid."""
    tariff = api.TariffsApi(client).tariffs_list()[0]
    payments = api.PaymentsApi(client)
    intent = payments.payments_create_intent(
        made.PaymentsCreateIntentBody(
            user_id=user.id,
            amount_rub=tariff.cost_rub,
            plan=tariff.name,
            provider=made.PaymentProvider.YOOKASSA,
            client_ref="story",
        ),
        idempotency_key=uuid4().hex,
    )
    page = urllib3.request("POST", intent.payment_url, fields={"do": "pay"})
    assert page.status == 200, page.status
    wait_until(lambda: payments.payments_check(intent.id).status is made.PaymentStatus.SUCCEEDED)
    paid = payments.payments_get(intent.id)
    assert (paid.client_ref, paid.error) == ("story", None)


def order(client: made.ApiClient, user: made.User, photo: Path) -> made.Job:
    """Restore a photo, and download the result."""
    file = ("photo.jpg", photo.read_bytes())
    data = api.DataApi(client).data_upload_multipart(file=file, type=made.DataType.IMAGE)
    jobs = api.JobsApi(client)
    item = made.JobsCreateBodyInputInner(type=made.DataType.IMAGE, data_id=data.id)
    body = made.JobsCreateBody(user_id=user.id, service_type=made.ServiceType.RESTORE, input=[item])
    job = jobs.jobs_create(body, idempotency_key=uuid4().hex)
    ends = (made.JobStatus.DONE, made.JobStatus.FAILED)
    wait_until(lambda: jobs.jobs_get(job.id).status in ends)
    job = jobs.jobs_get(job.id)
    assert job.status is made.JobStatus.DONE and job.result_url, job
    assert urllib3.request("GET", job.result_url).status == 200
    return job


def refused(client: made.ApiClient) -> None:
    """A refusal has the shape that the contract names."""
    try:
        api.JobsApi(client).jobs_get(uuid4())
    except ApiException as refusal:
        assert isinstance(refusal.data, made.Error), refusal
        assert (refusal.status, refusal.data.code) == (404, "job_not_found")
        assert refusal.data.user_message
    else:
        raise AssertionError("nobody's job was found")


def wait_until(fact: object) -> None:
    """Wait for a fact. AssertionError when it does not become true in time."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not fact():
        assert time.monotonic() < deadline, "it did not become true in time"
        time.sleep(POLL_SECONDS)


if __name__ == "__main__":
    main()
