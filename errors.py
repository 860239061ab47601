"""Every refusal of the API, as one closed table. Any module may import it; it imports no other.

The table in docs/reference.md repeats it for the bot's programmer; a test keeps the two equal.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any

# code: (HTTP status, what it means to the caller, what the bot's customer can be shown in Russian)
CODES: dict[str, tuple[int, str, str]] = {
    "bad_request": (
        400,
        "The request is malformed or does not match the contract; see details",
        "Что-то не так с этим запросом. Попробуйте ещё раз или начните сначала: /start.",
    ),
    "unauthorized": (
        401,
        "X-API-Key is missing or not accepted",
        "Сервис сейчас недоступен, мы уже разбираемся. Попробуйте позже.",
    ),
    "consent_required": (
        403,
        "The user has not agreed to personal data processing",
        "Сначала нужно согласие на обработку персональных данных.",
    ),
    "user_banned": (
        403,
        "The user has been banned: no new orders and payments",
        "Новые заказы и платежи для вас закрыты. Если это ошибка, напишите нам: /paysupport.",
    ),
    "link_invalid": (
        403,
        "The signed link or upload form is forged, altered or expired",
        "Эта ссылка устарела. Запросите новую.",
    ),
    "signature_invalid": (
        401,
        "The webhook's signature or secret is wrong or stale",
        "Сервис сейчас недоступен, мы уже разбираемся. Попробуйте позже.",
    ),
    "not_found": (
        404,
        "There is nothing at this path",
        "Такого раздела нет. Начните сначала: /start.",
    ),
    "user_not_found": (
        404,
        "No such user",
        "Мы вас ещё не знаем. Начните с команды /start.",
    ),
    "data_not_found": (
        404,
        "No such file, or it has been deleted",
        "Эта фотография у нас уже не хранится. Пришлите её ещё раз.",
    ),
    "job_not_found": (
        404,
        "No such job",
        "Такого заказа нет.",
    ),
    "no_current_lottery": (
        404,
        "No lottery is running now",
        "Сейчас розыгрыша нет. О следующем мы расскажем.",
    ),
    "entry_not_found": (
        404,
        "The user has no entry in the current lottery",
        "Вы пока не участвуете в этом розыгрыше.",
    ),
    "payment_not_found": (
        404,
        "No such payment",
        "Такого платежа нет.",
    ),
    "tariff_not_found": (
        404,
        "No active tariff has this id or name",
        "Этот тариф больше не продаётся. Выберите другой.",
    ),
    "model_not_found": (
        404,
        "No generation model has this id",
        "Такого варианта обработки нет. Выберите другой.",
    ),
    "method_not_allowed": (
        405,
        "The path exists, this method does not; see the Allow header",
        "Что-то не так с этим запросом. Попробуйте ещё раз или начните сначала: /start.",
    ),
    "not_acceptable": (
        406,
        "Answers are application/json only",
        "Что-то не так с этим запросом. Попробуйте ещё раз или начните сначала: /start.",
    ),
    "upload_missing": (
        409,
        "Nothing has been uploaded for this data id yet",
        "Фотография до нас не дошла. Пришлите её ещё раз.",
    ),
    "upload_mismatch": (
        409,
        "The uploaded file is larger than allowed or empty",
        "Файл пуст или слишком большой. Пришлите другой.",
    ),
    "data_not_confirmed": (
        409,
        "The file must be confirmed before a job can use it",
        "Фотография ещё загружается. Подождите немного или пришлите её ещё раз.",
    ),
    "data_not_usable": (
        409,
        "This kind of file cannot be the input of this service",
        "Такой файл обработать нельзя. Пришлите фотографию.",
    ),
    "job_not_cancellable": (
        409,
        "The job is being processed or has finished",
        "Этот заказ уже выполняется или закончен, отменить его нельзя.",
    ),
    "service_unavailable_now": (
        409,
        "No generation model is active for this service",
        "Эта услуга временно недоступна. Попробуйте позже.",
    ),
    "model_not_offered": (
        409,
        "This generation model cannot be ordered for this service now",
        "Этот вариант обработки сейчас недоступен. Выберите другой.",
    ),
    "amount_mismatch": (
        409,
        "amountRub is not the price of the tariff",
        "Цена тарифа изменилась. Выберите тариф ещё раз.",
    ),
    "amount_out_of_range": (
        409,
        "amountRub is below the minimum or above the maximum",
        "На такую сумму пополнить нельзя. Выберите другую.",
    ),
    "provider_not_configured": (
        409,
        "This payment provider is not connected",
        "Этот способ оплаты сейчас недоступен. Выберите другой.",
    ),
    "provider_rejected": (
        409,
        "The payment provider refused to make the payment",
        "Не получилось выставить счёт. Попробуйте ещё раз или выберите другой способ оплаты.",
    ),
    "channel_not_eligible": (
        409,
        "No bonus is given for this channel",
        "За подписку на этот канал бонуса нет.",
    ),
    "telegram_id_mismatch": (
        409,
        "telegramId is not the user's own",
        "Проверить можно только свою подписку.",
    ),
    "review_already_used": (
        409,
        "This message has already been counted as somebody's review",
        "Этот отзыв уже засчитан.",
    ),
    "idempotency_in_progress": (
        409,
        "A request with this Idempotency-Key is still running",
        "Мы уже выполняем этот запрос, подождите несколько секунд.",
    ),
    "payload_too_large": (
        413,
        "The body, the file or the picture is larger than allowed",
        "Файл слишком большой. Пришлите фотографию поменьше.",
    ),
    "unsupported_media_type": (
        415,
        "Wrong Content-Type, or the file is unusable or not what it claims to be",
        "Такой файл мы открыть не можем. Пришлите фотографию: JPEG, PNG, WebP, HEIC или AVIF.",
    ),
    "idempotency_key_reused": (
        422,
        "This Idempotency-Key was used with another request",
        "Что-то не так с этим запросом. Попробуйте ещё раз или начните сначала: /start.",
    ),
    "rate_limited": (
        429,
        "Too many requests; wait for Retry-After seconds",
        "Слишком много запросов подряд. Подождите минуту и попробуйте ещё раз.",
    ),
    "internal_error": (
        500,
        "A bug on our side; quote the X-Request-ID",
        "Произошла ошибка на нашей стороне. Попробуйте ещё раз чуть позже.",
    ),
    "service_unavailable": (
        503,
        "Temporary trouble on our side; try again after Retry-After",
        "Сервис сейчас перегружен. Попробуйте ещё раз через минуту.",
    ),
    "provider_unavailable": (
        503,
        "The payment provider does not answer; try again later",
        "Платёжная система сейчас не отвечает. Попробуйте ещё раз через пару минут.",
    ),
    "telegram_unavailable": (
        503,
        "Telegram does not answer or the bot lacks rights there",
        "Telegram сейчас не отвечает. Попробуйте ещё раз через пару минут.",
    ),
    "storage_unavailable": (
        503,
        "File storage does not answer; try again later",
        "Не получается сохранить или открыть файл. Попробуйте ещё раз через пару минут.",
    ),
}

# Whether this thread holds a connection to the database. Set by db.session, read by
# providers.outside, which may not know each other.
database_in_use: ContextVar[bool] = ContextVar("database_in_use", default=False)


class ApiError(Exception):
    """A refusal with a code from CODES; becomes the contract's Error in the response.

    details: what the caller needs to correct the request (field names, limits), never internals.
    user_message: the sentence for the customer, in Russian, where more is known than the code says.
    retry_after: seconds, sent as the Retry-After header.
    """

    def __init__(
        self,
        code: str,
        message: str | None = None,
        *,
        details: dict[str, Any] | None = None,
        user_message: str | None = None,
        retry_after: int | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        self.code = code
        self.status, meaning, shown = CODES[code]
        self.message = message or meaning
        self.user_message = user_message or shown
        self.details = details
        self.headers = dict(headers or {})
        if retry_after is not None:
            self.headers["Retry-After"] = str(retry_after)
        super().__init__(f"{code}: {self.message}")

    def as_dict(self) -> dict[str, Any]:
        """The contract's Error."""
        body: dict[str, Any] = {
            "code": self.code,
            "message": self.message,
            "userMessage": self.user_message,
        }
        if self.details:
            body["details"] = self.details
        return body


def with_reason(error: Exception) -> str:
    """What an operator has to know and no caller may: the error, and why there is no database.

    Only the first line of what was said: the ones after it may quote rows.
    """
    unavailable = isinstance(error, ApiError) and error.code == "service_unavailable"
    reason = str(getattr(error.__cause__, "orig", "")).strip() if unavailable else ""
    return f"{error} ({reason.splitlines()[0]})" if reason else str(error)
