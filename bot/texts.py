"""Everything the bot says, in Russian. Prices, reasons and news come from the backend."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from livephoto_client import (
    ConfigBonuses,
    Data,
    Event,
    Job,
    JobMeta,
    Lottery,
    LotteryEntry,
    Model,
    PaymentIntent,
    ReferralsStatsResult,
    Refusal,
    Tariff,
    Transaction,
)

COMMANDS = {
    "start": "начать",
    "buy": "купить токены",
    "balance": "сколько у меня токенов",
    "history": "мои заказы и движения токенов",
    "bonus": "токены за подписку на канал",
    "review": "токены за отзыв",
    "friends": "пригласить друга",
    "lottery": "розыгрыш",
    "paysupport": "вопрос об оплате, возврат",
    "terms": "условия",
    "delete_me": "удалить мои данные",
    "help": "все команды",
}

WELCOME = (
    "Здравствуйте! Я оживляю старые фотографии и реставрирую их: снимок превращается в короткое "
    "видео, а царапины и выцветшие места исчезают.\n\n"
    "Чтобы работать с вашими фото, мне нужно согласие на обработку персональных данных. "
    "Условия: /terms"
)
AGREE = "✅ Согласен"
AGREED = "Спасибо! Пришлите фотографию. Если отправить её файлом, качество будет лучше."
CONSENT_FIRST = (
    "Сначала нужно ваше согласие на обработку персональных данных. Условия: /terms\n"
    "После него я сразу займусь этой фотографией."
)
NOT_A_PHOTO = "Пришлите фотографию: обычным фото или файлом, можно альбомом. Все команды: /help"
TOO_LARGE = "Этот файл слишком большой. Пришлите фотографию до 20 МБ."
DROPPED = "Хорошо, ничего не делаем. Пришлите другую фотографию, когда захотите."
MODEL_GONE = "Этой услуги больше нет. Пришлите фото ещё раз и выберите другую."
TARIFF_GONE = "Этого тарифа больше нет. Посмотрите нынешние: /buy"
STALE = "Эта кнопка больше не действует. Пришлите фото ещё раз или откройте /history."
ORDERED_ALREADY = "Этот заказ уже сделан. Чтобы заказать другое, пришлите фото ещё раз."
SENDING = "Отправляю…"
EXPIRED = "Этот результат уже удалён: файлы хранятся недолго. Пришлите фото ещё раз."
CANCEL, AGAIN, BUY = "✖️ Отменить", "📥 Прислать ещё раз", "Пополнить"
FOR_PRINT = "Без сжатия, для печати"
NO_FACES = "Лиц на фото не нашлось, поэтому движется только камера."
DAMAGE_LEFT = "Часть повреждений исправить не удалось: попробуйте другой способ реставрации."
REPEATED = "Я перезапускался. Если вы это уже получили, это повтор:"
INTERRUPTED = "Я перезапускался и отвечаю ещё раз. Если ответ уже был, это повтор."
AWAY = "Сервис сейчас не отвечает. Ничего не списано; попробуйте через минуту."
FAULT = "Что-то пошло не так на нашей стороне. Попробуйте ещё раз через минуту."

I_PAID, ANOTHER_WAY, CHECKING = "🔄 Я оплатил", "Другой способ", "Проверяю…"
NOT_PAID_YET = (
    "Оплаты пока не видно. Если вы заплатили, подождите: иногда это занимает до пяти минут. "
    "Я напишу сам."
)
STARS_PAID = "Звёзды получены, спасибо! Токены вот-вот появятся."
SUPPORT = (
    "Если что-то не так с оплатой или нужен возврат, напишите одним сообщением: /paysupport "
    "и в чём дело. Например: /paysupport заплатил 199 ₽, токенов нет"
)
SUPPORT_TAKEN = "Обращение принято, мы ответим здесь. Спасибо, что написали."
TERMS = (
    "Условия.\n\n"
    "• Услуга оказана, когда готов результат. Не получилось или заказ отменён — токены сразу "
    "возвращаются на баланс.\n"
    "• Купленные токены можно вернуть деньгами, пока они не потрачены: /paysupport\n"
    "• Фотографии обрабатываются только для вашего заказа, хранятся недолго и удаляются. "
    "Присылайте лишь те, на которые у вас есть право.\n"
    "• Согласие на обработку персональных данных можно отозвать: /delete_me"
)
YES = "да"
DELETE_ME = (
    "Я отзову ваше согласие и попрошу удалить ваши фотографии и данные. Оставшиеся токены "
    f"пропадут. Если вы уверены, отправьте: /delete_me {YES}"
)
DELETION_TAKEN = (
    "Согласие отозвано, запрос на удаление передан. Мы сообщим, когда всё будет удалено."
)
DELETION_WANTED = "Прошу удалить мои персональные данные."

NOT_SUBSCRIBED = "Подписки пока не видно. Подпишитесь и нажмите ещё раз."
BONUS_WAS_GIVEN = "Подписка есть, спасибо! Бонус за этот канал у вас уже был."
REVIEW_WAS_REWARDED = "Отзыв есть, спасибо! Награда за него уже была."
NOT_A_LINK = "Это не ссылка. Нужна такая: https://..., скопированная из самого сообщения."
NO_LOTTERY = "Сейчас розыгрыша нет. Загляните позже."

SERVICES = {"animate": "✨", "restore": "🖌"}
PAYMENTS = {
    "succeeded": "Оплачено ✅",
    "failed": "Оплата не прошла ❌ Выбрать снова: /buy",
    "canceled": "Оплата не прошла ❌ Выбрать снова: /buy",
    "expired": "Счёт закрыт: его не оплатили вовремя. Выбрать снова: /buy",
    "refunded": "Деньги возвращены",
    "partly_refunded": "Часть денег возвращена",
    "disputed": "Платёж оспорен в банке",
}
MOVES = {
    "charge": "заказ",
    "refund": "возврат",
    "purchase": "покупка",
    "welcome": "подарок",
    "channel": "подписка на канал",
    "review": "отзыв",
    "referral": "приглашённый друг",
    "lottery": "розыгрыш",
    "grant": "подарок",
    "promo": "бонус",
}


def tokens(amount: Decimal) -> str:
    """1 токен, 2 токена, 5 токенов; 2,5 токена."""
    last, tens = abs(int(amount)) % 10, abs(int(amount)) % 100
    if amount != int(amount):
        return f"{_number(amount)} токена"
    if 10 < tens < 20 or last == 0 or last > 4:
        return f"{_number(amount)} токенов"
    return f"{_number(amount)} {'токен' if last == 1 else 'токена'}"


def welcome_back(balance: Decimal) -> str:
    """/start of somebody who is known."""
    return f"С возвращением! На балансе {tokens(balance)}. Пришлите фотографию."


def help_() -> str:
    """All commands."""
    return "Пришлите фотографию, а я предложу, что с ней сделать.\n\n" + "\n".join(
        f"/{name} — {text}" for name, text in COMMANDS.items()
    )


def refusal(trouble: Refusal) -> str:
    """Why the backend refused, as it wants it told."""
    return trouble.user_message or FAULT


def what_to_do(photos: int) -> str:
    """Above the choice of services."""
    return "Что сделать с этим фото?" if photos == 1 else f"Что сделать с этими фото ({photos})?"


def warnings(photos: Sequence[Data]) -> list[str]:
    """What the backend says of photos that is better known before paying."""
    return [
        f"⚠️ {f'Фото {number}: ' if len(photos) > 1 else ''}{warning.message}"
        for number, each in enumerate(photos, 1)
        if each.photo
        for warning in each.photo.warnings
    ]


def choice(model: Model, photos: int) -> str:
    """A service with its price for all photos, and how long it takes."""
    price = tokens(model.price_tokens * photos)
    time = _duration(model.usual_seconds * photos)
    return f"{SERVICES[model.service_type]} {model.title} · {price} · {time}"


def drop(number: int, photos: int) -> str:
    """A button that takes a photo out of the choice."""
    return "✖️ Не надо" if photos == 1 else f"✖️ {number}"


def shortage(job: Job) -> str:
    """An order that waits for tokens."""
    missing = f" Не хватает: {tokens(job.missing_tokens)}." if job.missing_tokens else ""
    return (
        f"Заказ №{job.order_id}: нужно {tokens(job.price_tokens)}.{missing}\n"
        "Выберите, сколько купить. После оплаты заказ начнётся сам."
    )


def queued(job: Job) -> str:
    """An order that waits for its turn."""
    return f"Заказ №{job.order_id} в очереди{_outlook(job)}."


def in_work(job: Job) -> str:
    """An order that is being worked on."""
    return f"Заказ №{job.order_id} в работе: {job.progress} %{_left(job)}"


def done(job: Job) -> str:
    """What remains in the message of an order when it has been sent."""
    return f"Заказ №{job.order_id} готов ✅"


def failed(job: Job) -> str:
    """What remains in the message of an order that came to nothing."""
    if job.meta.reason == "cancelled":
        return f"Заказ №{job.order_id} отменён, токены возвращены."
    if job.meta.reason == "not_paid":
        return f"Заказ №{job.order_id} закрыт: оплата не пришла."
    error = job.meta.error.message if job.meta.error else ""
    return f"Заказ №{job.order_id} не получился. {error} Токены возвращены."


def caption(order_id: str, size: int, about: JobMeta) -> str:
    """Under a result: what it is, what could not be done, and what to do if it pleased."""
    facts = [f"Заказ №{order_id}"]
    facts += [f"{about.width}×{about.height}"] if about.width and about.height else []
    seconds = about.duration_seconds
    facts += [f"{_number(Decimal(str(round(seconds, 1))))} с"] if seconds else []
    facts += [f"{_number(Decimal(size) / 1_000_000, 1)} МБ"]
    lines = [" · ".join(facts)]
    lines += [NO_FACES] if seconds and about.faces == 0 else []
    lines += [DAMAGE_LEFT] if about.damage_left else []
    return "\n".join([*lines, "Понравилось? Оставьте отзыв: /review"])


def news(event: Event) -> str:
    """News in the backend's words, and the balance after it."""
    balance = f"\nНа балансе {tokens(event.user.balance_tokens)}." if event.user else ""
    failed = event.type == "payment.failed"
    return event.text + ("\nВыбрать снова: /buy" if failed else balance)


