"""What Python says to operators, and names that pages share; the rest is in the templates."""

from __future__ import annotations

from decimal import Decimal
from math import ceil

from errors import ApiError
from services import ledger
from services.inbox import Verdict
from workflows.logins import LoginRefused

YES, NO = "да", "нет"

SECTION_WORK = "Работа"
PAGE_HOME = "Главная"
PAGE_REVIEWS = "Отзывы"
SECTION_CONSOLE = "Консоль"
PAGE_AUDIT = "Журнал действий"
PAGE_OPERATORS = "Операторы"
PAGE_SETTINGS = "Настройки"
PAGE_SESSIONS = "Мои сеансы"
PAGE_PEOPLE = "Люди"
PAGE_ORDERS = "Заказы"
PAGE_PAYMENTS = "Платежи"
PAGE_INBOX = "События провайдеров"

NO_OPERATOR = (
    "Консоль выключена: ещё нет ни одного оператора. Заведите его командой "
    "«python cli.py operators add ИМЯ --role admin»."
)
FOREIGN_FORM = "Форма устарела или отправлена не с этой страницы. Откройте страницу заново."
NO_LINK = "Ссылка уже использована, устарела или неверна. Попросите новую."
AWAY = "База данных или провайдер сейчас не отвечает. Ничего не изменено; попробуйте ещё раз."
TOO_MUCH = "Слишком много: база не успела за две секунды. Уточните фильтр или период."

NEEDED = "Заполните это поле."
NOT_THE_SAME = "Пароли не совпадают."
NOT_A_CHOICE = "Такого варианта нет."
NOT_A_DAY = "Это не дата."
WRONG_LOGIN = "Имя, пароль или код не подходит."

LINK_SHOWN = "Готово. Ссылка показывается один раз; если она потеряна, сделайте новую."
ROLE_CHANGED = "Роль изменена, сеансы закончены."
OPERATOR_DISABLED = "Оператор отключён, сеансы закончены."
SESSION_ENDED = "Сеанс завершён."
SESSION_WAS_OVER = "Этот сеанс уже закончен."

REVIEW_REWARDED = "Отзыв засчитан, бонус начислен."
REVIEW_REWARDED_BEFORE = "Отзыв засчитан; бонус этот человек уже получал."
REVIEW_REJECTED = "Отзыв отклонён."

ORDER_FAILED = "Заказ завершён, токены возвращены."
BANNED = "Человек заблокирован."
GIVE, TAKE = "Начислить", "Списать"
UNBANNED = "Блокировка снята."
EVENT_DISMISSED = "Событие отложено."

# What the statuses of HTTP mean to an operator, where nothing more is known.
STATUSES = {
    400: "Так написать адрес нельзя.",
    403: "На это у вашей роли нет права.",
    404: "Такой страницы нет.",
    405: "Так эту страницу не открывают.",
    413: "Слишком много данных для одной формы.",
    500: "Внутренняя ошибка. Подробности в журнале сервера под этим номером запроса.",
}

