# Written by `make format` from spec/openapi.yaml; changes here are lost.
"""All operations of the client."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from livephoto_client.calls import Call, Sender, new_key, part
from livephoto_client.generated.models import (
    Config,
    Data,
    DataGetPresignResult,
    DataType,
    Event,
    IOObject,
    Job,
    Liveness,
    Lottery,
    LotteryEntry,
    Model,
    Payment,
    PaymentIntent,
    PaymentProvider,
    Readiness,
    Referral,
    ReferralsGetLinkResult,
    ReferralsStatsResult,
    ReviewsCheckResult,
    ServiceType,
    SubscriptionsCheckChannelResult,
    SupportRequest,
    SupportTopic,
    Tariff,
    Transaction,
    User,
    UsersGetBalanceResult,
)
from livephoto_client.json_values import exact, present
from livephoto_client.pages import Page, page_of
from livephoto_client.uploads import Upload


class Operations(Sender):
    """The methods of the contract, each named as its operationId."""

    def users_register_or_login(
        self,
        *,
        telegram_id: str,
        username: str | None = None,
        anon_user_id: str | None = None,
        ref_code: str | None = None,
    ) -> User:
        """Регистрация/логин по Telegram (идемпотентно).

        Создаёт пользователя при первом заходе или возвращает существующего.

        На один `telegramId` приходится ровно один пользователь, даже при одновременных
        запросах. Новый `username` сохраняется при каждом вызове, `anonUserId` — только первый
        раз; пустая строка означает то же, что отсутствие поля. `refCode` учитывается лишь при
        создании пользователя; неизвестный или собственный код не считается ошибкой и ничего не
        меняет.

        - `telegram_id`: Идентификатор пользователя в Telegram
        - `username`: Имя пользователя в Telegram, без «@»
        - `anon_user_id`: Идентификатор посетителя до регистрации, например с сайта
        - `ref_code`: Реферальный код пригласившего (опционально)
        """
        call: Call[User] = Call(
            method="POST",
            path="/users/register-or-login",
            json=present(
                {
                    "telegramId": telegram_id,
                    "username": username,
                    "anonUserId": anon_user_id,
                    "refCode": ref_code,
                }
            ),
            read=User.from_json,
        )
        return self._send(call)

    def users_get_by_id(
        self,
        user_id: str,
    ) -> User:
        """Получить пользователя по id.

        Возвращает пользователя с текущим балансом; 404 `user_not_found`, если его нет.

        - `user_id`: Идентификатор пользователя
        """
        call: Call[User] = Call(
            method="GET",
            path=f"/users/{part(user_id)}",
            read=User.from_json,
        )
        return self._send(call)

    def users_update_consent(
        self,
        user_id: str,
        *,
        consent_pd: bool,
    ) -> User:
        """Обновить статус согласия на обработку ПД.

        Сохраняет согласие или его отзыв и время ответа. Если сервер настроен требовать
        согласие, без него задания и платежи получают 403 `consent_required`.

        - `user_id`: Идентификатор пользователя
        - `consent_pd`: true — согласие дано, false — отозвано
        """
        call: Call[User] = Call(
            method="PATCH",
            path=f"/users/{part(user_id)}/consent",
            json=present({"consentPd": consent_pd}),
            read=User.from_json,
        )
        return self._send(call)

    def users_update_email(
        self,
        user_id: str,
        *,
        email: str,
    ) -> User:
        """Сохранить адрес для чеков.

        Куда отправлять чеки за следующие платежи через ЮKassa, если магазин их отправляет.
        Пустая строка — забыть адрес. Домен не латиницей передавайте в виде `xn--…`.

        - `user_id`: Идентификатор пользователя
        """
        call: Call[User] = Call(
            method="PATCH",
            path=f"/users/{part(user_id)}/email",
            json=present({"email": email}),
            read=User.from_json,
        )
        return self._send(call)

    def users_get_balance(
        self,
        user_id: str,
    ) -> UsersGetBalanceResult:
        """Получить баланс пользователя.

        Сколько токенов пользователь может потратить сейчас: то, что зарезервировано заданиями,
        уже вычтено.

        - `user_id`: Идентификатор пользователя
        """
        call: Call[UsersGetBalanceResult] = Call(
            method="GET",
            path=f"/users/{part(user_id)}/balance",
            read=UsersGetBalanceResult.from_json,
        )
        return self._send(call)

    def data_upload_multipart(
        self,
        *,
        file: Upload,
        type: DataType,
    ) -> Data:
        """Загрузка данных (multipart).

        Принимает файл фото/видео/аудио с типом. Альтернатива — presign.

        Размер ограничен для каждого типа (413, не дожидаясь конца файла). Содержимое
        проверяется и должно соответствовать `type` (415); имя файла не используется. Файл сразу
        готов к использованию, подтверждать его не нужно.

        Фотография (`image`) — это JPEG, PNG, WebP, HEIC или AVIF до 20 МиБ и до 50 мегапикселей
        (иначе 413), от 64 пикселей по каждой стороне; длинная сторона больше короткой не более
        чем в 8 раз (иначе 415). Здесь читается только заголовок: то, что видно по нему, в том
        числе обрезанный файл, отклоняется до заказа. В `details` тогда есть `code` — причина, с
        которой закончилось бы задание (как `meta.error.code`), и `message` — фраза для
        пользователя. Сами пиксели проверяются при обработке.

        - `file`: Содержимое файла
        - `type`: Вид файла
        """
        call: Call[Data] = Call(
            method="POST",
            path="/data",
            form=present({"file": file, "type": type}),
            read=Data.from_json,
            repeatable=False,
        )
        return self._send(call)

    def data_get_presign(
        self,
        *,
        type: DataType,
        file_name: str,
        content_type: str,
        idempotency_key: str | None = None,
    ) -> DataGetPresignResult:
        """Получить presigned URL для загрузки в S3.

        Выдаёт форму для загрузки файла напрямую в хранилище: `POST` на `uploadUrl` в виде
        `multipart/form-data`, сначала все поля из `fields`, последним — поле `file`. Форма
        подписана и ограничена размером, типом и временем. `contentType` должен подходить к
        `type` (иначе 415); если он неизвестен — `application/octet-stream`, тогда тип определит
        подтверждение по содержимому. После загрузки файл нужно подтвердить
        (`dataConfirmUpload`).

        - `type`: Вид файла
        - `file_name`: Имя файла у пользователя; в пути хранения не используется
        - `content_type`: Тип содержимого (RFC 6838), без параметров
        """
        call: Call[DataGetPresignResult] = Call(
            method="POST",
            path="/data/presign",
            json=present({"type": type, "fileName": file_name, "contentType": content_type}),
            read=DataGetPresignResult.from_json,
            idempotency_key=idempotency_key or new_key(),
        )
        return self._send(call)

    def data_confirm_upload(
        self,
        data_id: str,
        *,
        faces: bool | None = None,
    ) -> Data:
        """Подтвердить успешную загрузку файла.

        Проверяет, что файл пришёл (иначе 409 `upload_missing`), его размер (409
        `upload_mismatch`) и содержимое (415, 413), как `dataUploadMultipart`; после отказа по
        той же форме можно загрузить другой файл. Повторный вызов возвращает тот же объект.
        `publicS3Url` — подписанная ссылка, `expiredIn` — сколько секунд она ещё действует;
        каждый вызов выдаёт свежую.

        С `faces=true` сервер смотрит, есть ли на фотографии лица, и говорит об этом в `photo`,
        чтобы предупредить клиента до оплаты. Это занимает около секунды, один раз для файла.

        - `data_id`: Идентификатор файла
        - `faces`: Посмотреть, есть ли лица. Если сервер занят другой фотографией или пиксели не читаются, ответ будет без `photo.faces`
        """
        call: Call[Data] = Call(
            method="POST",
            path=f"/data/{part(data_id)}/confirm",
            query=present({"faces": faces}),
            read=Data.from_json,
        )
        return self._send(call)

    def jobs_list(
        self,
        *,
        user_id: str,
        limit: int | None = None,
    ) -> Page[Job]:
        """Список заданий пользователя.

        Задания от новых к старым. Ссылки `resultUrl` выданы заново и действуют ограниченное
        время.

        - `user_id`: Идентификатор пользователя
        - `limit`: Сколько записей вернуть
        """
        call: Call[Page[Job]] = Call(
            method="GET",
            path="/jobs",
            query=present({"userId": user_id, "limit": limit}),
            read=page_of(lambda each: Job.from_json(each)),
        )
        return self._send(call)

    def jobs_list_all(
        self,
        *,
        user_id: str,
        limit: int | None = None,
    ) -> Iterator[Job]:
        """Each item of `jobs_list`, page after page; `limit` is the size of a page."""
        call: Call[Page[Job]] = Call(
            method="GET",
            path="/jobs",
            query=present({"userId": user_id, "limit": limit}),
            read=page_of(lambda each: Job.from_json(each)),
        )
        return self._every(call)

    def jobs_create(
        self,
        *,
        user_id: str,
        service_type: ServiceType,
        input: Sequence[IOObject],
        model_id: str | None = None,
        description: str | None = None,
        client_ref: str | None = None,
        idempotency_key: str | None = None,
    ) -> Job:
        """Создать задание (резерв токенов).

        Создаёт заказ на оживление/реставрацию. Если баланс >= стоимости — резервируются токены.

        При нехватке баланса задание создаётся в статусе `waiting_payment`, ничего не
        резервируется, а `missingTokens` говорит, сколько не хватает; после пополнения такие
        задания запускаются сами, старые — первыми. На входе — подтверждённое изображение:
        `dataId` (404 `data_not_found`, 409 `data_not_confirmed`, 409 `data_not_usable`) или
        `url` с публичным адресом http(s), который загрузит исполнитель задания.

        `modelId` — модель из `GET /api/v1/models`; без него — модель по умолчанию для услуги.
        Неизвестная — 404 `model_not_found`; не для этой услуги, снятая с продажи или без
        подключённого движка — 409 `model_not_offered`. `description` — пожелание клиента:
        модель, у которой `takesWish`, учтёт его.

        Каждое фото в `input` (до 10, как в альбоме Telegram) — отдельный результат со своей
        ценой: цена заказа — цена одного фото, умноженная на их число.

        - `service_type`: animate — оживить, restore — отреставрировать
        - `model_id`: Модель генерации; без неё — модель услуги по умолчанию
        - `description`: Пожелания к результату
        - `client_ref`: Метка бота, например чат и сообщение: возвращается в задании, не разбирается и не пишется в журнал
        - `input`: Что обработать; каждое фото даёт отдельный результат и оплачивается
        """
        call: Call[Job] = Call(
            method="POST",
            path="/jobs",
            json=present(
                {
                    "userId": user_id,
                    "serviceType": service_type,
                    "modelId": model_id,
                    "description": description,
                    "clientRef": client_ref,
                    "input": [each.to_json() for each in input],
                }
            ),
            read=Job.from_json,
            idempotency_key=idempotency_key or new_key(),
        )
        return self._send(call)

    def jobs_get(
        self,
        job_id: str,
        *,
        wait: int | None = None,
    ) -> Job:
        """Получить задание.

        Ход выполнения — `status` и `progress` от 0 до 100; до готовности ещё `queuePosition` и
        `etaSeconds`. У готового задания есть `resultUrl`: ссылка выдаётся заново при каждом
        чтении. У неудачного `meta.error.message` объясняет причину по-русски, для клиента бота;
        токены уже возвращены.

        В заказе из нескольких фото `output` содержит по записи на каждое, в том же порядке.
        Фото, которое не получилось, вместо `dataId` имеет `meta.error`, а его цена возвращена;
        если не получилось ни одно, заказ неудачный. `resultUrl` — первое готовое; ссылку на
        любое даёт `dataConfirmUpload` по его `dataId`.

        С `wait` ответ приходит, как только изменится статус или процент, но не позже чем через
        столько секунд; у законченного задания — сразу. Так показывают заказ, который сейчас на
        экране; об остальных рассказывает `eventsList`.

        - `job_id`: Идентификатор задания
        - `wait`: Сколько секунд ждать новостей, если их ещё нет; 0 — не ждать
        """
        call: Call[Job] = Call(
            method="GET",
            path=f"/jobs/{part(job_id)}",
            query=present({"wait": wait}),
            read=Job.from_json,
        )
        return self._send(call)

    def jobs_cancel(
        self,
        job_id: str,
    ) -> Job:
        """Отменить задание (снять резерв).

        Задание в статусе `waiting_payment` или `queued` становится `failed` с `meta.reason:
        cancelled`, зарезервированные токены возвращаются один раз. Повторная отмена возвращает
        то же задание. Когда обработка началась или закончилась — 409 `job_not_cancellable`.

        - `job_id`: Идентификатор задания
        """
        call: Call[Job] = Call(
            method="POST",
            path=f"/jobs/{part(job_id)}/cancel",
            read=Job.from_json,
        )
        return self._send(call)

    def payments_create_intent(
        self,
        *,
        user_id: str,
        amount_rub: Decimal | int,
        provider: PaymentProvider | None = None,
        plan: str | None = None,
        client_ref: str | None = None,
        idempotency_key: str | None = None,
    ) -> PaymentIntent:
        """Создать платёж (инвойс) для пополнения.

        Возвращает ссылку/параметры для оплаты. Начисление через webhook.

        С `plan` (id или name тарифа) начисляются токены тарифа, и `amountRub` должен равняться
        его цене (409 `amount_mismatch`; нет такого тарифа — 404 `tariff_not_found`). Без `plan`
        токены считаются по цене одного токена. Сумма ограничена (409 `amount_out_of_range`).
        Провайдер не подключён — 409 `provider_not_configured`, отказал — 409
        `provider_rejected`, не отвечает — 503: повторите с тем же `Idempotency-Key`, второй
        платёж не появится.

        - `amount_rub`: Сумма в рублях, не больше двух знаков после запятой
        - `provider`: Кто принимает деньги
        - `plan`: tariff id/label (optional)
        - `client_ref`: Метка бота; возвращается в платеже, не разбирается и не пишется в журнал
        """
        call: Call[PaymentIntent] = Call(
            method="POST",
            path="/payments/intents",
            json=present(
                {
                    "userId": user_id,
                    "amountRub": exact(amount_rub),
                    "provider": provider,
                    "plan": plan,
                    "clientRef": client_ref,
                }
            ),
            read=PaymentIntent.from_json,
            idempotency_key=idempotency_key or new_key(),
        )
        return self._send(call)

    def payments_get(
        self,
        payment_id: str,
    ) -> Payment:
        """Получить платёж.

        Состояние платежа, как его знает сервер; провайдера не спрашивает. Если оплата не
        прошла, `error.message` объясняет это по-русски, для клиента бота. У платежа в статусе
        `pending` тоже бывает `error`: карту отклонили, а страница ещё открыта, и можно
        попробовать другую.

        - `payment_id`: Идентификатор платежа, `id` из PaymentIntent
        """
        call: Call[Payment] = Call(
            method="GET",
            path=f"/payments/{part(payment_id)}",
            read=Payment.from_json,
        )
        return self._send(call)

    def payments_check(
        self,
        payment_id: str,
    ) -> Payment:
        """Спросить провайдера о платеже сейчас.

        Для кнопки «Я оплатил»: уведомление провайдера могло потеряться. Сервер спрашивает
        провайдера, применяет ответ — токены начисляются один раз, кто бы ни сообщил первым, — и
        возвращает платёж. О платеже спрашивают не чаще раза в 5 секунд; раньше возвращается то,
        что уже известно (`checkedAt` — когда спрашивали). Об оплаченном и о давно закрытом не
        спрашивают. Провайдер не отвечает — 503, отказал — 409 `provider_rejected`, больше не
        подключён — 409 `provider_not_configured`.

        - `payment_id`: Идентификатор платежа, `id` из PaymentIntent
        """
        call: Call[Payment] = Call(
            method="POST",
            path=f"/payments/{part(payment_id)}/check",
            read=Payment.from_json,
        )
        return self._send(call)

    def transactions_list(
        self,
        *,
        user_id: str,
        limit: int | None = None,
    ) -> Page[Transaction]:
        """История транзакций пользователя.

        Движения токенов и денег от новых к старым. `charge` — списание за задание, `refund` —
        возврат, `purchase` — начисление за платёж, `promo` — бонус (`meta.reason`: welcome,
        channel, review, referral, lottery, grant), `gateway_payment` — рубли платежа (только у
        него меняется `status`). Сумма всех `tokensDelta` равна балансу.

        - `user_id`: Идентификатор пользователя
        - `limit`: Сколько записей вернуть
        """
        call: Call[Page[Transaction]] = Call(
            method="GET",
            path="/transactions",
            query=present({"userId": user_id, "limit": limit}),
            read=page_of(lambda each: Transaction.from_json(each)),
        )
        return self._send(call)

    def transactions_list_all(
        self,
        *,
        user_id: str,
        limit: int | None = None,
    ) -> Iterator[Transaction]:
        """Each item of `transactions_list`, page after page; `limit` is the size of a page."""
        call: Call[Page[Transaction]] = Call(
            method="GET",
            path="/transactions",
            query=present({"userId": user_id, "limit": limit}),
            read=page_of(lambda each: Transaction.from_json(each)),
        )
        return self._every(call)

    def subscriptions_check_channel(
        self,
        *,
        user_id: str,
        telegram_id: str,
        channel_username: str,
    ) -> SubscriptionsCheckChannelResult:
        """Проверить подписку пользователя на канал и начислить бонус.

        Спрашивает Telegram, состоит ли пользователь в канале. Бонус даётся один раз за канал.
        Канал должен участвовать в акции (409 `channel_not_eligible`), `telegramId` —
        принадлежать этому пользователю (409 `telegram_id_mismatch`). Telegram недоступен или
        бот не администратор канала — 503 `telegram_unavailable`: это не ответ «не подписан».

        - `channel_username`: Имя канала, с «@» или без
        """
        call: Call[SubscriptionsCheckChannelResult] = Call(
            method="POST",
            path="/subscriptions/check-channel",
            json=present(
                {"userId": user_id, "telegramId": telegram_id, "channelUsername": channel_username}
            ),
            read=SubscriptionsCheckChannelResult.from_json,
        )
        return self._send(call)

    def reviews_check(
        self,
        *,
        user_id: str,
        message_link: str | None = None,
    ) -> ReviewsCheckResult:
        """Проверить отзыв в канале и начислить награду (1 раз).

        Ищет отзыв среди сообщений чата отзывов, автор которых — этот пользователь, либо
        проверяет сообщение по ссылке. Пользователь награждается один раз, сообщение
        засчитывается один раз (409 `review_already_used`). Если авторство не доказано, если это
        команда, одно слово или слишком короткий текст, или если за такие же слова награждён
        другой — `found: false`. Telegram недоступен — 503 `telegram_unavailable`.

        - `message_link`: Ссылка на сообщение (если автопоиск невозможен)
        """
        call: Call[ReviewsCheckResult] = Call(
            method="POST",
            path="/reviews/check",
            json=present({"userId": user_id, "messageLink": message_link}),
            read=ReviewsCheckResult.from_json,
        )
        return self._send(call)

    def referrals_get_link(
        self,
        *,
        user_id: str,
    ) -> ReferralsGetLinkResult:
        """Получить реферальную ссылку.

        Ссылка на бота с кодом пользователя, чтобы пригласить друга.

        - `user_id`: Идентификатор пользователя
        """
        call: Call[ReferralsGetLinkResult] = Call(
            method="GET",
            path="/referrals/link",
            query=present({"userId": user_id}),
            read=ReferralsGetLinkResult.from_json,
        )
        return self._send(call)

    def referrals_stats(
        self,
        *,
        user_id: str,
    ) -> ReferralsStatsResult:
        """Статистика по рефералам.

        Сколько человек пришло по коду пользователя, сколько из них хотя бы раз заплатило и
        сколько токенов он за это получил.

        - `user_id`: Идентификатор пользователя
        """
        call: Call[ReferralsStatsResult] = Call(
            method="GET",
            path="/referrals/stats",
            query=present({"userId": user_id}),
            read=ReferralsStatsResult.from_json,
        )
        return self._send(call)

    def referrals_history(
        self,
        *,
        user_id: str,
        limit: int | None = None,
    ) -> Page[Referral]:
        """История приглашений.

        Приглашённые пользователем люди, от новых к старым. Награда пригласившему даётся один
        раз, за первый успешный платёж приглашённого.

        - `user_id`: Идентификатор пользователя
        - `limit`: Сколько записей вернуть
        """
        call: Call[Page[Referral]] = Call(
            method="GET",
            path="/referrals/history",
            query=present({"userId": user_id, "limit": limit}),
            read=page_of(lambda each: Referral.from_json(each)),
        )
        return self._send(call)

    def referrals_history_all(
        self,
        *,
        user_id: str,
        limit: int | None = None,
    ) -> Iterator[Referral]:
        """Each item of `referrals_history`, page after page; `limit` is the size of a page."""
        call: Call[Page[Referral]] = Call(
            method="GET",
            path="/referrals/history",
            query=present({"userId": user_id, "limit": limit}),
            read=page_of(lambda each: Referral.from_json(each)),
        )
        return self._every(call)

    def lotteries_current(
        self,
    ) -> Lottery:
        """Текущий розыгрыш.

        Розыгрыш, который идёт сейчас; 404 `no_current_lottery`, если его нет. `seedHash`
        объявлен заранее: после жеребьёвки по `seed` её можно проверить.
        """
        call: Call[Lottery] = Call(
            method="GET",
            path="/lotteries/current",
            read=Lottery.from_json,
        )
        return self._send(call)

    def lotteries_history(
        self,
        *,
        limit: int | None = None,
    ) -> Page[Lottery]:
        """История розыгрышей.

        Закончившиеся розыгрыши от новых к старым. У разыгранных есть `drawnAt`, `seed` и
        `winners`.

        - `limit`: Сколько записей вернуть
        """
        call: Call[Page[Lottery]] = Call(
            method="GET",
            path="/lotteries/history",
            query=present({"limit": limit}),
            read=page_of(lambda each: Lottery.from_json(each)),
        )
        return self._send(call)

    def lotteries_history_all(
        self,
        *,
        limit: int | None = None,
    ) -> Iterator[Lottery]:
        """Each item of `lotteries_history`, page after page; `limit` is the size of a page."""
        call: Call[Page[Lottery]] = Call(
            method="GET",
            path="/lotteries/history",
            query=present({"limit": limit}),
            read=page_of(lambda each: Lottery.from_json(each)),
        )
        return self._every(call)

    def lotteries_entry_me(
        self,
        *,
        user_id: str,
    ) -> LotteryEntry:
        """Моя запись в текущем розыгрыше.

        Участие появляется с первой отправкой ссылок или с первым приглашённым за время
        розыгрыша. Нет розыгрыша — 404 `no_current_lottery`, нет участия — 404
        `entry_not_found`.

        - `user_id`: Идентификатор пользователя
        """
        call: Call[LotteryEntry] = Call(
            method="GET",
            path="/lotteries/entries/me",
            query=present({"userId": user_id}),
            read=LotteryEntry.from_json,
        )
        return self._send(call)

    def lotteries_submit_social(
        self,
        *,
        user_id: str,
        social_links: Sequence[str],
    ) -> LotteryEntry:
        """Отправить ссылки на публикации для участия.

        Записывает ссылки http(s) на публикации; первая отправка создаёт участие в текущем
        розыгрыше. Одинаковые ссылки учитываются один раз. Нет розыгрыша — 404
        `no_current_lottery`.

        - `social_links`: Ссылки на публикации
        """
        call: Call[LotteryEntry] = Call(
            method="POST",
            path="/lotteries/entries/submit-social",
            json=present({"userId": user_id, "socialLinks": list(social_links)}),
            read=LotteryEntry.from_json,
        )
        return self._send(call)

    def tariffs_list(
        self,
        *,
        limit: int | None = None,
    ) -> Page[Tariff]:
        """Список тарифов на пополнение.

        Действующие тарифы в том порядке, в котором их показывают покупателю.

        - `limit`: Сколько записей вернуть
        """
        call: Call[Page[Tariff]] = Call(
            method="GET",
            path="/tariffs",
            query=present({"limit": limit}),
            read=page_of(lambda each: Tariff.from_json(each)),
        )
        return self._send(call)

    def tariffs_list_all(
        self,
        *,
        limit: int | None = None,
    ) -> Iterator[Tariff]:
        """Each item of `tariffs_list`, page after page; `limit` is the size of a page."""
        call: Call[Page[Tariff]] = Call(
            method="GET",
            path="/tariffs",
            query=present({"limit": limit}),
            read=page_of(lambda each: Tariff.from_json(each)),
        )
        return self._every(call)

    def models_list(
        self,
        *,
        service_type: ServiceType | None = None,
    ) -> list[Model]:
        """Модели генерации, которые можно заказать.

        Все модели, доступные сейчас: по услугам, сначала модель по умолчанию, дальше от дешёвых
        к дорогим. Цена и срок известны до заказа. `id` — для `modelId` в `POST /api/v1/jobs`.

        - `service_type`: Только модели этой услуги
        """
        call: Call[list[Model]] = Call(
            method="GET",
            path="/models",
            query=present({"serviceType": service_type}),
            read=lambda raw: [Model.from_json(each) for each in raw],
        )
        return self._send(call)

    def config_get(
        self,
    ) -> Config:
        """Что настроено на сервере.

        То, что бот показывает людям и проверяет до запроса: размеры бонусов и каналы, чат
        отзывов, подключённые способы оплаты, ограничения и сроки, версия текста согласия.
        Меняется только с перезапуском сервера; спрашивать чаще раза в несколько минут незачем.
        """
        call: Call[Config] = Call(
            method="GET",
            path="/config",
            read=Config.from_json,
        )
        return self._send(call)

    def support_requests_create(
        self,
        *,
        user_id: str,
        topic: SupportTopic,
        message: str,
        payment_id: str | None = None,
        job_id: str | None = None,
        client_ref: str | None = None,
        idempotency_key: str | None = None,
    ) -> SupportRequest:
        """Обратиться к оператору.

        Просьба вернуть деньги или помочь; её видит оператор, он же и отвечает. Telegram требует
        команды /paysupport от ботов, которые продают за звёзды. Платёж и заказ, если названы,
        должны принадлежать этому пользователю (404 `payment_not_found`, `job_not_found`). Не
        больше 5 обращений в сутки — дальше 429 `rate_limited` с `Retry-After`.

        - `topic`: refund — вернуть деньги, help — помочь
        - `message`: Что случилось, словами клиента
        - `payment_id`: Платёж, о котором речь
        - `job_id`: Заказ, о котором речь
        - `client_ref`: Метка бота; возвращается в ответе, не разбирается и не пишется в журнал
        """
        call: Call[SupportRequest] = Call(
            method="POST",
            path="/support/requests",
            json=present(
                {
                    "userId": user_id,
                    "topic": topic,
                    "message": message,
                    "paymentId": payment_id,
                    "jobId": job_id,
                    "clientRef": client_ref,
                }
            ),
            read=SupportRequest.from_json,
            idempotency_key=idempotency_key or new_key(),
        )
        return self._send(call)

    def webhook_payments(
        self,
        provider: PaymentProvider,
        *,
        body: Mapping[str, Any],
        stripe_signature: str | None = None,
        telegram_bot_api_secret_token: str | None = None,
    ) -> None:
        """Вебхук провайдера платежей.

        Подтверждает оплату и начисляет токены. Авторизация по подписи провайдера.

        Stripe — подпись `Stripe-Signature`; Telegram — секрет в
        `X-Telegram-Bot-Api-Secret-Token` (обновления может пересылать бот); ЮKassa уведомления
        не подписывает, поэтому платёж перепроверяется запросом к её API. Неподлинное
        уведомление — 401 `signature_invalid`. Каждое событие применяется один раз, повтор
        получает 200; неизвестный платёж сохраняется и тоже получает 200. При временной
        неполадке — 503, и провайдер повторит сам.

        - `stripe_signature`: Подпись Stripe, `t=<время>,v1=<HMAC-SHA256>`
        - `telegram_bot_api_secret_token`: Секрет, заданный при установке вебхука Telegram
        - `body`: Уведомление в том виде, в каком его прислал провайдер
        """
        call: Call[None] = Call(
            method="POST",
            path=f"/webhooks/payments/{part(provider)}",
            headers=present(
                {
                    "Stripe-Signature": stripe_signature,
                    "X-Telegram-Bot-Api-Secret-Token": telegram_bot_api_secret_token,
                }
            ),
            content=dict(body),
            needs_api_key=False,
        )
        return self._send(call)

    def events_list(
        self,
        *,
        after: int | None = None,
        limit: int | None = None,
        wait: int | None = None,
    ) -> list[Event]:
        """События для бота, с ожиданием.

        Всё, что случилось с заказами, платежами, бонусами и розыгрышами всех пользователей, от
        старых к новым. Бот обрабатывает событие, затем передаёт его `sequence` в `after` — это
        подтверждение и место, откуда читать дальше. Без `after` чтение продолжается с
        последнего подтверждённого места, поэтому боту не обязательно что-то хранить.

        Каждое событие приходит хотя бы раз, события одного пользователя — по порядку. Повтор
        узнают по `id`. Если новых событий нет, ответ с `wait` приходит, как только появится
        первое, но не позже чем через столько секунд; тогда он — пустой массив, и запрос просто
        повторяют. Один такой запрос заменяет опрос всех заказов.

        События хранятся не меньше 7 дней. Ссылки в `results` подписаны при чтении и действуют
        ограниченное время; чтобы получить новые, прочтите событие ещё раз. Номера `sequence`
        растут, но могут идти с пропусками. Типы и поля, которых бот не знает, он пропускает.

        - `after`: `sequence` последнего обработанного события, 0 — с самого начала. Если такого места ещё не было (например, после восстановления базы), ответ — 400 `bad_request`: начните без `after`
        - `limit`: Сколько событий вернуть за раз
        - `wait`: Сколько секунд ждать новостей, если их ещё нет; 0 — не ждать
        """
        call: Call[list[Event]] = Call(
            method="GET",
            path="/events",
            query=present({"after": after, "limit": limit, "wait": wait}),
            read=lambda raw: [Event.from_json(each) for each in raw],
        )
        return self._send(call)

    def health_live(
        self,
    ) -> Liveness:
        """Процесс отвечает.

        Ничего не проверяет, кроме самого процесса. Если ответа нет, сервер завис.
        """
        call: Call[Liveness] = Call(
            method="GET",
            path="/health/live",
            read=Liveness.from_json,
            needs_api_key=False,
        )
        return self._send(call)

    def health_ready(
        self,
    ) -> Readiness:
        """Сервер готов принимать запросы.

        Проверяет всё, без чего запросы не выполнить: базу данных, её версию, хранилище файлов.
        503 — запросы сюда пока не направлять.
        """
        call: Call[Readiness] = Call(
            method="GET",
            path="/health/ready",
            read=Readiness.from_json,
            needs_api_key=False,
        )
        return self._send(call)
