"""Every refusal of the API, as one closed table. Any module may import it; it imports no other.

The table in docs/reference.md repeats it for the bot's programmer; a test keeps the two equal.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any

# code: (HTTP status, what it means to the caller)
CODES: dict[str, tuple[int, str]] = {
    "bad_request": (400, "The request is malformed or does not match the contract; see details"),
    "unauthorized": (401, "X-API-Key is missing or not accepted"),
    "consent_required": (403, "The user has not agreed to personal data processing"),
    "link_invalid": (403, "The signed link or upload form is forged, altered or expired"),
    "signature_invalid": (401, "The webhook's signature or secret is wrong or stale"),
    "not_found": (404, "There is nothing at this path"),
    "user_not_found": (404, "No such user"),
    "data_not_found": (404, "No such file, or it has been deleted"),
    "job_not_found": (404, "No such job"),
    "no_current_lottery": (404, "No lottery is running now"),
    "entry_not_found": (404, "The user has no entry in the current lottery"),
    "tariff_not_found": (404, "No active tariff has this id or name"),
    "model_not_found": (404, "No generation model has this id"),
    "method_not_allowed": (405, "The path exists, this method does not; see the Allow header"),
    "not_acceptable": (406, "Answers are application/json only"),
    "upload_missing": (409, "Nothing has been uploaded for this data id yet"),
    "upload_mismatch": (409, "The uploaded file is larger than allowed or empty"),
    "data_not_confirmed": (409, "The file must be confirmed before a job can use it"),
    "data_not_usable": (409, "This kind of file cannot be the input of this service"),
    "job_not_cancellable": (409, "The job is being processed or has finished"),
    "service_unavailable_now": (409, "No generation model is active for this service"),
    "model_not_offered": (409, "This generation model cannot be ordered for this service now"),
    "amount_mismatch": (409, "amountRub is not the price of the tariff"),
    "amount_out_of_range": (409, "amountRub is below the minimum or above the maximum"),
    "provider_not_configured": (409, "This payment provider is not connected"),
    "provider_rejected": (409, "The payment provider refused to make the payment"),
    "channel_not_eligible": (409, "No bonus is given for this channel"),
    "telegram_id_mismatch": (409, "telegramId is not the user's own"),
    "review_already_used": (409, "This message has already been counted as somebody's review"),
    "idempotency_in_progress": (409, "A request with this Idempotency-Key is still running"),
    "payload_too_large": (413, "The body, the file or the picture is larger than allowed"),
    "unsupported_media_type": (
        415,
        "Wrong Content-Type, or the file is unusable or not what it claims to be",
    ),
    "idempotency_key_reused": (422, "This Idempotency-Key was used with another request"),
    "rate_limited": (429, "Too many requests; wait for Retry-After seconds"),
    "internal_error": (500, "A bug on our side; quote the X-Request-ID"),
    "service_unavailable": (503, "Temporary trouble on our side; try again after Retry-After"),
    "provider_unavailable": (503, "The payment provider does not answer; try again later"),
    "telegram_unavailable": (503, "Telegram does not answer or the bot lacks rights there"),
    "storage_unavailable": (503, "File storage does not answer; try again later"),
}

# Whether this thread holds a connection to the database. Set by db.session, read by
# providers.outside, which may not know each other.
database_in_use: ContextVar[bool] = ContextVar("database_in_use", default=False)


class ApiError(Exception):
    """A refusal with a code from CODES; becomes the contract's Error in the response.

    details: what the caller needs to correct the request (field names, limits), never internals.
    retry_after: seconds, sent as the Retry-After header.
    """

    def __init__(
        self,
        code: str,
        message: str | None = None,
        *,
        details: dict[str, Any] | None = None,
        retry_after: int | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        self.code = code
        self.status, meaning = CODES[code]
        self.message = message or meaning
        self.details = details
        self.headers = dict(headers or {})
        if retry_after is not None:
            self.headers["Retry-After"] = str(retry_after)
        super().__init__(f"{code}: {self.message}")

    def as_dict(self) -> dict[str, Any]:
        """The contract's Error."""
        body: dict[str, Any] = {"code": self.code, "message": self.message}
        if self.details:
            body["details"] = self.details
        return body