def buy(balance: Decimal) -> str:
    """Above the tariffs."""
    return f"На балансе {tokens(balance)}. Сколько купить?"


def tariff(each: Tariff) -> str:
    """The button of a tariff."""
    return f"{tokens(Decimal(each.monthly_tokens))} · {_number(each.cost_rub)} ₽"


def how_to_pay(each: Tariff) -> str:
    """Above the providers."""
    return f"{tariff(each)}. Как заплатить?"


def provider(name: str, each: Tariff) -> str:
    """The button of a provider."""
    stars = f"⭐ {each.stars} звёзд Telegram" if each.stars else "Telegram"
    rubles = _number(each.cost_rub)
    return {"telegram": stars, "yookassa": f"💳 Карта или СБП, {rubles} ₽"}.get(
        name, f"💳 Зарубежная карта, {rubles} ₽"
    )


def _price(intent: PaymentIntent) -> str:
    return f"⭐ {intent.stars}" if intent.stars else f"{_number(intent.amount_rub)} ₽"


def pay_now(intent: PaymentIntent) -> str:
    """The button that leads to the provider."""
    return f"Оплатить {_price(intent)}"


def paying(intent: PaymentIntent) -> str:
    """Above that button."""
    bought = f" за {tokens(intent.tokens)}" if intent.tokens else ""
    return f"К оплате {_price(intent)}{bought}. Токены придут сами, я напишу."