MOVES = {
    "charge": "списание за заказ",
    "purchase": "покупка токенов",
    "refund": "возврат",
    "promo": "бонус или ручное движение",
    "gateway_payment": "платёж",
}
NAMES = {
    "role": {
        "viewer": "наблюдатель",
        "support": "поддержка",
        "admin": "администратор",
        "command": "командная строка",
    },
    "review": {
        "seen": "ждёт",
        "held": "копия, ждёт решения",
        "rewarded": "засчитан",
        "rejected": "отклонён",
    },
    "hit": {
        "user": "человек",
        "job": "заказ",
        "payment": "платёж",
        "transaction": "движение",
        "data": "файл",
        "payment_event": "событие провайдера",
        "event": "событие для бота",
    },
    "person": {"banned": "заблокирован"},
    "job": {
        "waiting_payment": "ждёт оплаты",
        "queued": "в очереди",
        "processing": "в работе",
        "done": "готов",
        "failed": "не удался",
    },
    "service": {"animate": "оживить", "restore": "восстановить"},
    "attempt": {
        "preparing": "готовится",
        "creating": "заказывается",
        "unknown": "неизвестно",
        "running": "идёт",
        "fetching": "забираем",
        "cancelling": "отменяется",
        "done": "готов",
        "failed": "не удался",
        "refused": "отказано",
        "canceled": "отменён",
    },
    "payment": {
        "pending": "ждём оплату",
        "succeeded": "оплачен",
        "canceled": "отменён",
        "expired": "истёк",
        "partly_refunded": "возвращён частично",
        "refunded": "возвращён",
        "disputed": "оспорен",
        "troubled": "с трудностями",
    },
    "provider": {"yookassa": "ЮKassa", "stripe": "Stripe", "telegram": "Telegram Stars"},
    "inbox": {
        "applied": "применено",
        "ignored": "ничего не меняет",
        "parked": "ждёт решения",
        "flagged": "применено, но взгляните",
    },
    "move": MOVES,
    "move_status": {"success": "прошло", "pending": "ждёт", "failed": "не прошло"},
    "file": {"pending": "загружается", "confirmed": "хранится", "deleted": "удалён"},
    "file_type": {"image": "фото", "video": "видео", "text": "текст", "audio": "звук"},
    "happened": {
        "job": "Заказ",
        "transaction": "Токены и деньги",
        "referral": "Пригласил человека",
        "support": "Обращение",
        "audit": "Действие оператора",
    },
    "outcome": {"begun": "начато", "done": "сделано", "failed": "не удалось"},
    "action": {
        "catalog.seed": "каталог: заполнить",
        "engine.limit": "движок: пределы",
        "engine.resume": "движок: включить снова",
        "engine.try": "движок: пробный запуск",
        "event.dismiss": "событие: отложить",
        "event.replay": "событие: применить снова",
        "figures.rebuild": "показатели: пересчитать",
        "job.fail": "заказ: завершить с возвратом",
        "job.retry": "заказ: повторить",
        "lottery.close": "розыгрыш: закрыть",
        "lottery.create": "розыгрыш: создать",
        "lottery.draw": "розыгрыш: провести",
        "lottery.edit": "розыгрыш: изменить",
        "lottery.redraw": "розыгрыш: перевыбрать",
        "model.add": "модель: добавить",
        "model.edit": "модель: изменить",
        "operator.add": "оператор: добавить",
        "operator.disable": "оператор: отключить",
        "operator.reset": "оператор: новая ссылка",
        "operator.role": "оператор: роль",
        "outbox.replay": "исходящее событие: послать снова",
        "payment.check": "платёж: проверить",
        "payment.refund": "платёж: вернуть деньги",
        "picture.open": "фото: посмотреть",
        "review.approve": "отзыв: засчитать",
        "review.reject": "отзыв: отклонить",
        "session.begin": "вход",
        "session.end": "сеанс: завершить",
        "support.close": "обращение: закрыть",
        "tariff.add": "тариф: добавить",
        "tariff.disable": "тариф: снять с продажи",
        "tariff.edit": "тариф: изменить",
        "user.ban": "человек: заблокировать",
        "user.grant": "человек: начислить",
        "user.unban": "человек: разблокировать",
        "user.withdraw": "человек: списать",
    },
}
# A timeline mixes kinds.
NAMES["what"] = {
    **NAMES["service"],
    **MOVES,
    **NAMES["action"],
    "refund": "возврат",
    "help": "помощь",
}
NAMES["state"] = {
    **NAMES["job"],
    **NAMES["move_status"],
    **NAMES["outcome"],
    "invited": "пришёл",
    "paid": "заплатил",
    "rewarded": "награда дана",
    "open": "открыто",
    "closed": "закрыто",
    "failed": "не удалось",
}
# Colours of Tabler's badges.
COLOURS = {
    "waiting_payment": "yellow",
    "queued": "azure",
    "processing": "blue",
    "pending": "yellow",
    "succeeded": "green",
    "success": "green",
    "partly_refunded": "orange",
    "refunded": "orange",
    "disputed": "red",
    "parked": "red",
    "applied": "green",
    "banned": "red",
    "open": "yellow",
    "confirmed": "green",
    "seen": "yellow",
    "held": "orange",
    "rewarded": "green",
    "rejected": "secondary",
    "begun": "yellow",
    "done": "green",
    "failed": "red",
}

