"""The ways a call to a provider can fail. Each failure is an ApiError."""

from __future__ import annotations

from errors import ApiError

# Sent to callers when the provider names no time to wait, seconds.
RETRY_AFTER = 5
MAX_RETRY_AFTER = 300
CONFIGURATION_RETRY_AFTER = 60


class ProviderError(ApiError):
    """A provider did not do what it was asked to do.

    provider: its name, such as yookassa. call: what was asked, such as create_payment.
    http_status: of the provider, None when it gave no answer. reason: the provider's own error
    code, "" without. description: its words, for the operator and the log, never for customers.
    """

    code_of_answer = "provider_unavailable"

    def __init__(
        self,
        provider: str,
        call: str,
        description: str,
        *,
        http_status: int | None = None,
        reason: str = "",
        retry_after: int | None = None,
    ) -> None:
        super().__init__(self.code_of_answer, retry_after=retry_after)
        self.provider = provider
        self.call = call
        self.http_status = http_status
        self.reason = reason
        self.description = " ".join(description.split())[:300]

    def __str__(self) -> str:
        code = " ".join(str(part) for part in (self.http_status, self.reason) if part)
        return f"{self.provider} {self.call}: {code + ': ' if code else ''}{self.description}"


class ProviderUnavailable(ProviderError):
    """No answer, or one that proves nothing: **what was asked may or may not have happened**.

    Keep the payment pending and ask again with the same key. repeat: whether an immediate repeat
    makes sense. replayed: the provider keeps giving this very answer for this key.
    """

    def __init__(
        self,
        provider: str,
        call: str,
        description: str,
        *,
        http_status: int | None = None,
        reason: str = "",
        retry_after: float | None = None,
        repeat: bool = True,
        replayed: bool = False,
    ) -> None:
        self.pause_seconds = retry_after
        seconds = RETRY_AFTER if retry_after is None else max(1, round(retry_after))
        super().__init__(
            provider,
            call,
            description,
            http_status=http_status,
            reason=reason,
            retry_after=min(seconds, MAX_RETRY_AFTER),
        )
        self.repeat = repeat
        self.replayed = replayed


class ProviderUnreached(ProviderUnavailable):
    """The one kind that proves something: the request surely has not left for the provider."""


class ProviderRejected(ProviderError):
    """A final refusal: nothing has happened, and the same data would be refused again."""

    code_of_answer = "provider_rejected"


class ProviderMisconfigured(ProviderError):
    """Keys, permissions or URLs are wrong: nothing will happen until the operator fixes them."""

    def __init__(
        self,
        provider: str,
        call: str,
        description: str,
        *,
        http_status: int | None = None,
        reason: str = "",
    ) -> None:
        super().__init__(
            provider,
            call,
            description,
            http_status=http_status,
            reason=reason,
            retry_after=CONFIGURATION_RETRY_AFTER,
        )


class SignatureInvalid(ApiError):
    """A webhook that its provider did not send; `description` says why, for the log only."""

    def __init__(self, provider: str, description: str) -> None:
        super().__init__("signature_invalid")
        self.provider = provider
        self.description = description

    def __str__(self) -> str:
        return f"{self.provider} webhook: {self.description}"