def payment(status: str) -> str:
    """What remains in the message of a payment."""
    return PAYMENTS.get(status, "Платёж закрыт. Выбрать снова: /buy")


def balance(amount: Decimal) -> str:
    """/balance."""
    return f"На балансе {tokens(amount)}."


def again(job: Job) -> str:
    """The button of a result in /history."""
    return f"📥 №{job.order_id} {SERVICES[job.service_type]} {job.created_at:%d.%m.%Y}"


def history(moves: Sequence[Transaction]) -> str:
    """The last moves of tokens."""
    lines = [
        f"{move.created_at:%d.%m.%Y}  {'+' if move.tokens_delta > 0 else ''}"
        f"{_number(move.tokens_delta)}  {_reason(move)}"
        for move in moves
        if move.tokens_delta
    ]
    return "Движения токенов:\n" + ("\n".join(lines) or "пока нет")


def bonus(given: ConfigBonuses) -> str:
    """The channels whose subscribers get tokens."""
    if not given.channels or not given.channel_tokens:
        return "Сейчас бонусов за подписку нет."
    each = tokens(given.channel_tokens)
    return f"Подпишитесь и нажмите кнопку: за каждый канал {each}.\n" + "\n".join(given.channels)


def subscribed(channel: str) -> str:
    """The button that has a subscription checked."""
    return f"✅ Я подписался на {channel}"


