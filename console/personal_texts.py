"""What Python says about people's data."""

from __future__ import annotations

from services.erasure import NotNow
from workflows.erasure import Erased

_NOT_NOW = {
    "key": "Ключ ERASURE_KEY не задан: без него удалять нельзя. Ничего не изменено.",
    "parked": (
        "Событие о платеже этого человека ждёт решения: сначала примените или отложите его. "
        "Ничего не изменено."
    ),
    "provider": (
        "У человека есть неоплаченный платёж, а провайдер не отвечает, что с ним. Ничего не "
        "удалено; попробуйте позже."
    ),
    "active": "Человек продолжает заказывать. Попробуйте ещё раз.",
}


def not_now(refusal: NotNow) -> str:
    """What to do before somebody can be erased."""
    return _NOT_NOW[refusal.why]


def erased(done: Erased) -> str:
    """Of a person who is not known any more."""
    files = (
        "Файлы удалит обработчик." if done.files_left else f"Файлов удалено: {done.files_deleted}."
    )
    return f"Данные человека удалены. {files}"
