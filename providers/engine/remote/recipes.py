"""What is ordered: a recipe says how a model is run, an order is one run of it for one photo."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal, get_args
from uuid import UUID

MediaType = Literal["video", "image"]
Measure = Literal["run", "output_second", "gpu_second", "unit"]

MEASURES: tuple[Measure, ...] = get_args(Measure)
MOST_AMOUNT = Decimal(1_000_000)

_PLACES = re.compile(r"\{(photo|prompt|seed)\}")
_UNKNOWN_PLACE = re.compile(r"\{(?!(?:photo|prompt|seed)\})[a-z_]+\}")
_VERSION = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Money:
    """An amount in a provider's currency (ISO 4217), exact; never converted."""

    amount: Decimal
    currency: str


@dataclass(frozen=True)
class Price:
    """What a run costs us: `amount` per `measure`. expected: how many of them a run usually has."""

    amount: Decimal
    currency: str
    measure: Measure = "run"
    expected: Decimal = Decimal(1)

    def estimate(self) -> Money:
        """What a run will probably cost."""
        return self.cost(None)

    def cost(self, measured: Decimal | None) -> Money:
        """What a run has cost that the provider has measured; without its measure, the estimate."""
        count = self.expected if measured is None or self.measure == "run" else measured
        return Money(self.amount * count, self.currency)


@dataclass(frozen=True)
class Recipe:
    """How a generation model is run at its provider; the content of a row of generation_models.

    model: owner/name at Replicate, the endpoint at fal, the model at Polza; a name for ComfyUI.
    version: of a Replicate model that is not official, 64 hex digits.
    template: the input of the model, for ComfyUI the graph in API format. In its texts {photo},
    {prompt} and {seed} are filled in; a text that is only {seed} becomes the number.
    extra: keys beside the input, such as Polza's `provider`.
    output: for ComfyUI the node whose file counts; "" takes the first one of media_type.
    ValueError for a template that never takes the photo.
    """

    model: str
    media_type: MediaType
    template: Mapping[str, Any]
    price: Price
    version: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict)
    output: str = ""

    def __post_init__(self) -> None:
        if "{photo}" not in json.dumps(self.template):
            raise ValueError(f"the template of {self.model} never takes the {{photo}}")


@dataclass(frozen=True)
class Order:
    """One run that is to be paid. Everything but the photo's bytes, so that it fits in a row.

    attempt_id: committed before create(), and the mark by which a lost create is found.
    photo: Uploaded.reference. run_seconds: after this the provider should give up by itself.
    """

    attempt_id: UUID
    recipe: Recipe
    photo: str
    prompt: str = ""
    seed: int = 0
    run_seconds: int = 900

    def input(self, photo: str | None = None) -> dict[str, Any]:
        """The recipe's template, filled in; `photo` instead of the uploaded one if given."""
        values = {
            "photo": self.photo if photo is None else photo,
            "prompt": self.prompt,
            "seed": self.seed,
        }
        filled: dict[str, Any] = _filled(self.recipe.template, values)
        return filled


def check(recipe: Recipe) -> None:
    """What can be seen before a run costs money. ValueError that tells what is wrong."""
    if not (isinstance(recipe.model, str) and recipe.model.strip("/ ")):
        raise ValueError("`model` must name a model")
    if not isinstance(recipe.template, Mapping) or not isinstance(recipe.extra, Mapping):
        raise ValueError("`template` and `extra` must be objects")
    if not isinstance(recipe.output, str):
        raise ValueError("`output` must name a node")
    if recipe.version and not _VERSION.fullmatch(str(recipe.version)):
        raise ValueError("`version` must be 64 hex digits")
    unknown = _UNKNOWN_PLACE.search(json.dumps(recipe.template))
    if unknown:
        raise ValueError(f"nothing is filled in for {unknown[0]}")
    _check_price(recipe.price)


def _check_price(price: Price) -> None:
    if price.measure not in MEASURES:
        raise ValueError(f"`measure` must be one of {', '.join(MEASURES)}")
    for number in (price.amount, price.expected):
        if not (number.is_finite() and 0 <= number <= MOST_AMOUNT):
            raise ValueError("`amount` and `expected` must be from 0 to a million")


def _filled(template: Any, values: Mapping[str, Any]) -> Any:
    if isinstance(template, Mapping):
        return {key: _filled(inner, values) for key, inner in template.items()}
    if isinstance(template, list | tuple):
        return [_filled(inner, values) for inner in template]
    if not isinstance(template, str):
        return template
    whole = _PLACES.fullmatch(template)
    # In one pass: a customer's wish that contains {photo} stays as it is.
    return values[whole[1]] if whole else _PLACES.sub(lambda m: str(values[m[1]]), template)
