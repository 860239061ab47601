"""What a form sent: values as they were typed, and a sentence beside each that is refused."""

from __future__ import annotations

import re
import secrets
from collections.abc import Collection
from datetime import datetime
from decimal import Decimal, InvalidOperation
from functools import cached_property

from flask import request

from console import business_texts, texts
from console.display import MOSCOW, NO_BREAK
from db.types import MAX_AMOUNT

KEY = "form_key"
WHOLE_FORM = ""
_NEVER, _TOO_LATE = (datetime(year, 1, 1, tzinfo=MOSCOW) for year in (2000, 3000))


class Form:
    """The form of this request. Its errors are by field; those of the whole form are under ""."""

    def __init__(self) -> None:
        self.values = request.form.to_dict()
        self.errors: dict[str, str] = {}

    @classmethod
    def of_address(cls) -> Form:
        """The fields of a form that only asks, and so has them in the address."""
        form = cls()
        form.values = request.args.to_dict()
        return form

    @cached_property
    def key(self) -> str:
        """The random key that the form was made with; a form without one gets a new one."""
        given = self.values.get(KEY, "")
        return given if 16 <= len(given) <= 64 and given.isprintable() else new_key()

    def words(self, name: str, longest: int = 1000, *, needed: bool = True) -> str:
        """One line of text without spaces around it; empty where it is refused."""
        text = self.values.get(name, "").replace(NO_BREAK, " ").strip()
        if not text and needed:
            return self._refuse(name, texts.NEEDED)
        if len(text) > longest or not text.isprintable():
            return self._refuse(name, texts.too_long(longest))
        return text

    def amount(self, name: str, most: Decimal = MAX_AMOUNT) -> Decimal:
        """Tokens or rubles: more than 0, at most two decimals, comma or point; 0 where refused."""
        text = "".join(self.values.get(name, "").split()).replace(",", ".")
        try:
            amount = Decimal(text)
        except InvalidOperation:
            amount = Decimal("NaN")
        # In this order: a comparison with NaN and the rounding of a huge number are errors.
        if not amount.is_finite() or not 0 < amount <= most or amount != round(amount, 2):
            self._refuse(name, texts.wrong_amount(most))
            return Decimal(0)
        return amount

    def typed(self, name: str) -> bool:
        """Whether anything was typed into this field."""
        return bool(self.values.get(name, "").strip())

    def whole(self, name: str, *, least: int, most: int) -> int:
        """A whole number in these bounds; `least` where it is refused."""
        text = "".join(self.values.get(name, "").split())
        number = int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else least - 1
        if not least <= number <= most:
            self._refuse(name, business_texts.wrong_whole(least, most))
            return least
        return number

    def cost(self, name: str) -> Decimal:
        """What a provider takes, 0 or more, with at most six decimals; 0 where it is refused."""
        text = "".join(self.values.get(name, "").split()).replace(",", ".")
        if not re.fullmatch(r"[0-9]{1,6}(\.[0-9]{1,6})?", text):
            self._refuse(name, business_texts.WRONG_COST)
            return Decimal(0)
        return Decimal(text)

    def moment(self, name: str) -> datetime:
        """A time of Moscow, as browsers send it; the beginning of this century where refused."""
        try:
            found = datetime.strptime(f"{self.values.get(name, '')} +0300", "%Y-%m-%dT%H:%M %z")
        except ValueError:
            found = _NEVER
        if not _NEVER < found < _TOO_LATE:
            self._refuse(name, business_texts.NOT_A_TIME)
            found = _NEVER
        return found

    def choice(self, name: str, choices: Collection[str]) -> str:
        """One of the choices; empty where it is refused."""
        text = self.values.get(name, "")
        return text if text in choices else self._refuse(name, texts.NOT_A_CHOICE)

    def _refuse(self, name: str, sentence: str) -> str:
        self.errors[name] = sentence
        return ""


def new_key() -> str:
    """The key of a new form."""
    return secrets.token_urlsafe(18)
