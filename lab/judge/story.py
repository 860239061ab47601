"""The demo's story, played by the generated client: every operation, typed answers and errors.

Runs in the client's own environment: `python story.py ORIGIN API_KEY PHOTO`; ends with a traceback
at the first failure.
"""

from __future__ import annotations

import io
import sys
from pathlib import Path
from uuid import UUID, uuid4

import growth_story
import httpx
import typed_story
from generated_client import AuthenticatedClient, Client
from generated_client.api.config import config_get
from generated_client.api.data import data_confirm_upload, data_get_presign, data_upload_multipart
from generated_client.api.events import events_list
from generated_client.api.jobs import jobs_cancel, jobs_create, jobs_get, jobs_list
from generated_client.api.models import models_list
from generated_client.api.ops import health_live, health_ready
from generated_client.api.payments import payments_check, payments_create_intent, payments_get
from generated_client.api.support import support_requests_create
from generated_client.api.tariffs import tariffs_list
from generated_client.api.transactions import transactions_list
from generated_client.api.users import (
    users_get_balance,
    users_get_by_id,
    users_register_or_login,
    users_update_consent,
    users_update_email,
)
from generated_client.api.webhooks import webhook_payments
from generated_client.models import (
    Config,
    Data,
    DataGetPresignBody,
    DataGetPresignResponse200,
    DataType,
    DataUploadMultipartBody,
    Event,
    EventJob,
    Job,
    JobFailure,
    JobsCreateBody,
    JobsCreateBodyInputItem,
    JobStatus,
    Liveness,
    Model,
    Payment,
    PaymentIntent,
    PaymentProvider,
    PaymentsCreateIntentBody,
    PaymentStatus,
    Readiness,
    ServiceType,
    SupportRequest,
    SupportRequestsCreateBody,
    SupportTopic,
    Tariff,
    Transaction,
    User,
    UsersGetBalanceResponse200,
    UsersRegisterOrLoginBody,
    UsersUpdateConsentBody,
    UsersUpdateEmailBody,
    WebhookPaymentsBody,
)
from generated_client.types import File


