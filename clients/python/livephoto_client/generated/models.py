# Written by `make format` from spec/openapi.yaml; changes here are lost.
"""The objects of the contract. An optional field that was left out is None."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal

from livephoto_client.json_values import JsonObject, amount, moment, present

DataType = Literal["image", "video", "text", "audio"]
ServiceType = Literal["animate", "restore"]
PaymentProvider = Literal["yookassa", "stripe", "telegram"]
SupportTopic = Literal["refund", "help"]
SupportStatus = Literal["open", "closed"]
PaymentStatus = Literal[
    "pending", "succeeded", "canceled", "expired", "partly_refunded", "refunded", "disputed"
]
JobStatus = Literal["waiting_payment", "queued", "processing", "done", "failed"]
TransactionType = Literal["charge", "purchase", "refund", "promo", "gateway_payment"]
TransactionStatus = Literal["success", "failed", "pending"]
TransactionProvider = Literal["yookassa", "stripe", "telegram", "manual"]
JobFailure = Literal["failed", "cancelled", "not_paid"]
EventBonusReason = Literal["channel", "review", "referral", "grant"]


@dataclass(frozen=True, kw_only=True, slots=True)
class User:
    """`User` of the contract."""

    id: str
    telegram_id: str
    """Идентификатор в Telegram"""
    balance_tokens: Decimal
    """Доступно токенов сейчас, без зарезервированных"""
    ref_code: str
    """Код, по которому пользователь приглашает других"""
    has_left_review: bool
    """Отзыв засчитан"""
    consent_pd: bool
    """Согласие на обработку персональных данных"""
    created_at: datetime
    updated_at: datetime
    username: str | None = None
    """Имя в Telegram, если известно"""
    anon_user_id: str | None = None
    """Идентификатор до регистрации, если был передан"""
    email: str | None = None
    """Куда отправлять чеки, если известно"""
    avatar_url: str | None = None
    referrer_id: str | None = None
    """Кто пригласил, если пришёл по приглашению"""
    consent_version: str | None = None
    """С какой версией текста согласие дано; сравните с `consent.version` из configGet"""
    raw: JsonObject = field(default_factory=dict, repr=False, compare=False)
    """As it was received, with fields that this version of the client does not know."""

    @classmethod
    def from_json(cls, raw: JsonObject) -> User:
        """Read one; KeyError or TypeError if it is not one."""
        return cls(
            id=raw["id"],
            telegram_id=raw["telegramId"],
            balance_tokens=amount(raw["balanceTokens"]),
            ref_code=raw["refCode"],
            has_left_review=raw["hasLeftReview"],
            consent_pd=raw["consentPd"],
            created_at=moment(raw["createdAt"]),
            updated_at=moment(raw["updatedAt"]),
            username=raw.get("username"),
            anon_user_id=raw.get("anonUserId"),
            email=raw.get("email"),
            avatar_url=raw.get("avatarUrl"),
            referrer_id=raw.get("referrerId"),
            consent_version=raw.get("consentVersion"),
            raw=raw,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class IOObject:
    """Вход или выход задания; на входе нужен `dataId` или `url`"""

    type: DataType | None = None
    """Вид файла"""
    data_id: str | None = None
    """Загруженный файл"""
    url: str | None = None
    """Публичный адрес http(s) файла. Если по самому адресу видно, что он не публичный (localhost,
    внутренняя сеть, другой порт), ответ 400
    """
    meta: dict[str, Any] | None = None
    """На входе — что угодно от бота. На выходе задания с несколькими фото — `error` того, что не
    получилось, или те же сведения о результате, что в `meta` задания
    """
    raw: JsonObject = field(default_factory=dict, repr=False, compare=False)
    """As it was received, with fields that this version of the client does not know."""

    @classmethod
    def from_json(cls, raw: JsonObject) -> IOObject:
        """Read one; KeyError or TypeError if it is not one."""
        return cls(
            type=raw.get("type"),
            data_id=raw.get("dataId"),
            url=raw.get("url"),
            meta=dict(raw["meta"]) if "meta" in raw else None,
            raw=raw,
        )

    def to_json(self) -> dict[str, Any]:
        """As it is sent."""
        return present(
            {
                "type": self.type,
                "dataId": self.data_id,
                "url": self.url,
                "meta": dict(self.meta) if self.meta is not None else None,
            }
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class JobError:
    """Почему задание или фото не выполнено"""

    code: str
    """Причина для программы; незнакомую обрабатывайте как любую другую"""
    message: str
    """Фраза по-русски, которую можно показать клиенту как есть"""
    raw: JsonObject = field(default_factory=dict, repr=False, compare=False)
    """As it was received, with fields that this version of the client does not know."""

    @classmethod
    def from_json(cls, raw: JsonObject) -> JobError:
        """Read one; KeyError or TypeError if it is not one."""
        return cls(
            code=raw["code"],
            message=raw["message"],
            raw=raw,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """`Job` of the contract."""

    id: str
    user_id: str
    model_id: str
    """Модель генерации: заказанная, а у готового — та, что сделала результат. Цена — всегда
    заказанной; если сделала другая, заказанная названа в `meta.orderedModelId`
    """
    order_id: str
    """Короткий номер заказа для человека"""
    service_type: ServiceType
    """animate — оживить, restore — отреставрировать"""
    status: JobStatus
    price_rub: Decimal
    """Цена в рублях, за все фото заказа"""
    price_tokens: Decimal
    """Цена в токенах, за все фото заказа"""
    tokens_reserved: Decimal
    """Токены, отложенные под задание и ещё не списанные"""
    tokens_consumed: Decimal
    """Токены, списанные за готовое задание — за те фото, которые получились"""
    input: list[IOObject]
    output: list[IOObject]
    """Готовые файлы, по записи на каждое фото из `input` и в том же порядке; пусто, пока задание
    не выполнено. Если фото не получилось, `dataId` нет, а `meta.error` — как у задания
    """
    progress: int
    """Процент выполнения всего заказа"""
    meta: JobMeta
    """У невыполненного: `reason` (failed, cancelled или not_paid) и `error` — `code` для
    программы, `message` по-русски для человека. У готового: `engine` и `model` — чем сделано,
    `width`, `height`, `durationSeconds` (видео) и `bytes` результата. Могут быть и другие поля
    """
    created_at: datetime
    updated_at: datetime
    missing_tokens: Decimal | None = None
    """Сколько токенов ещё нужно именно этому заказу; есть, пока он ждёт оплаты"""
    result_url: str | None = None
    """Подписанная ссылка на первый готовый результат, есть у готового задания"""
    queue_position: int | None = None
    """Место в очереди, с 1; есть у задания в статусе `queued`, прочитанного через `jobsGet`.
    Больше 500 не считается: 501 — «501 или дальше»
    """
    eta_seconds: int | None = None
    """Через сколько секунд задание будет готово, по обычным срокам моделей и числу исполнителей;
    есть в статусах `queued` и `processing` у прочитанного через `jobsGet`, если это известно
    """
    client_ref: str | None = None
    """Метка, которую бот дал при заказе"""
    raw: JsonObject = field(default_factory=dict, repr=False, compare=False)
    """As it was received, with fields that this version of the client does not know."""

    @classmethod
    def from_json(cls, raw: JsonObject) -> Job:
        """Read one; KeyError or TypeError if it is not one."""
        return cls(
            id=raw["id"],
            user_id=raw["userId"],
            model_id=raw["modelId"],
            order_id=raw["orderId"],
            service_type=raw["serviceType"],
            status=raw["status"],
            price_rub=amount(raw["priceRub"]),
            price_tokens=amount(raw["priceTokens"]),
            tokens_reserved=amount(raw["tokensReserved"]),
            tokens_consumed=amount(raw["tokensConsumed"]),
            input=[IOObject.from_json(each) for each in raw["input"]],
            output=[IOObject.from_json(each) for each in raw["output"]],
            progress=raw["progress"],
            meta=JobMeta.from_json(raw["meta"]),
            created_at=moment(raw["createdAt"]),
            updated_at=moment(raw["updatedAt"]),
            missing_tokens=amount(raw["missingTokens"]) if "missingTokens" in raw else None,
            result_url=raw.get("resultUrl"),
            queue_position=raw.get("queuePosition"),
            eta_seconds=raw.get("etaSeconds"),
            client_ref=raw.get("clientRef"),
            raw=raw,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class JobMeta:
    """У невыполненного: `reason` (failed, cancelled или not_paid) и `error` — `code` для
    программы, `message` по-русски для человека. У готового: `engine` и `model` — чем сделано,
    `width`, `height`, `durationSeconds` (видео) и `bytes` результата. Могут быть и другие поля
    """

    reason: JobFailure | None = None
    error: JobError | None = None
    """Почему задание или фото не выполнено"""
    engine: str | None = None
    """Чем сделано, embedded — самим сервером"""
    model: str | None = None
    """Имя модели, которая сделала результат"""
    width: int | None = None
    """Ширина результата, пиксели"""
    height: int | None = None
    """Высота результата, пиксели"""
    duration_seconds: float | None = None
    """Длина видео, секунды"""
    bytes: int | None = None
    """Размер файла результата"""
    faces: int | None = None
    """Сколько лиц найдено на фото; 0 — оживить было некого, движется только камера. Модели внешних
    сервисов лиц не считают
    """
    mended_percent: float | None = None
    """Сколько процентов повреждённого снимка закрашено; 0 — ничего"""
    damage_left: bool | None = None
    """Осталось ли заметное повреждение, которое починить не удалось"""
    seconds: float | None = None
    """Сколько секунд заняла обработка"""
    ordered_model_id: str | None = None
    """Заказанная модель, если результат сделала другая"""
    retry_of: str | None = None
    """Задание, вместо которого оператор создал это"""
    raw: JsonObject = field(default_factory=dict, repr=False, compare=False)
    """As it was received, with fields that this version of the client does not know."""

    @classmethod
    def from_json(cls, raw: JsonObject) -> JobMeta:
        """Read one; KeyError or TypeError if it is not one."""
        return cls(
            reason=raw.get("reason"),
            error=JobError.from_json(raw["error"]) if "error" in raw else None,
            engine=raw.get("engine"),
            model=raw.get("model"),
            width=raw.get("width"),
            height=raw.get("height"),
            duration_seconds=float(raw["durationSeconds"]) if "durationSeconds" in raw else None,
            bytes=raw.get("bytes"),
            faces=raw.get("faces"),
            mended_percent=float(raw["mendedPercent"]) if "mendedPercent" in raw else None,
            damage_left=raw.get("damageLeft"),
            seconds=float(raw["seconds"]) if "seconds" in raw else None,
            ordered_model_id=raw.get("orderedModelId"),
            retry_of=raw.get("retryOf"),
            raw=raw,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Transaction:
    """`Transaction` of the contract."""

    id: str
    user_id: str
    type: TransactionType
    status: TransactionStatus
    tokens_delta: Decimal
    """На сколько изменился баланс; списание отрицательное"""
    meta: TransactionMeta
    """Подробности; могут быть и другие поля"""
    created_at: datetime
    job_id: str | None = None
    """Задание, за которое списаны или возвращены токены"""
    provider: TransactionProvider | None = None
    amount_rub: Decimal | None = None
    """Сумма в рублях, если речь о деньгах"""
    currency: str | None = None
    """Валюта, в которой взята оплата"""
    plan: str | None = None
    """Имя оплаченного тарифа"""
    reference: str | None = None
    """Номер платежа у провайдера"""
    raw: JsonObject = field(default_factory=dict, repr=False, compare=False)
    """As it was received, with fields that this version of the client does not know."""

    @classmethod
    def from_json(cls, raw: JsonObject) -> Transaction:
        """Read one; KeyError or TypeError if it is not one."""
        return cls(
            id=raw["id"],
            user_id=raw["userId"],
            type=raw["type"],
            status=raw["status"],
            tokens_delta=amount(raw["tokensDelta"]),
            meta=TransactionMeta.from_json(raw["meta"]),
            created_at=moment(raw["createdAt"]),
            job_id=raw.get("jobId"),
            provider=raw.get("provider"),
            amount_rub=amount(raw["amountRub"]) if "amountRub" in raw else None,
            currency=raw.get("currency"),
            plan=raw.get("plan"),
            reference=raw.get("reference"),
            raw=raw,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class TransactionMeta:
    """Подробности; могут быть и другие поля"""

    reason: str | None = None
    """За что бонус (welcome, channel, review, referral, lottery, grant) или почему возврат
    (cancelled, failed, not_paid)
    """
    payment_id: str | None = None
    """Платёж (`id` из PaymentIntent), к которому относится запись"""
    channel: str | None = None
    """Канал, за подписку на который дан бонус"""
    failed_photos: int | None = None
    """За сколько фото заказа возвращены токены"""
    shortfall_tokens: str | None = None
    """Сколько токенов при возврате денег списать не удалось, десятичное число"""
    raw: JsonObject = field(default_factory=dict, repr=False, compare=False)
    """As it was received, with fields that this version of the client does not know."""

    @classmethod
    def from_json(cls, raw: JsonObject) -> TransactionMeta:
        """Read one; KeyError or TypeError if it is not one."""
        return cls(
            reason=raw.get("reason"),
            payment_id=raw.get("paymentId"),
            channel=raw.get("channel"),
            failed_photos=raw.get("failedPhotos"),
            shortfall_tokens=raw.get("shortfallTokens"),
            raw=raw,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Data:
    """`Data` of the contract."""

    id: str
    type: DataType
    """Вид файла"""
    s3_url: str
    """Адрес внутри хранилища"""
    public_s3_url: str
    """Подписанная ссылка для скачивания"""
    expired_in: int
    """Сколько секунд действует publicS3Url"""
    created_at: datetime
    photo: Photo | None = None
    """Что видно на фотографии до заказа; нет, если размер в её заголовке не нашёлся"""
    raw: JsonObject = field(default_factory=dict, repr=False, compare=False)
    """As it was received, with fields that this version of the client does not know."""

    @classmethod
    def from_json(cls, raw: JsonObject) -> Data:
        """Read one; KeyError or TypeError if it is not one."""
        return cls(
            id=raw["id"],
            type=raw["type"],
            s3_url=raw["s3Url"],
            public_s3_url=raw["publicS3Url"],
            expired_in=raw["expiredIn"],
            created_at=moment(raw["createdAt"]),
            photo=Photo.from_json(raw["photo"]) if "photo" in raw else None,
            raw=raw,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Photo:
    """Что видно на фотографии до заказа; нет, если размер в её заголовке не нашёлся"""

    width: int
    """Ширина в файле, пиксели; поворот из EXIF не учтён"""
    height: int
    """Высота в файле, пиксели; поворот из EXIF не учтён"""
    warnings: list[PhotoWarning]
    """О чём предупредить клиента до оплаты; чаще всего пусто"""
    faces: int | None = None
    """Сколько лиц видно, до четырёх; есть после `dataConfirmUpload` с `faces=true`. У готового
    задания — `meta.faces`: на исправленном снимке их может найтись больше
    """
    raw: JsonObject = field(default_factory=dict, repr=False, compare=False)
    """As it was received, with fields that this version of the client does not know."""

    @classmethod
    def from_json(cls, raw: JsonObject) -> Photo:
        """Read one; KeyError or TypeError if it is not one."""
        return cls(
            width=raw["width"],
            height=raw["height"],
            warnings=[PhotoWarning.from_json(each) for each in raw["warnings"]],
            faces=raw.get("faces"),
            raw=raw,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class PhotoWarning:
    """`PhotoWarning` of the contract."""

    code: str
    """small — меньше 300 пикселей по короткой стороне, no_faces — лиц не видно; список может
    вырасти
    """
    message: str
    """Фраза по-русски, которую можно показать клиенту как есть"""
    raw: JsonObject = field(default_factory=dict, repr=False, compare=False)
    """As it was received, with fields that this version of the client does not know."""

    @classmethod
    def from_json(cls, raw: JsonObject) -> PhotoWarning:
        """Read one; KeyError or TypeError if it is not one."""
        return cls(
            code=raw["code"],
            message=raw["message"],
            raw=raw,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class PaymentIntent:
    """`PaymentIntent` of the contract."""

    id: str
    provider: PaymentProvider
    """Кто принимает деньги"""
    amount_rub: Decimal
    currency: str
    """Валюта, в которой платит пользователь (RUB или XTR)"""
    payment_url: str
    """Куда отправить пользователя платить"""
    reference: str
    """Номер платежа у провайдера"""
    status: str | None = None
    """Состояние платежа, pending до оплаты"""
    tokens: Decimal | None = None
    """Сколько токенов будет начислено"""
    stars: int | None = None
    """Сколько звёзд Telegram просит заплатить, если `currency` — XTR"""
    client_ref: str | None = None
    """Метка, которую бот дал при создании"""
    expires_at: datetime | None = None
    """До какого времени можно заплатить, если провайдер его назвал"""
    raw: JsonObject = field(default_factory=dict, repr=False, compare=False)
    """As it was received, with fields that this version of the client does not know."""

    @classmethod
    def from_json(cls, raw: JsonObject) -> PaymentIntent:
        """Read one; KeyError or TypeError if it is not one."""
        return cls(
            id=raw["id"],
            provider=raw["provider"],
            amount_rub=amount(raw["amountRub"]),
            currency=raw["currency"],
            payment_url=raw["paymentUrl"],
            reference=raw["reference"],
            status=raw.get("status"),
            tokens=amount(raw["tokens"]) if "tokens" in raw else None,
            stars=raw.get("stars"),
            client_ref=raw.get("clientRef"),
            expires_at=moment(raw["expiresAt"]) if "expiresAt" in raw else None,
            raw=raw,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Payment:
    """`Payment` of the contract."""

    id: str
    user_id: str
    provider: PaymentProvider
    """Кто принимает деньги"""
    status: PaymentStatus
    amount_rub: Decimal
    currency: str
    """Валюта, в которой платит пользователь (RUB или XTR)"""
    tokens: Decimal
    """Сколько токенов начисляется за платёж"""
    refunded_rub: Decimal
    """Сколько рублей возвращено"""
    refunded_tokens: Decimal
    """Сколько токенов списано при возврате"""
    created_at: datetime
    expires_at: datetime
    """До какого времени можно заплатить"""
    stars: int | None = None
    """Сколько звёзд Telegram просит заплатить, если `currency` — XTR"""
    plan: str | None = None
    """Имя тарифа"""
    payment_url: str | None = None
    """Где заплатить; есть, пока платёж ждёт оплаты"""
    reference: str | None = None
    """Номер платежа у провайдера"""
    client_ref: str | None = None
    """Метка, которую бот дал при создании"""
    error: PaymentError | None = None
    """Почему платёж не прошёл"""
    checked_at: datetime | None = None
    """Когда о платеже последний раз спросили по просьбе бота"""
    paid_at: datetime | None = None
    raw: JsonObject = field(default_factory=dict, repr=False, compare=False)
    """As it was received, with fields that this version of the client does not know."""

    @classmethod
    def from_json(cls, raw: JsonObject) -> Payment:
        """Read one; KeyError or TypeError if it is not one."""
        return cls(
            id=raw["id"],
            user_id=raw["userId"],
            provider=raw["provider"],
            status=raw["status"],
            amount_rub=amount(raw["amountRub"]),
            currency=raw["currency"],
            tokens=amount(raw["tokens"]),
            refunded_rub=amount(raw["refundedRub"]),
            refunded_tokens=amount(raw["refundedTokens"]),
            created_at=moment(raw["createdAt"]),
            expires_at=moment(raw["expiresAt"]),
            stars=raw.get("stars"),
            plan=raw.get("plan"),
            payment_url=raw.get("paymentUrl"),
            reference=raw.get("reference"),
            client_ref=raw.get("clientRef"),
            error=PaymentError.from_json(raw["error"]) if "error" in raw else None,
            checked_at=moment(raw["checkedAt"]) if "checkedAt" in raw else None,
            paid_at=moment(raw["paidAt"]) if "paidAt" in raw else None,
            raw=raw,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class PaymentError:
    """Почему платёж не прошёл"""

    code: str
    """insufficient_funds, card_expired, card_data_wrong, not_confirmed (нет кода из банка),
    limit_exceeded, method_not_accepted, suspicious, bank_unavailable, refused_by_bank,
    canceled_by_shop, expired, not_paid; незнакомую причину обрабатывайте как любую другую
    """
    message: str
    """Фраза по-русски, которую можно показать клиенту как есть"""
    raw: JsonObject = field(default_factory=dict, repr=False, compare=False)
    """As it was received, with fields that this version of the client does not know."""

    @classmethod
    def from_json(cls, raw: JsonObject) -> PaymentError:
        """Read one; KeyError or TypeError if it is not one."""
        return cls(
            code=raw["code"],
            message=raw["message"],
            raw=raw,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Model:
    """`Model` of the contract."""

    id: str
    service_type: ServiceType
    """animate — оживить, restore — отреставрировать"""
    title: str
    """Название для покупателя"""
    description: str
    """Чем она отличается, для покупателя"""
    price_tokens: Decimal
    price_rub: Decimal
    usual_seconds: int
    """Сколько секунд обычно занимает заказ"""
    is_default: bool
    """Её получает заказ без `modelId`"""
    takes_wish: bool
    """Учитывает ли она `description` заказа"""
    raw: JsonObject = field(default_factory=dict, repr=False, compare=False)
    """As it was received, with fields that this version of the client does not know."""

    @classmethod
    def from_json(cls, raw: JsonObject) -> Model:
        """Read one; KeyError or TypeError if it is not one."""
        return cls(
            id=raw["id"],
            service_type=raw["serviceType"],
            title=raw["title"],
            description=raw["description"],
            price_tokens=amount(raw["priceTokens"]),
            price_rub=amount(raw["priceRub"]),
            usual_seconds=raw["usualSeconds"],
            is_default=raw["isDefault"],
            takes_wish=raw["takesWish"],
            raw=raw,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Tariff:
    """`Tariff` of the contract."""

    id: str
    name: str
    """Короткое имя, годится для `plan` платежа"""
    title: str
    """Название для покупателя"""
    monthly_tokens: int
    """Сколько токенов начисляется за оплату"""
    cost_rub: Decimal
    """Цена в рублях"""
    currency: str
    created_at: datetime
    stars: int | None = None
    """Цена в звёздах Telegram; есть, если через Telegram платят звёздами"""
    raw: JsonObject = field(default_factory=dict, repr=False, compare=False)
    """As it was received, with fields that this version of the client does not know."""

    @classmethod
    def from_json(cls, raw: JsonObject) -> Tariff:
        """Read one; KeyError or TypeError if it is not one."""
        return cls(
            id=raw["id"],
            name=raw["name"],
            title=raw["title"],
            monthly_tokens=raw["monthlyTokens"],
            cost_rub=amount(raw["costRub"]),
            currency=raw["currency"],
            created_at=moment(raw["createdAt"]),
            stars=raw.get("stars"),
            raw=raw,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Referral:
    """`Referral` of the contract."""

    id: str
    inviter_id: str
    invitee_id: str
    invitee_paid: bool
    reward_given: bool
    created_at: datetime
    raw: JsonObject = field(default_factory=dict, repr=False, compare=False)
    """As it was received, with fields that this version of the client does not know."""

    @classmethod
    def from_json(cls, raw: JsonObject) -> Referral:
        """Read one; KeyError or TypeError if it is not one."""
        return cls(
            id=raw["id"],
            inviter_id=raw["inviterId"],
            invitee_id=raw["inviteeId"],
            invitee_paid=raw["inviteePaid"],
            reward_given=raw["rewardGiven"],
            created_at=moment(raw["createdAt"]),
            raw=raw,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Review:
    """`Review` of the contract."""

    id: str
    user_id: str
    message_id: str
    reward_given: bool
    created_at: datetime
    raw: JsonObject = field(default_factory=dict, repr=False, compare=False)
    """As it was received, with fields that this version of the client does not know."""

    @classmethod
    def from_json(cls, raw: JsonObject) -> Review:
        """Read one; KeyError or TypeError if it is not one."""
        return cls(
            id=raw["id"],
            user_id=raw["userId"],
            message_id=raw["messageId"],
            reward_given=raw["rewardGiven"],
            created_at=moment(raw["createdAt"]),
            raw=raw,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Lottery:
    """`Lottery` of the contract."""

    id: str
    title: str
    description: str
    start_date: datetime
    end_date: datetime
    prizes: list[LotteryPrize]
    created_at: datetime
    seed_hash: str | None = None
    """SHA-256 от `seed`, объявлен до жеребьёвки"""
    seed: str | None = None
    """Раскрытое зерно жеребьёвки"""
    drawn_at: datetime | None = None
    """Когда разыграны призы"""
    entries_hash: str | None = None
    """SHA-256 списка участников, по которому считаются победители"""
    winners: list[LotteryWinner] | None = None
    """Победители по местам"""
    raw: JsonObject = field(default_factory=dict, repr=False, compare=False)
    """As it was received, with fields that this version of the client does not know."""

    @classmethod
    def from_json(cls, raw: JsonObject) -> Lottery:
        """Read one; KeyError or TypeError if it is not one."""
        return cls(
            id=raw["id"],
            title=raw["title"],
            description=raw["description"],
            start_date=moment(raw["startDate"]),
            end_date=moment(raw["endDate"]),
            prizes=[LotteryPrize.from_json(each) for each in raw["prizes"]],
            created_at=moment(raw["createdAt"]),
            seed_hash=raw.get("seedHash"),
            seed=raw.get("seed"),
            drawn_at=moment(raw["drawnAt"]) if "drawnAt" in raw else None,
            entries_hash=raw.get("entriesHash"),
            winners=[LotteryWinner.from_json(each) for each in raw["winners"]]
            if "winners" in raw
            else None,
            raw=raw,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class LotteryPrize:
    """`LotteryPrize` of the contract."""

    title: str | None = None
    """Название приза"""
    count: int | None = None
    """Сколько таких призов"""
    tokens: Decimal | None = None
    """Токены приза; 0, если его вручают иначе"""
    raw: JsonObject = field(default_factory=dict, repr=False, compare=False)
    """As it was received, with fields that this version of the client does not know."""

    @classmethod
    def from_json(cls, raw: JsonObject) -> LotteryPrize:
        """Read one; KeyError or TypeError if it is not one."""
        return cls(
            title=raw.get("title"),
            count=raw.get("count"),
            tokens=amount(raw["tokens"]) if "tokens" in raw else None,
            raw=raw,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class LotteryWinner:
    """`LotteryWinner` of the contract."""

    place: int
    prize: str
    entry_id: str
    tokens: Decimal | None = None
    """Токены приза, уже начисленные победителю"""
    raw: JsonObject = field(default_factory=dict, repr=False, compare=False)
    """As it was received, with fields that this version of the client does not know."""

    @classmethod
    def from_json(cls, raw: JsonObject) -> LotteryWinner:
        """Read one; KeyError or TypeError if it is not one."""
        return cls(
            place=raw["place"],
            prize=raw["prize"],
            entry_id=raw["entryId"],
            tokens=amount(raw["tokens"]) if "tokens" in raw else None,
            raw=raw,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class LotteryEntry:
    """`LotteryEntry` of the contract."""

    id: str
    lottery_id: str
    user_id: str
    referral_count: int
    """Приглашённые за время розыгрыша"""
    social_links: list[str]
    reward_given: bool
    created_at: datetime
    raw: JsonObject = field(default_factory=dict, repr=False, compare=False)
    """As it was received, with fields that this version of the client does not know."""

    @classmethod
    def from_json(cls, raw: JsonObject) -> LotteryEntry:
        """Read one; KeyError or TypeError if it is not one."""
        return cls(
            id=raw["id"],
            lottery_id=raw["lotteryId"],
            user_id=raw["userId"],
            referral_count=raw["referralCount"],
            social_links=list(raw["socialLinks"]),
            reward_given=raw["rewardGiven"],
            created_at=moment(raw["createdAt"]),
            raw=raw,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class SupportRequest:
    """`SupportRequest` of the contract."""

    id: str
    number: int
    """Короткий номер обращения для человека"""
    user_id: str
    topic: SupportTopic
    """refund — вернуть деньги, help — помочь"""
    message: str
    status: SupportStatus
    """open — ждёт оператора, closed — он закончил"""
    created_at: datetime
    payment_id: str | None = None
    job_id: str | None = None
    client_ref: str | None = None
    raw: JsonObject = field(default_factory=dict, repr=False, compare=False)
    """As it was received, with fields that this version of the client does not know."""

    @classmethod
    def from_json(cls, raw: JsonObject) -> SupportRequest:
        """Read one; KeyError or TypeError if it is not one."""
        return cls(
            id=raw["id"],
            number=raw["number"],
            user_id=raw["userId"],
            topic=raw["topic"],
            message=raw["message"],
            status=raw["status"],
            created_at=moment(raw["createdAt"]),
            payment_id=raw.get("paymentId"),
            job_id=raw.get("jobId"),
            client_ref=raw.get("clientRef"),
            raw=raw,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """`Config` of the contract."""

    bonuses: ConfigBonuses
    """Сколько токенов за что даётся; 0 — бонуса нет"""
    consent: ConfigConsent
    limits: ConfigLimits
    """Что сервер принимает"""
    lifetimes: ConfigLifetimes
    payments: ConfigPayments
    reviews: ConfigReviews | None = None
    raw: JsonObject = field(default_factory=dict, repr=False, compare=False)
    """As it was received, with fields that this version of the client does not know."""

    @classmethod
    def from_json(cls, raw: JsonObject) -> Config:
        """Read one; KeyError or TypeError if it is not one."""
        return cls(
            bonuses=ConfigBonuses.from_json(raw["bonuses"]),
            consent=ConfigConsent.from_json(raw["consent"]),
            limits=ConfigLimits.from_json(raw["limits"]),
            lifetimes=ConfigLifetimes.from_json(raw["lifetimes"]),
            payments=ConfigPayments.from_json(raw["payments"]),
            reviews=ConfigReviews.from_json(raw["reviews"]) if "reviews" in raw else None,
            raw=raw,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class ConfigBonuses:
    """Сколько токенов за что даётся; 0 — бонуса нет"""

    welcome_tokens: Decimal
    """За регистрацию"""
    channel_tokens: Decimal
    """За подписку на каждый из каналов"""
    channels: list[str]
    """Каналы, за которые даётся бонус, `@имя`"""
    review_tokens: Decimal
    """За отзыв"""
    referral_tokens: Decimal
    """Пригласившему, когда приглашённый впервые заплатит"""
    referral_percent: Decimal
    """И столько процентов токенов первого платежа приглашённого"""
    raw: JsonObject = field(default_factory=dict, repr=False, compare=False)
    """As it was received, with fields that this version of the client does not know."""

    @classmethod
    def from_json(cls, raw: JsonObject) -> ConfigBonuses:
        """Read one; KeyError or TypeError if it is not one."""
        return cls(
            welcome_tokens=amount(raw["welcomeTokens"]),
            channel_tokens=amount(raw["channelTokens"]),
            channels=list(raw["channels"]),
            review_tokens=amount(raw["reviewTokens"]),
            referral_tokens=amount(raw["referralTokens"]),
            referral_percent=amount(raw["referralPercent"]),
            raw=raw,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class ConfigConsent:
    """`ConfigConsent` of the contract."""

    required: bool
    """Без согласия задания и платежи получают 403"""
    version: str | None = None
    """Версия текста, с которым соглашаются"""
    raw: JsonObject = field(default_factory=dict, repr=False, compare=False)
    """As it was received, with fields that this version of the client does not know."""

    @classmethod
    def from_json(cls, raw: JsonObject) -> ConfigConsent:
        """Read one; KeyError or TypeError if it is not one."""
        return cls(
            required=raw["required"],
            version=raw.get("version"),
            raw=raw,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class ConfigLimits:
    """Что сервер принимает"""

    image_bytes: int
    image_pixels: int
    """Пикселей в фотографии всего"""
    image_min_side: int
    """Пикселей по каждой стороне, не меньше"""
    image_max_aspect: int
    """Во сколько раз длинная сторона может быть больше короткой"""
    video_bytes: int
    audio_bytes: int
    text_bytes: int
    requests_per_minute_per_user: int
    """0 — без ограничения"""
    raw: JsonObject = field(default_factory=dict, repr=False, compare=False)
    """As it was received, with fields that this version of the client does not know."""

    @classmethod
    def from_json(cls, raw: JsonObject) -> ConfigLimits:
        """Read one; KeyError or TypeError if it is not one."""
        return cls(
            image_bytes=raw["imageBytes"],
            image_pixels=raw["imagePixels"],
            image_min_side=raw["imageMinSide"],
            image_max_aspect=raw["imageMaxAspect"],
            video_bytes=raw["videoBytes"],
            audio_bytes=raw["audioBytes"],
            text_bytes=raw["textBytes"],
            requests_per_minute_per_user=raw["requestsPerMinutePerUser"],
            raw=raw,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class ConfigLifetimes:
    """`ConfigLifetimes` of the contract."""

    waiting_job_hours: int
    """Сколько заказ ждёт оплаты"""
    data_hours: int
    """Сколько хранятся фото заказов; 0 — пока не удалят"""
    link_seconds: int
    """Сколько действует ссылка на файл"""
    upload_form_seconds: int
    """Сколько действует форма загрузки"""
    idempotency_key_hours: int
    """Сколько помнится Idempotency-Key"""
    result_hours: int | None = None
    """Сколько хранятся результаты; 0 — пока не удалят"""
    unused_upload_hours: int | None = None
    """Сколько хранится файл, с которым ничего не заказали; 0 — пока не удалят"""
    raw: JsonObject = field(default_factory=dict, repr=False, compare=False)
    """As it was received, with fields that this version of the client does not know."""

    @classmethod
    def from_json(cls, raw: JsonObject) -> ConfigLifetimes:
        """Read one; KeyError or TypeError if it is not one."""
        return cls(
            waiting_job_hours=raw["waitingJobHours"],
            data_hours=raw["dataHours"],
            link_seconds=raw["linkSeconds"],
            upload_form_seconds=raw["uploadFormSeconds"],
            idempotency_key_hours=raw["idempotencyKeyHours"],
            result_hours=raw.get("resultHours"),
            unused_upload_hours=raw.get("unusedUploadHours"),
            raw=raw,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class ConfigPayments:
    """`ConfigPayments` of the contract."""

    providers: list[PaymentProvider]
    """Через кого можно заплатить сейчас"""
    token_price_rub: Decimal
    """Цена одного токена без тарифа"""
    min_rub: Decimal
    """Наименьший платёж без тарифа"""
    max_rub: Decimal
    """Наибольший платёж без тарифа"""
    stars: bool
    """Через Telegram платят звёздами"""
    default_provider: PaymentProvider | None = None
    """Кто принимает деньги"""
    raw: JsonObject = field(default_factory=dict, repr=False, compare=False)
    """As it was received, with fields that this version of the client does not know."""

    @classmethod
    def from_json(cls, raw: JsonObject) -> ConfigPayments:
        """Read one; KeyError or TypeError if it is not one."""
        return cls(
            providers=list(raw["providers"]),
            token_price_rub=amount(raw["tokenPriceRub"]),
            min_rub=amount(raw["minRub"]),
            max_rub=amount(raw["maxRub"]),
            stars=raw["stars"],
            default_provider=raw.get("defaultProvider"),
            raw=raw,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class ConfigReviews:
    """`ConfigReviews` of the contract."""

    chat: str
    """Группа, сообщения которой считаются отзывами, `@имя` или номер"""
    min_length: int
    """Сколько символов в словах нужно"""
    raw: JsonObject = field(default_factory=dict, repr=False, compare=False)
    """As it was received, with fields that this version of the client does not know."""

    @classmethod
    def from_json(cls, raw: JsonObject) -> ConfigReviews:
        """Read one; KeyError or TypeError if it is not one."""
        return cls(
            chat=raw["chat"],
            min_length=raw["minLength"],
            raw=raw,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Liveness:
    """`Liveness` of the contract."""

    status: str
    raw: JsonObject = field(default_factory=dict, repr=False, compare=False)
    """As it was received, with fields that this version of the client does not know."""

    @classmethod
    def from_json(cls, raw: JsonObject) -> Liveness:
        """Read one; KeyError or TypeError if it is not one."""
        return cls(
            status=raw["status"],
            raw=raw,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Readiness:
    """`Readiness` of the contract."""

    status: str
    """ok или unavailable"""
    checks: dict[str, ReadinessChecks]
    """Имя проверки и её результат"""
    raw: JsonObject = field(default_factory=dict, repr=False, compare=False)
    """As it was received, with fields that this version of the client does not know."""

    @classmethod
    def from_json(cls, raw: JsonObject) -> Readiness:
        """Read one; KeyError or TypeError if it is not one."""
        return cls(
            status=raw["status"],
            checks={key: ReadinessChecks.from_json(each) for key, each in raw["checks"].items()},
            raw=raw,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class ReadinessChecks:
    """`ReadinessChecks` of the contract."""

    ok: bool
    detail: str | None = None
    raw: JsonObject = field(default_factory=dict, repr=False, compare=False)
    """As it was received, with fields that this version of the client does not know."""

    @classmethod
    def from_json(cls, raw: JsonObject) -> ReadinessChecks:
        """Read one; KeyError or TypeError if it is not one."""
        return cls(
            ok=raw["ok"],
            detail=raw.get("detail"),
            raw=raw,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Event:
    """Событие. Что есть, кроме `id`, `sequence`, `type`, `createdAt` и `text`, зависит от типа:

    | `type` | Что случилось | Поля |
    |---|---|---|
    | `job.queued` | Заказ, ждавший оплаты, оплачен и встал в очередь | user, job |
    | `job.started` | Над заказом начали работать | user, job |
    | `job.done` | Заказ готов, хотя бы одно фото получилось | user, job, results |
    | `job.failed` | Заказ не выполнен или отменён, токены возвращены | user, job |
    | `payment.succeeded` | Деньги пришли, токены начислены | user, payment |
    | `payment.failed` | Платёж не прошёл или не оплачен вовремя | user, payment |
    | `payment.refunded` | Деньги вернулись покупателю, токены списаны | user, payment |
    | `bonus.granted` | Начислен бонус | user, bonus |
    | `lottery.drawn` | Розыгрыш проведён | lottery |
    | `lottery.won` | Пользователь выиграл | user, lottery |

    Могут появиться новые типы и поля; смысл нынешних не изменится.
    """

    id: str
    """Один и тот же у всех доставок этого события"""
    sequence: int
    """Место в общем порядке событий, для `after`"""
    type: str
    """Тип события, по таблице выше"""
    created_at: datetime
    """Когда это случилось"""
    text: str
    """Готовая фраза для пользователя"""
    user: EventUser | None = None
    """Чьё это событие"""
    client_ref: str | None = None
    """Пометка, с которой бот создал заказ или платёж"""
    job: EventJob | None = None
    """Заказ, каким он стал"""
    results: list[EventResult] | None = None
    """Что получилось, по записи на каждое фото заказа и в том же порядке"""
    payment: EventPayment | None = None
    """Платёж, каким он стал"""
    bonus: EventBonus | None = None
    """За что и сколько начислено"""
    lottery: EventLottery | None = None
    """Розыгрыш; место и приз — у победителя"""
    raw: JsonObject = field(default_factory=dict, repr=False, compare=False)
    """As it was received, with fields that this version of the client does not know."""

    @classmethod
    def from_json(cls, raw: JsonObject) -> Event:
        """Read one; KeyError or TypeError if it is not one."""
        return cls(
            id=raw["id"],
            sequence=raw["sequence"],
            type=raw["type"],
            created_at=moment(raw["createdAt"]),
            text=raw["text"],
            user=EventUser.from_json(raw["user"]) if "user" in raw else None,
            client_ref=raw.get("clientRef"),
            job=EventJob.from_json(raw["job"]) if "job" in raw else None,
            results=[EventResult.from_json(each) for each in raw["results"]]
            if "results" in raw
            else None,
            payment=EventPayment.from_json(raw["payment"]) if "payment" in raw else None,
            bonus=EventBonus.from_json(raw["bonus"]) if "bonus" in raw else None,
            lottery=EventLottery.from_json(raw["lottery"]) if "lottery" in raw else None,
            raw=raw,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class EventUser:
    """Чьё это событие"""

    id: str
    telegram_id: str
    """Кому писать"""
    balance_tokens: Decimal
    """Сколько токенов стало доступно после этого события"""
    raw: JsonObject = field(default_factory=dict, repr=False, compare=False)
    """As it was received, with fields that this version of the client does not know."""

    @classmethod
    def from_json(cls, raw: JsonObject) -> EventUser:
        """Read one; KeyError or TypeError if it is not one."""
        return cls(
            id=raw["id"],
            telegram_id=raw["telegramId"],
            balance_tokens=amount(raw["balanceTokens"]),
            raw=raw,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class EventJob:
    """Заказ, каким он стал"""

    id: str
    order_id: str
    """Короткий номер заказа для человека"""
    service_type: ServiceType
    """animate — оживить, restore — отреставрировать"""
    status: JobStatus
    price_tokens: Decimal
    """Цена в токенах, за все фото заказа"""
    photos: int
    """Сколько фото в заказе"""
    reason: JobFailure | None = None
    error: JobError | None = None
    """Почему задание или фото не выполнено"""
    raw: JsonObject = field(default_factory=dict, repr=False, compare=False)
    """As it was received, with fields that this version of the client does not know."""

    @classmethod
    def from_json(cls, raw: JsonObject) -> EventJob:
        """Read one; KeyError or TypeError if it is not one."""
        return cls(
            id=raw["id"],
            order_id=raw["orderId"],
            service_type=raw["serviceType"],
            status=raw["status"],
            price_tokens=amount(raw["priceTokens"]),
            photos=raw["photos"],
            reason=raw.get("reason"),
            error=JobError.from_json(raw["error"]) if "error" in raw else None,
            raw=raw,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class EventResult:
    """Готовый файл, или `error`, если это фото не получилось"""

    data_id: str | None = None
    type: DataType | None = None
    """Вид файла"""
    content_type: str | None = None
    bytes: int | None = None
    """Размер файла в байтах"""
    width: int | None = None
    height: int | None = None
    duration_seconds: float | None = None
    """Длительность видео"""
    faces: int | None = None
    """Сколько лиц нашлось; 0 — оживлена только камера"""
    url: str | None = None
    """Подписанная ссылка; её нет, если файл уже удалён"""
    error: JobError | None = None
    """Почему задание или фото не выполнено"""
    raw: JsonObject = field(default_factory=dict, repr=False, compare=False)
    """As it was received, with fields that this version of the client does not know."""

    @classmethod
    def from_json(cls, raw: JsonObject) -> EventResult:
        """Read one; KeyError or TypeError if it is not one."""
        return cls(
            data_id=raw.get("dataId"),
            type=raw.get("type"),
            content_type=raw.get("contentType"),
            bytes=raw.get("bytes"),
            width=raw.get("width"),
            height=raw.get("height"),
            duration_seconds=float(raw["durationSeconds"]) if "durationSeconds" in raw else None,
            faces=raw.get("faces"),
            url=raw.get("url"),
            error=JobError.from_json(raw["error"]) if "error" in raw else None,
            raw=raw,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class EventPayment:
    """Платёж, каким он стал"""

    id: str
    provider: PaymentProvider
    """Кто принимает деньги"""
    status: PaymentStatus
    amount_rub: Decimal
    tokens: Decimal
    """Сколько токенов он покупает"""
    plan: str | None = None
    """Имя тарифа"""
    error: PaymentError | None = None
    """Почему платёж не прошёл"""
    refunded_rub: Decimal | None = None
    """Сколько рублей вернулось этим возвратом"""
    refunded_tokens: Decimal | None = None
    """Сколько токенов за него списано"""
    raw: JsonObject = field(default_factory=dict, repr=False, compare=False)
    """As it was received, with fields that this version of the client does not know."""

    @classmethod
    def from_json(cls, raw: JsonObject) -> EventPayment:
        """Read one; KeyError or TypeError if it is not one."""
        return cls(
            id=raw["id"],
            provider=raw["provider"],
            status=raw["status"],
            amount_rub=amount(raw["amountRub"]),
            tokens=amount(raw["tokens"]),
            plan=raw.get("plan"),
            error=PaymentError.from_json(raw["error"]) if "error" in raw else None,
            refunded_rub=amount(raw["refundedRub"]) if "refundedRub" in raw else None,
            refunded_tokens=amount(raw["refundedTokens"]) if "refundedTokens" in raw else None,
            raw=raw,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class EventBonus:
    """За что и сколько начислено"""

    reason: EventBonusReason
    tokens: Decimal
    channel: str | None = None
    """Канал, за подписку на который бонус"""
    raw: JsonObject = field(default_factory=dict, repr=False, compare=False)
    """As it was received, with fields that this version of the client does not know."""

    @classmethod
    def from_json(cls, raw: JsonObject) -> EventBonus:
        """Read one; KeyError or TypeError if it is not one."""
        return cls(
            reason=raw["reason"],
            tokens=amount(raw["tokens"]),
            channel=raw.get("channel"),
            raw=raw,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class EventLottery:
    """Розыгрыш; место и приз — у победителя"""

    id: str
    title: str
    winners: int | None = None
    """Сколько мест разыграно"""
    place: int | None = None
    prize: str | None = None
    tokens: Decimal | None = None
    """Сколько токенов начислено с этим призом"""
    raw: JsonObject = field(default_factory=dict, repr=False, compare=False)
    """As it was received, with fields that this version of the client does not know."""

    @classmethod
    def from_json(cls, raw: JsonObject) -> EventLottery:
        """Read one; KeyError or TypeError if it is not one."""
        return cls(
            id=raw["id"],
            title=raw["title"],
            winners=raw.get("winners"),
            place=raw.get("place"),
            prize=raw.get("prize"),
            tokens=amount(raw["tokens"]) if "tokens" in raw else None,
            raw=raw,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class EventMessage:
    """Событие, как его отправляют боту"""

    type: str
    """То же, что `data.type`"""
    timestamp: datetime
    """Когда это случилось"""
    data: Event
    """Событие. Что есть, кроме `id`, `sequence`, `type`, `createdAt` и `text`, зависит от типа:

    | `type` | Что случилось | Поля |
    |---|---|---|
    | `job.queued` | Заказ, ждавший оплаты, оплачен и встал в очередь | user, job |
    | `job.started` | Над заказом начали работать | user, job |
    | `job.done` | Заказ готов, хотя бы одно фото получилось | user, job, results |
    | `job.failed` | Заказ не выполнен или отменён, токены возвращены | user, job |
    | `payment.succeeded` | Деньги пришли, токены начислены | user, payment |
    | `payment.failed` | Платёж не прошёл или не оплачен вовремя | user, payment |
    | `payment.refunded` | Деньги вернулись покупателю, токены списаны | user, payment |
    | `bonus.granted` | Начислен бонус | user, bonus |
    | `lottery.drawn` | Розыгрыш проведён | lottery |
    | `lottery.won` | Пользователь выиграл | user, lottery |

    Могут появиться новые типы и поля; смысл нынешних не изменится.
    """
    raw: JsonObject = field(default_factory=dict, repr=False, compare=False)
    """As it was received, with fields that this version of the client does not know."""

    @classmethod
    def from_json(cls, raw: JsonObject) -> EventMessage:
        """Read one; KeyError or TypeError if it is not one."""
        return cls(
            type=raw["type"],
            timestamp=moment(raw["timestamp"]),
            data=Event.from_json(raw["data"]),
            raw=raw,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class UsersGetBalanceResult:
    """`UsersGetBalanceResult` of the contract."""

    balance_tokens: Decimal
    """Доступно токенов"""
    raw: JsonObject = field(default_factory=dict, repr=False, compare=False)
    """As it was received, with fields that this version of the client does not know."""

    @classmethod
    def from_json(cls, raw: JsonObject) -> UsersGetBalanceResult:
        """Read one; KeyError or TypeError if it is not one."""
        return cls(
            balance_tokens=amount(raw["balanceTokens"]),
            raw=raw,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class DataGetPresignResult:
    """`DataGetPresignResult` of the contract."""

    data_id: str
    """Идентификатор будущего Data"""
    upload_url: str
    """Куда отправлять форму"""
    expires_in_seconds: int
    """Сколько секунд форма действительна"""
    fields: dict[str, str]
    """Поля формы, имя и строковое значение"""
    raw: JsonObject = field(default_factory=dict, repr=False, compare=False)
    """As it was received, with fields that this version of the client does not know."""

    @classmethod
    def from_json(cls, raw: JsonObject) -> DataGetPresignResult:
        """Read one; KeyError or TypeError if it is not one."""
        return cls(
            data_id=raw["dataId"],
            upload_url=raw["uploadUrl"],
            expires_in_seconds=raw["expiresInSeconds"],
            fields=dict(raw["fields"]),
            raw=raw,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class SubscriptionsCheckChannelResult:
    """`SubscriptionsCheckChannelResult` of the contract."""

    is_member: bool
    """Пользователь состоит в канале"""
    bonus_granted: bool
    """Бонус начислен именно этим запросом"""
    balance_tokens: Decimal
    """Баланс после проверки"""
    raw: JsonObject = field(default_factory=dict, repr=False, compare=False)
    """As it was received, with fields that this version of the client does not know."""

    @classmethod
    def from_json(cls, raw: JsonObject) -> SubscriptionsCheckChannelResult:
        """Read one; KeyError or TypeError if it is not one."""
        return cls(
            is_member=raw["isMember"],
            bonus_granted=raw["bonusGranted"],
            balance_tokens=amount(raw["balanceTokens"]),
            raw=raw,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class ReviewsCheckResult:
    """`ReviewsCheckResult` of the contract."""

    found: bool
    """Отзыв этого пользователя найден"""
    bonus_granted: bool
    """Награда начислена именно этим запросом"""
    balance_tokens: Decimal
    """Баланс после проверки"""
    raw: JsonObject = field(default_factory=dict, repr=False, compare=False)
    """As it was received, with fields that this version of the client does not know."""

    @classmethod
    def from_json(cls, raw: JsonObject) -> ReviewsCheckResult:
        """Read one; KeyError or TypeError if it is not one."""
        return cls(
            found=raw["found"],
            bonus_granted=raw["bonusGranted"],
            balance_tokens=amount(raw["balanceTokens"]),
            raw=raw,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class ReferralsGetLinkResult:
    """`ReferralsGetLinkResult` of the contract."""

    ref_link: str
    """https://t.me/<бот>?start=<refCode>"""
    raw: JsonObject = field(default_factory=dict, repr=False, compare=False)
    """As it was received, with fields that this version of the client does not know."""

    @classmethod
    def from_json(cls, raw: JsonObject) -> ReferralsGetLinkResult:
        """Read one; KeyError or TypeError if it is not one."""
        return cls(
            ref_link=raw["refLink"],
            raw=raw,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class ReferralsStatsResult:
    """`ReferralsStatsResult` of the contract."""

    total_invited: int
    """Всего приглашённых"""
    invited_paid_count: int
    """Приглашённых с успешным платежом"""
    ref_earned: Decimal
    """Получено токенов за приглашения"""
    raw: JsonObject = field(default_factory=dict, repr=False, compare=False)
    """As it was received, with fields that this version of the client does not know."""

    @classmethod
    def from_json(cls, raw: JsonObject) -> ReferralsStatsResult:
        """Read one; KeyError or TypeError if it is not one."""
        return cls(
            total_invited=raw["totalInvited"],
            invited_paid_count=raw["invitedPaidCount"],
            ref_earned=amount(raw["refEarned"]),
            raw=raw,
        )
