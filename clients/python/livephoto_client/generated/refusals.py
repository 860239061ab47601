# Written by `make format` from spec/openapi.yaml; changes here are lost.
"""One exception for each `code` of a refusal."""

from __future__ import annotations

from livephoto_client.trouble import Refusal


class BadRequest(Refusal):
    """400 `bad_request`: запрос испорчен или не соответствует контракту, см. `details`."""


class Unauthorized(Refusal):
    """401 `unauthorized`: ключа X-API-Key нет, или он не подходит."""


class SignatureInvalid(Refusal):
    """401 `signature_invalid`: подпись или секрет уведомления не подходят или устарели."""


class ConsentRequired(Refusal):
    """403 `consent_required`: нет согласия на обработку персональных данных."""


class UserBanned(Refusal):
    """403 `user_banned`: пользователь заблокирован: новых заданий и платежей нет."""


class LinkInvalid(Refusal):
    """403 `link_invalid`: подписанная ссылка или форма подделана или просрочена."""


class NotFound(Refusal):
    """404 `not_found`: по этому пути ничего нет."""


class UserNotFound(Refusal):
    """404 `user_not_found`: нет такого пользователя."""


class DataNotFound(Refusal):
    """404 `data_not_found`: нет такого файла, или он удалён."""


class JobNotFound(Refusal):
    """404 `job_not_found`: нет такого задания."""


class NoCurrentLottery(Refusal):
    """404 `no_current_lottery`: сейчас нет розыгрыша."""


class EntryNotFound(Refusal):
    """404 `entry_not_found`: пользователь не участвует в текущем розыгрыше."""


class PaymentNotFound(Refusal):
    """404 `payment_not_found`: нет такого платежа."""


class TariffNotFound(Refusal):
    """404 `tariff_not_found`: нет действующего тарифа с таким id или именем."""


class ModelNotFound(Refusal):
    """404 `model_not_found`: нет модели генерации с таким id."""


class MethodNotAllowed(Refusal):
    """405 `method_not_allowed`: у этого пути нет такого метода, см. заголовок `Allow`."""


class NotAcceptable(Refusal):
    """406 `not_acceptable`: ответы бывают только application/json."""


class UploadMissing(Refusal):
    """409 `upload_missing`: по этому dataId ещё ничего не загружено."""


class UploadMismatch(Refusal):
    """409 `upload_mismatch`: загруженный файл пуст или больше допустимого."""


class DataNotConfirmed(Refusal):
    """409 `data_not_confirmed`: файл нужно подтвердить, прежде чем использовать в задании."""


class DataNotUsable(Refusal):
    """409 `data_not_usable`: файл такого типа не подходит этой услуге."""


class JobNotCancellable(Refusal):
    """409 `job_not_cancellable`: задание уже выполняется или закончилось."""


class ServiceUnavailableNow(Refusal):
    """409 `service_unavailable_now`: для этой услуги нет действующей модели генерации."""


class ModelNotOffered(Refusal):
    """409 `model_not_offered`: эту модель генерации сейчас нельзя заказать для этой услуги."""


class AmountMismatch(Refusal):
    """409 `amount_mismatch`: amountRub не равен цене тарифа."""


class AmountOutOfRange(Refusal):
    """409 `amount_out_of_range`: amountRub меньше или больше допустимого."""


class ProviderNotConfigured(Refusal):
    """409 `provider_not_configured`: этот платёжный провайдер не подключён."""


class ProviderRejected(Refusal):
    """409 `provider_rejected`: платёжный провайдер отказался создать платёж."""


class ChannelNotEligible(Refusal):
    """409 `channel_not_eligible`: за этот канал бонуса нет."""


class TelegramIdMismatch(Refusal):
    """409 `telegram_id_mismatch`: telegramId принадлежит не этому пользователю."""


class ReviewAlreadyUsed(Refusal):
    """409 `review_already_used`: это сообщение уже засчитано как отзыв."""


class IdempotencyInProgress(Refusal):
    """409 `idempotency_in_progress`: запрос с этим Idempotency-Key ещё выполняется."""


class PayloadTooLarge(Refusal):
    """413 `payload_too_large`: тело запроса, файл или картинка больше допустимого."""


class UnsupportedMediaType(Refusal):
    """415 `unsupported_media_type`: не тот Content-Type, или файл — не то, чем назван, или не
    годится, см. `details`.
    """


class IdempotencyKeyReused(Refusal):
    """422 `idempotency_key_reused`: этот Idempotency-Key уже использован с другим запросом."""


class RateLimited(Refusal):
    """429 `rate_limited`: слишком много запросов, подождите Retry-After секунд."""


class InternalError(Refusal):
    """500 `internal_error`: ошибка сервера, сообщите X-Request-ID."""


class ServiceUnavailable(Refusal):
    """503 `service_unavailable`: временная неполадка, повторите через Retry-After секунд."""


class ProviderUnavailable(Refusal):
    """503 `provider_unavailable`: платёжный провайдер не отвечает, повторите позже."""


class TelegramUnavailable(Refusal):
    """503 `telegram_unavailable`: Telegram не отвечает, или у бота нет нужных прав."""


class StorageUnavailable(Refusal):
    """503 `storage_unavailable`: хранилище файлов не отвечает, повторите позже."""


REFUSALS: dict[str, type[Refusal]] = {
    "bad_request": BadRequest,
    "unauthorized": Unauthorized,
    "signature_invalid": SignatureInvalid,
    "consent_required": ConsentRequired,
    "user_banned": UserBanned,
    "link_invalid": LinkInvalid,
    "not_found": NotFound,
    "user_not_found": UserNotFound,
    "data_not_found": DataNotFound,
    "job_not_found": JobNotFound,
    "no_current_lottery": NoCurrentLottery,
    "entry_not_found": EntryNotFound,
    "payment_not_found": PaymentNotFound,
    "tariff_not_found": TariffNotFound,
    "model_not_found": ModelNotFound,
    "method_not_allowed": MethodNotAllowed,
    "not_acceptable": NotAcceptable,
    "upload_missing": UploadMissing,
    "upload_mismatch": UploadMismatch,
    "data_not_confirmed": DataNotConfirmed,
    "data_not_usable": DataNotUsable,
    "job_not_cancellable": JobNotCancellable,
    "service_unavailable_now": ServiceUnavailableNow,
    "model_not_offered": ModelNotOffered,
    "amount_mismatch": AmountMismatch,
    "amount_out_of_range": AmountOutOfRange,
    "provider_not_configured": ProviderNotConfigured,
    "provider_rejected": ProviderRejected,
    "channel_not_eligible": ChannelNotEligible,
    "telegram_id_mismatch": TelegramIdMismatch,
    "review_already_used": ReviewAlreadyUsed,
    "idempotency_in_progress": IdempotencyInProgress,
    "payload_too_large": PayloadTooLarge,
    "unsupported_media_type": UnsupportedMediaType,
    "idempotency_key_reused": IdempotencyKeyReused,
    "rate_limited": RateLimited,
    "internal_error": InternalError,
    "service_unavailable": ServiceUnavailable,
    "provider_unavailable": ProviderUnavailable,
    "telegram_unavailable": TelegramUnavailable,
    "storage_unavailable": StorageUnavailable,
}
