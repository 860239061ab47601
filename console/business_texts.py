"""Words of the pages about the business: figures, lotteries, prices, engines, events, proofs."""

from __future__ import annotations

SECTION = "Дело"
LOTTERIES, TARIFFS, MODELS = "Розыгрыши", "Тарифы", "Модели"
SUPPORT = "Обращения"
ENGINES, OUTBOX, LEDGER = "Движки", "Исходящие события", "Сверка книги"

YES_OR_NO = ("yes", "no")
OFFERS = ("default", "on", "off")

NOT_A_TIME = "Это не дата и время."
WRONG_COST = "Число от 0, не более шести знаков после запятой."
IN_THE_PAST = "Это время уже прошло."
LOTTERY_CREATED = "Розыгрыш создан; хеш зерна опубликован."
LOTTERY_CHANGED = "Розыгрыш изменён."
LOTTERY_CLOSED = "Розыгрыш закрыт без победителей."
LOTTERY_DRAWN = "Розыгрыш проведён, токены победителям начислены."
TARIFF_ADDED = "Тариф в продаже."
TARIFF_CHANGED = "Тариф изменён."
MODEL_CHANGED = "Модель изменена."
ENGINE_CHANGED = "Пределы движка изменены."
ENGINE_RESUMED = "Движок снова берёт заказы."
EVENT_REPLAYED = "Событие будет послано снова."
REQUEST_CLOSED = "Обращение закрыто."
REQUEST_WAS_CLOSED = "Это обращение уже было закрыто."
CHECK_ASKED = "Обработчик начнёт проверку в течение минуты."

