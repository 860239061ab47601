"""What a form sent: values as they were typed, and a sentence beside each that is refused."""

from __future__ import annotations

import secrets
from collections.abc import Collection
from decimal import Decimal, InvalidOperation

from flask import request

from console import texts
from db.types import MAX_AMOUNT

KEY = "form_key"
WHOLE_FORM = ""


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

    @property
    def key(self) -> str:
        """The random key that the form was made with; a form without one gets a new one."""
        given = self.values.get(KEY, "")
        return given if 16 <= len(given) <= 64 else new_key()

    def words(self, name: str, longest: int = 1000, *, needed: bool = True) -> str:
        """One line of text without spaces around it; empty where it is refused."""
        text = self.values.get(name, "").strip()
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
