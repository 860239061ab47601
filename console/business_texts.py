"""Words of the pages about the business: figures, lotteries, prices, engines, events, proofs."""

from __future__ import annotations

SECTION = "Дело"
LOTTERIES, TARIFFS, MODELS = "Розыгрыши", "Тарифы", "Модели"
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
    "somebody else has changed it meanwhile: look at it again": (
        "Это уже изменил кто-то другой: откройте страницу заново."
    ),
    "there is no such engine": "Такого движка нет.",
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