def no_review(chat: str | None, link: str | None) -> str:
    """Nothing was found that could be rewarded."""
    if not chat:
        return "Сейчас отзывы не собираются. Спасибо за желание!"
    if link:
        return "Это сообщение не засчитано: нужно ваше, не слишком короткое и своими словами."
    return (
        f"Отзыва пока не вижу. Напишите пару слов в {chat} и повторите /review, или пришлите "
        "ссылку на сообщение: /review https://t.me/..."
    )


def friends(link: str, stats: ReferralsStatsResult) -> str:
    """/friends."""
    return (
        f"Ваша ссылка: {link}\nКогда друг впервые заплатит, вы получите токены.\n\n"
        f"Пришли: {stats.total_invited}, заплатили: {stats.invited_paid_count}, "
        f"вы получили {tokens(stats.ref_earned)}."
    )


def lottery(running: Lottery, entry: LotteryEntry | None) -> str:
    """/lottery."""
    part = (
        f"Вы участвуете: публикаций {len(entry.social_links)}, друзей {entry.referral_count}."
        if entry
        else "Чтобы участвовать, пригласите друга (/friends) или пришлите ссылку на свою "
        "публикацию: /lottery https://..."
    )
    ends = f"{running.end_date:%d.%m.%Y}"
    return f"{running.title}\n{running.description}\nДо {ends}.\n\n{part}"


def _reason(move: Transaction) -> str:
    return MOVES.get(move.meta.reason or "") or MOVES.get(move.type, move.type)


def _number(value: Decimal | int, places: int = 2) -> str:
    text = f"{round(Decimal(value), places):f}"
    return (text.rstrip("0").rstrip(".") if "." in text else text).replace(".", ",")


def _duration(seconds: int) -> str:
    return f"~{max(1, round(seconds / 60))} мин" if seconds >= 60 else f"~{max(seconds, 1)} с"


def _outlook(job: Job) -> str:
    ahead = (job.queue_position or 1) - 1
    queue = f", перед ним {ahead}" if ahead else ""
    return queue + (f", будет готов через {_duration(job.eta_seconds)}" if job.eta_seconds else "")


def _left(job: Job) -> str:
    return f", осталось {_duration(job.eta_seconds)}" if job.eta_seconds else ""