# What the rules say in English, as commands print it.
_REFUSALS = {
    "there is no such review, or it has been rejected": "Такого отзыва нет, или он уже отклонён.",
    "there is no such review, or it has been rewarded": "Такого отзыва нет, или он уже засчитан.",
    "there is no such event": "Такого события нет.",
    "the event is applied, not parked": "Событие уже применено.",
    "the event is ignored, not parked": "Событие уже разобрано.",
    "the job is done already": "Заказ уже готов.",
    "the job is failed already": "Заказ уже завершён.",
    "the job is at a remote engine: fail it, or wait for its deadline": (
        "Заказ сейчас у провайдера: завершите его или дождитесь срока."
    ),
    "this form belongs to another operator": "Это форма другого оператора. Откройте её заново.",
    "there is an operator of this name already": "Оператор с таким именем уже есть.",
    "the code is wrong": "Код не подходит. Проверьте часы телефона и введите новый.",
    "a password has 12 to 200 characters": "В пароле должно быть от 12 до 200 знаков.",
    "nobody else could administer the console": "Это последний администратор консоли.",
    "a name has 2 to 32 of a-z, 0-9, dot, dash and underscore": (
        "Имя: от 2 до 32 знаков, латинские строчные буквы, цифры, точка, дефис и подчёркивание."
    ),
}
_CODES = {
    "user_banned": "Этот человек заблокирован: новых заказов и платежей для него нет.",
    "provider_not_configured": "Этот провайдер не подключён.",
    "idempotency_key_reused": "С этим ключом уже было другое движение.",
    "bad_request": "Так задать вопрос нельзя: проверьте адрес и фильтры.",
    "user_not_found": "Такого человека нет.",
    "job_not_found": "Такого заказа нет.",
    "payment_not_found": "Такого платежа нет.",
    "review_already_used": "Этот отзыв уже засчитан другому человеку.",
}


def named(value: str | None, kind: str) -> str:
    """The Russian name of a state, role or action; one without a name is shown as it is."""
    return "—" if value is None else NAMES[kind].get(value, value)


def refusal(error: ApiError | ValueError | ledger.NotEnoughTokens) -> str:
    """What a rule refused, in a sentence for the operator."""
    if isinstance(error, ledger.NotEnoughTokens):
        return "На балансе меньше."
    if isinstance(error, ApiError):
        return _CODES.get(error.code, str(error))
    return _REFUSALS.get(str(error), str(error))


def refused_login(error: LoginRefused) -> str:
    """Why a login failed, without saying what of it was wrong."""
    if error.wait is None:
        return WRONG_LOGIN
    return f"Слишком много попыток. Подождите {ceil(error.wait.total_seconds())} с."


def granted(tokens: Decimal, balance: Decimal) -> str:
    """Of tokens given by hand."""
    return f"Начислено: {tokens}. Баланс стал {balance}."


def withdrawn(tokens: Decimal, balance: Decimal) -> str:
    """Of tokens taken by hand."""
    return f"Списано: {tokens}. Баланс стал {balance}."


def order_retried(number: int, status: str) -> str:
    """Of an order that is made again."""
    return f"Заказ № {number}: {named(status, 'job')}."


def verdict(found: Verdict) -> str:
    """What became of a provider's report."""
    return (
        f"{named(found.state, 'inbox').capitalize()}{f': {found.reason}' if found.reason else ''}."
    )


def too_long(longest: int) -> str:
    """Of a text."""
    return f"Одна строка, не длиннее {longest} знаков."


def wrong_amount(most: Decimal) -> str:
    """Of an amount."""
    return f"Больше 0, не больше {most}, не более двух знаков после запятой."


def is_ours(text: str) -> bool:
    """Whether a sentence is in Russian: libraries have words of their own."""
    return any("а" <= letter <= "я" for letter in text.lower())