class Story(growth_story.Growth):
    """One customer; stops at anything the client cannot parse."""

    def __init__(self, origin: str, key: str, photo: Path) -> None:
        super().__init__()
        self.bot, self.impostor = (
            AuthenticatedClient(base_url=origin, token=k, prefix="", auth_header_name="X-API-Key")
            for k in (key, "of-somebody-else")
        )
        self.stranger = Client(base_url=origin)
        self.photo = photo.read_bytes()
        self.telegram_id = str(uuid4().int % 10**9 + 10**9)

    def play(self) -> None:
        """Play the story from the first visit to the last look at the books."""
        self.got(health_live.sync_detailed(client=self.stranger), 200, Liveness)
        ready = self.got(health_ready.sync_detailed(client=self.stranger), 200, Readiness)
        assert all(check.ok for check in ready.checks.additional_properties.values())
        user = self.register()
        self.pay(user)
        photo, again = self.upload(), self.upload_by_form()
        self.finish(user, self.order(user, ServiceType.ANIMATE, photo), photo)
        self.finish(user, self.order(user, ServiceType.RESTORE, again), again)
        self.order_without_tokens(user, photo)
        self.growth(user)
        self.lottery(user)
        self.books(user)

    def register(self) -> UUID:
        """Anna registers and agrees; an unknown user and a wrong key are refused."""
        body = UsersRegisterOrLoginBody(telegram_id=self.telegram_id, username="anna")
        user = self.got(
            users_register_or_login.sync_detailed(client=self.bot, body=body), 200, User
        )
        agreed = self.got(
            users_update_consent.sync_detailed(
                user.id, client=self.bot, body=UsersUpdateConsentBody(consent_pd=True)
            ),
            200,
            User,
        )
        assert agreed.consent_pd and agreed.created_at.tzinfo is not None
        self.got(config_get.sync_detailed(client=self.bot), 200, Config)
        assert self.got_list(models_list.sync_detailed(client=self.bot), Model)
        address = UsersUpdateEmailBody(email="anna@example.ru")
        agreed = self.got(
            users_update_email.sync_detailed(user.id, client=self.bot, body=address), 200, User
        )
        seen = self.got(users_get_by_id.sync_detailed(user.id, client=self.bot), 200, User)
        assert seen == agreed
        nobody = users_get_by_id.sync_detailed(uuid4(), client=self.bot)
        self.refused(nobody, 404, "user_not_found")
        unknown = users_get_by_id.sync_detailed(user.id, client=self.impostor)
        self.refused(unknown, 401, "unauthorized")
        return user.id

    def pay(self, user: UUID) -> None:
        """The first tariff, paid on the provider's page; a repeat is the same payment."""
        tariffs = self.got_list(tariffs_list.sync_detailed(client=self.bot), Tariff)
        self.refused(tariffs_list.sync_detailed(client=self.bot, limit=0), 400, "bad_request")
        tariff = tariffs[0]
        body = PaymentsCreateIntentBody(
            user_id=user,
            amount_rub=tariff.cost_rub,
            plan=tariff.name,
            provider=PaymentProvider.YOOKASSA,
        )
        key = uuid4().hex
        intent, twin = (
            self.got(
                payments_create_intent.sync_detailed(
                    client=self.bot, body=body, idempotency_key=key
                ),
                201,
                PaymentIntent,
            )
            for _ in range(2)
        )
        assert intent == twin
        self.pay_wrongly(body, key)
        httpx.post(intent.payment_url, data={"do": "pay"}).raise_for_status()
        asked = payments_check.sync_detailed(intent.id, client=self.bot)
        assert self.got(asked, 200, Payment).id == intent.id
        typed_story.wait_until(lambda: self.balance(user) == tariff.monthly_tokens)
        paid = self.got(payments_get.sync_detailed(intent.id, client=self.bot), 200, Payment)
        assert paid.status is PaymentStatus.SUCCEEDED
        self.ask_for_help(user, intent.id)

    def pay_wrongly(self, body: PaymentsCreateIntentBody, key: str) -> None:
        """Another amount, another request with the same key, a forged notification."""
        body.amount_rub += 1
        wrong = payments_create_intent.sync_detailed(client=self.bot, body=body)
        self.refused(wrong, 409, "amount_mismatch")
        other = payments_create_intent.sync_detailed(
            client=self.bot, body=body, idempotency_key=key
        )
        self.refused(other, 422, "idempotency_key_reused")
        notice = WebhookPaymentsBody()
        notice["id"] = "evt_1"
        forged = webhook_payments.sync_detailed(
            PaymentProvider.STRIPE,
            client=self.stranger,
            body=notice,
            stripe_signature="t=1,v1=00",
        )
        self.refused(forged, 401, "signature_invalid")

    def ask_for_help(self, user: UUID, payment: UUID) -> None:
        """The operator hears of it; somebody else's payment is not found."""
        body = SupportRequestsCreateBody(
            user_id=user, topic=SupportTopic.REFUND, message="Верните", payment_id=payment
        )
        asked = support_requests_create.sync_detailed(client=self.bot, body=body)
        assert self.got(asked, 201, SupportRequest).payment_id == payment
        body.payment_id = uuid4()
        unknown = support_requests_create.sync_detailed(client=self.bot, body=body)
        self.refused(unknown, 404, "payment_not_found")

    def balance(self, user: UUID) -> float:
        """Tokens to spend."""
        answer = users_get_balance.sync_detailed(user, client=self.bot)
        return self.got(answer, 200, UsersGetBalanceResponse200).balance_tokens

    def upload(self) -> UUID:
        """Upload a photo through the server; a text named as a photo is refused."""

        def body(content: bytes) -> DataUploadMultipartBody:
            file = File(payload=io.BytesIO(content), file_name="p.jpg", mime_type="image/jpeg")
            return DataUploadMultipartBody(file=file, type_=DataType.IMAGE)

        text = data_upload_multipart.sync_detailed(client=self.bot, body=body(b"no photo"))
        self.refused(text, 415, "unsupported_media_type")
        sent = data_upload_multipart.sync_detailed(client=self.bot, body=body(self.photo))
        return self.got(sent, 201, Data).id

    def upload_by_form(self) -> UUID:
        """Upload a photo straight to the storage; it is confirmed only once it is there."""
        body = DataGetPresignBody(
            type_=DataType.IMAGE, file_name="p.jpg", content_type="image/jpeg"
        )
        asked = data_get_presign.sync_detailed(client=self.bot, body=body)
        form = self.got(asked, 200, DataGetPresignResponse200)
        early = data_confirm_upload.sync_detailed(form.data_id, client=self.bot)
        self.refused(early, 409, "upload_missing")
        httpx.post(
            form.upload_url,
            data=form.fields.additional_properties,
            files={"file": ("p.jpg", self.photo, "image/jpeg")},
        ).raise_for_status()
        confirmed = data_confirm_upload.sync_detailed(form.data_id, client=self.bot)
        return self.got(confirmed, 200, Data).id

    def order(self, user: UUID, service: ServiceType, photo: UUID) -> Job:
        """A job of one photo."""
        body = JobsCreateBody(
            user_id=user, service_type=service, input_=[JobsCreateBodyInputItem(data_id=photo)]
        )
        return self.got(jobs_create.sync_detailed(client=self.bot, body=body), 201, Job)

    def finish(self, user: UUID, job: Job, photo: UUID) -> None:
        """Wait until it is done; then its result can be fetched and the job not cancelled."""
        assert (job.user_id, job.input_[0].data_id) == (user, photo)

        def look() -> Job:
            return self.got(jobs_get.sync_detailed(job.id, client=self.bot), 200, Job)

        typed_story.wait_until(lambda: look().status in (JobStatus.DONE, JobStatus.FAILED))
        done = look()
        assert done.status is JobStatus.DONE and isinstance(done.result_url, str), done
        assert isinstance(done.output[0].data_id, UUID)
        assert httpx.get(done.result_url).raise_for_status().content
        late = jobs_cancel.sync_detailed(job.id, client=self.bot)
        self.refused(late, 409, "job_not_cancellable")

    def order_without_tokens(self, user: UUID, photo: UUID) -> None:
        """Order until no tokens are left; cancel the order that waits."""
        job = self.order(user, ServiceType.RESTORE, photo)
        while job.status is not JobStatus.WAITING_PAYMENT:
            self.finish(user, job, photo)
            job = self.order(user, ServiceType.RESTORE, photo)
        cancelled = self.got(jobs_cancel.sync_detailed(job.id, client=self.bot), 200, Job)
        assert cancelled.status is JobStatus.FAILED
        assert cancelled.meta.reason is JobFailure.CANCELLED
        missing = JobsCreateBody(
            user_id=user,
            service_type=ServiceType.RESTORE,
            input_=[JobsCreateBodyInputItem(data_id=uuid4())],
        )
        refusal = jobs_create.sync_detailed(client=self.bot, body=missing)
        self.refused(refusal, 404, "data_not_found")

    def books(self, user: UUID) -> None:
        """Every job is listed and told of, and the transactions add up to the balance."""
        jobs = self.got_list(jobs_list.sync_detailed(client=self.bot, user_id=user), Job)
        assert {job.status for job in jobs} == {JobStatus.DONE, JobStatus.FAILED}
        answer = transactions_list.sync_detailed(client=self.bot, user_id=user)
        moves = self.got_list(answer, Transaction)
        assert sum(move.tokens_delta for move in moves) == self.balance(user)
        done = {job.id for job in jobs if job.status is JobStatus.DONE}
        typed_story.wait_until(lambda: done == self.reported_orders("job.done"))

    def reported_orders(self, kind: str) -> set[UUID]:
        """The orders of which the bot is told, with their results."""
        news = self.got_list(events_list.sync_detailed(client=self.bot, after=0), Event)
        of_kind = [event for event in news if event.type_ == kind and event.results]
        return {event.job.id for event in of_kind if isinstance(event.job, EventJob)}


def main() -> None:
    """Play the story once."""
    origin, key, photo = sys.argv[1:]
    (story := Story(origin, key, Path(photo))).play()
    called = [name for name in sys.modules if name.startswith("generated_client.api.")]
    operations = sum(name.count(".") == 3 for name in called)
    print(f"{operations} operations, {story.answers} answers, {story.refusals} refusals")


if __name__ == "__main__":
    main()