NAMES = {
    "signal": {
        "queue": "В очереди",
        "parked_events": "Неразобранные события оплаты",
        "troubled_payments": "Платежи с трудностью",
        "held_reviews": "Отзывы ждут решения",
        "requests": "Обращения людей",
        "dead_events": "События не дошли до бота",
        "doubtful_orders": "Заказы с неизвестной судьбой",
        "undelivered_events": "События в пути к боту",
        "open_breakers": "Движки не берут заказы",
        "ledger_check": "Нарушений в книге",
        "figures_check": "Расхождений в цифрах",
    },
    "step": {"registered": "Люди", "photo": "Фото", "order": "Заказ", "payment": "Оплата"},
    "lottery": {
        "to_come": "впереди",
        "running": "идёт",
        "to_be_drawn": "пора проводить",
        "drawn": "проведён",
        "closed": "закрыт без победителей",
    },
    "offer": {"default": "продаётся, основная", "on": "продаётся", "off": "не продаётся"},
    "yes_or_no": {"yes": "да", "no": "нет"},
    "doubtful": {"yes": "только те, что могли попасть в счёт"},
    "charged": {"no": "нет", "yes": "да", "maybe": "неизвестно"},
    "delivery": {
        "kept": "ждёт чтения",
        "pending": "в пути",
        "delivered": "доставлено",
        "dead": "не дошло",
    },
    "rule": {
        "balance is the sum of the moves": "баланс равен сумме движений",
        "balance is that of the newest move": "баланс равен тому, что после последнего движения",
        "every move continues the one before it": "каждое движение продолжает предыдущее",
        "live and done jobs are charged their price, once": (
            "идущие и готовые заказы оплачены один раз"
        ),
        "jobs that ended kept what they consumed and gave back the rest": (
            "оконченные заказы взяли своё и вернули остальное"
        ),
        "live jobs have no refund, waiting ones no charge": (
            "у идущих заказов нет возврата, у ждущих нет списания"
        ),
        "a paid payment has one success gateway_payment and one purchase of its tokens": (
            "у оплаченного платежа одна оплата и одна покупка его токенов"
        ),
        "refunds of a payment add up to what it says was taken back": (
            "возвраты платежа равны тому, что в нём записано"
        ),
        "purchases and refunds belong to the payer": "покупки и возвраты у того, кто платил",
        "an inviter holds the reward of each friend once": "награда за друга дана один раз",
        "charges and refunds belong to the job's own user": "списания и возвраты у хозяина заказа",
        "the figures of a day are those of its rows": "цифры дня равны его строкам",
        "all days together moved the tokens of the ledger": "токены всех дней равны книге",
        "all days together took the rubles of the ledger": "рубли всех дней равны книге",
        "all days together returned the rubles of the ledger": "возвраты всех дней равны книге",
    },
    "topic": {"refund": "вернуть деньги", "help": "помощь"},
    "check": {"ledger": "Книга", "figures": "Цифры"},
}
ACTIONS = {"ledger.check": "сверка: проверить сейчас", "list.export": "список: выгрузить"}
COLOURS = {
    "running": "blue",
    "to_be_drawn": "orange",
    "drawn": "green",
    "default": "green",
    "on": "blue",
    "delivered": "green",
    "dead": "red",
}
REFUSALS = {
    "there is no such request": "Такого обращения нет.",
    "another lottery runs in this period": "В этот период уже идёт другой розыгрыш.",
    "a lottery has at most 1000 prizes": "Призовых мест может быть не больше 1000.",
    "the end must come after the start": "Конец должен быть позже начала.",
    "this lottery has been drawn": "Этот розыгрыш уже проведён.",
    "this lottery has been closed": "Этот розыгрыш уже закрыт.",
    "this lottery has not been drawn": "Этот розыгрыш ещё не проводился.",
    "this lottery has been drawn, or another one comes first": (
        "Проводить пока нечего: этот розыгрыш не кончился, уже проведён, или сначала должен "
        "пройти другой."
    ),
    "this place has not been drawn": "Это место не разыгрывалось.",
    "there is nobody left to draw from": "Выбирать больше не из кого.",
    "the seed is not the one whose hash was published": "Зерно не то, чей хеш был опубликован.",
    "the entries are not those that were drawn from": (
        "Участники не те, среди которых проводился розыгрыш."
    ),
    "the winners are not those of the rule": "Победители не те, что следуют из правила.",
    "there is a tariff of this name": "Такой тариф уже есть.",
    "a name is part of an address: nothing in it is empty or dots only": (
        "Имя входит в адрес: между косыми чертами должно быть что-то, кроме точек."
    ),
    "somebody else has changed it meanwhile: look at it again": (
        "Это уже изменил кто-то другой: откройте страницу заново."
    ),
    "there is no such engine": "Такого движка нет.",
}
# Titles of the columns of files, by the fields of their rows.
COLUMNS = {
    "audit": {
        "at": "Когда",
        "who": "Кто",
        "role": "Роль",
        "action": "Действие",
        "target": "С чем",
        "reason": "Почему",
        "outcome": "Исход",
        "note": "Заметка",
        "request_id": "Запрос",
        "address": "Адрес",
    },
    "inbox": {
        "received_at": "Пришло",
        "provider": "Провайдер",
        "kind": "Вид",
        "state": "Состояние",
        "reason": "Почему",
        "payment_id": "Платёж",
        "id": "Номер",
    },
    "jobs": {
        "number": "Заказ",
        "created_at": "Создан",
        "finished_at": "Закончен",
        "service_type": "Услуга",
        "photos": "Фото",
        "status": "Состояние",
        "error_code": "Ошибка",
        "attempt": "Попыток",
        "price_tokens": "Токенов",
        "engine": "Движок",
        "user_id": "Чей",
        "id": "Номер",
    },
    "outbox": {
        "sequence": "Номер",
        "created_at": "Написано",
        "type": "Событие",
        "state": "Состояние",
        "attempt": "Попыток",
        "last_status": "Ответ",
        "last_error": "Ошибка",
        "user_id": "Кому",
    },
    "payments": {
        "number": "Платёж",
        "created_at": "Создан",
        "paid_at": "Оплачен",
        "provider": "Провайдер",
        "status": "Состояние",
        "amount_rub": "Рублей",
        "tokens": "Токенов",
        "refunded_rub": "Возвращено рублей",
        "refunded_tokens": "Забрано токенов",
        "reference": "У провайдера",
        "last_error": "Трудность",
        "user_id": "Чей",
        "id": "Номер",
    },
    "people": {
        "telegram_id": "Telegram id",
        "username": "Имя в Telegram",
        "balance_tokens": "Баланс",
        "created_at": "Пришёл",
        "banned_at": "Заблокирован",
        "id": "Номер",
    },
    "reviews": {
        "posted_at": "Написан",
        "author_telegram_id": "Автор",
        "prose_length": "Знаков",
        "state": "Состояние",
        "note": "Заметка",
        "user_id": "Кому засчитан",
        "id": "Номер",
    },
}
# What "since when" of a signal means, where it is not the oldest of what waits.
_SINCE = {"ledger_check": "проверено", "figures_check": "проверено"}
_PERIODS = {1: "Сегодня", 7: "7 дней", 30: "30 дней"}


def period(length: int) -> str:
    """So many days up to today."""
    return _PERIODS[length]


def since(signal: str) -> str:
    """Before the moment of a signal."""
    return _SINCE.get(signal, "с")


def wrong_whole(least: int, most: int) -> str:
    """Of a whole number."""
    return f"Целое число от {least} до {most}."


def seconds(count: str) -> str:
    """So many seconds; the spaces do not break."""
    return f"{count}\u00a0с"


def minutes(count: float, seconds: float) -> str:
    """Minutes and seconds."""
    return f"{count:.0f}\u00a0мин {seconds:.0f}\u00a0с"


def hours(count: float, minutes: float) -> str:
    """Hours and minutes."""
    return f"{count:.0f}\u00a0ч {minutes:.0f}\u00a0мин"


def lottery_redrawn(place: int, round: int) -> str:
    """A place has another winner."""
    return f"Место {place} разыграно заново, круг {round}."


def events_replayed(count: int) -> str:
    """So many are on their way again."""
    return f"Снова в пути событий: {count}."


def first_rows_only(count: int) -> str:
    """The end of a file that is not the end of its list."""
    return f"Здесь первые строки, не больше {count}: уточните фильтр"
