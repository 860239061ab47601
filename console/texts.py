"""What Python says to operators, and names that pages share; the rest is in the templates."""

from __future__ import annotations

import re
from decimal import Decimal
from math import ceil

from console import business_texts, customer_texts
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
PERHAPS_DONE = (
    "Провайдер или база не ответили. Может быть, это уже сделано: посмотрите в журнал действий. "
    "Чтобы повторить, вернитесь назад и отправьте ту же форму: с ней оно случится один раз."
)
TOO_MUCH = "Слишком много: база не успела вовремя. Уточните фильтр или период."

NOT_ENDED = (
    "Действие ещё идёт или прервалось посередине. Второй раз оно не начнётся; "
    "обновите страницу, а если не поможет, загляните в журнал действий."
)

NEEDED = "Заполните это поле."
NOT_THE_SAME = "Пароли не совпадают."
NOT_A_CHOICE = "Такого варианта нет."
NOT_A_DAY = "Это не дата."
WRONG_LOGIN = "Имя, пароль или код не подходит."

LINK_SHOWN = "Готово. Ссылка показывается один раз; если она потеряна, сделайте новую."
CODES_SHOWN = "Готово. Коды показываются один раз; если они потеряны, сделайте новые."
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

NAMES = {
    **business_texts.NAMES,
    **customer_texts.NAMES,
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
    "outcome": {"begun": "начато", "done": "сделано", "failed": "не удалось"},
    "action": {
        **business_texts.ACTIONS,
        "catalog.seed": "каталог: заполнить",
        "engine.limit": "движок: пределы",
        "engine.resume": "движок: включить снова",
        "engine.try": "движок: пробный запуск",
        "event.dismiss": "событие: отложить",
        "event.replay": "событие: применить снова",
        "figures.rebuild": "показатели: пересчитать",
        "files.delete_orphans": "файлы: удалить лишние",
        "files.forget_missing": "файлы: отметить пропавшие",
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
        "operator.codes": "оператор: новые коды восстановления",
        "operator.disable": "оператор: отключить",
        "operator.reset": "оператор: новая ссылка",
        "operator.role": "оператор: роль",
        "outbox.replay": "исходящее событие: послать снова",
        "payment.check": "платёж: проверить",
        "payment.recover": "платежи: найти у провайдеров",
        "payment.refund": "платёж: вернуть деньги",
        "picture.open": "фото: посмотреть",
        "review.approve": "отзыв: засчитать",
        "review.reject": "отзыв: отклонить",
        "session.begin": "вход",
        "session.end": "сеанс: завершить",
        "storage.adopt": "хранилище: принять папку этого хоста",
        "support.close": "обращение: закрыть",
        "tariff.add": "тариф: добавить",
        "tariff.disable": "тариф: снять с продажи",
        "tariff.edit": "тариф: изменить",
        "user.ban": "человек: заблокировать",
        "user.erase": "человек: удалить данные",
        "user.export": "человек: выгрузить данные",
        "user.grant": "человек: начислить",
        "user.unban": "человек: разблокировать",
        "user.withdraw": "человек: списать",
    },
}
# A timeline mixes kinds.
NAMES["what"] = {**customer_texts.WHAT, **NAMES["action"]}
NAMES["state"] = {**NAMES["outcome"], **customer_texts.STATES}
# Colours of Tabler's badges.
COLOURS = {
    **business_texts.COLOURS,
    **customer_texts.COLOURS,
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
    **business_texts.REFUSALS,
    "there is no such review, or it has been rejected": "Такого отзыва нет, или он уже отклонён.",
    "there is no such review, or it has been rewarded": "Такого отзыва нет, или он уже засчитан.",
    "there is no such event": "Такого события нет.",
    "the event is applied, not parked": "Событие уже применено.",
    "the event is ignored, not parked": "Событие уже разобрано.",
    "the job is done already": "Заказ уже готов.",
    "the job is failed already": "Заказ уже завершён.",
    "the job has been ordered again already": "Этот заказ уже повторён: новый есть у человека.",
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
# The same with values in them.
_PATTERNS = {
    re.compile(r"(\S+) of (\S+) rub are left to return"): "Вернуть можно не больше {0} ₽ из {1}.",
    re.compile(r"the payment is \w+, nothing has been paid"): "Этот платёж не оплачен.",
    re.compile(r"the job is \w+; only failed and processing ones are retried"): (
        "Повторить можно только неудавшийся или застрявший заказ."
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
    said = str(error)
    for english, russian in _PATTERNS.items():
        if found := english.fullmatch(said):
            return russian.format(*found.groups())
    return _REFUSALS.get(said, said)


def refused_login(error: LoginRefused) -> str:
    """Why a login failed, without saying what of it was wrong."""
    if error.wait is None:
        return WRONG_LOGIN
    return f"Слишком много попыток. Подождите {ceil(error.wait.total_seconds())} с."


def granted(tokens: Decimal, balance: Decimal) -> str:
    """Of tokens given by hand."""
    return f"Начислено: {_number(tokens)}. Баланс стал {_number(balance)}."


def withdrawn(tokens: Decimal, balance: Decimal) -> str:
    """Of tokens taken by hand."""
    return f"Списано: {_number(tokens)}. Баланс стал {_number(balance)}."


def order_retried(number: int, status: str) -> str:
    """Of an order that is made again."""
    return f"Заказ № {number}: {named(status, 'job')}."


def verdict(found: Verdict) -> str:
    """What became of a provider's report."""
    why = f": {named(found.reason, 'reason')}" if found.reason else ""
    return f"{named(found.state, 'inbox').capitalize()}{why}."


def _number(amount: Decimal) -> str:
    return f"{amount.normalize():f}".replace(".", ",")


def too_long(longest: int) -> str:
    """Of a text."""
    return f"Одна строка, не длиннее {longest} знаков."


def wrong_amount(most: Decimal) -> str:
    """Of an amount."""
    return f"Больше 0, не больше {most}, не более двух знаков после запятой."


def is_ours(text: str) -> bool:
    """Whether a sentence is in Russian: libraries have words of their own."""
    return any("а" <= letter <= "я" for letter in text.lower())
