"""The operator's prices: `cli.py models` changes what the next order costs, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import pytest
from sqlalchemy import delete, update

from db import transaction
from db.models import GenerationModel, Job
from services import models
from services.catalog import MODELS
from services.models import ModelColumns
from tests.command_line import CommandLine, cells, command_line, complain, say
from tests.factories import make_image, make_user
from tests.live import Bot, done, order, refused, unchanged
from tests.threads import at_once

SECOND = "restore-by-hand"


@pytest.fixture(scope="module")
def cli(database: str) -> Iterator[CommandLine]:
    with command_line() as opened:
        yield opened


@pytest.fixture(autouse=True)
def _prices(database: str) -> Iterator[None]:
    """A second model of restoration; afterwards everything costs what it cost."""
    with transaction() as session:
        session.add(
            GenerationModel(
                name=SECOND,
                service_type="restore",
                engine="embedded",
                price_tokens=Decimal(50),
                price_rub=Decimal(500),
                active=False,
            )
        )
    yield
    with transaction() as session:
        usual = models.change(session, "restore-standard", **terms_of("restore-standard"))
        moved = update(Job).where(Job.model_id != usual.id, Job.service_type == "restore")
        session.execute(moved.values(model_id=usual.id))
        session.execute(delete(GenerationModel).where(GenerationModel.name == SECOND))


def terms_of(name: str) -> ModelColumns:
    seeded = next(each for each in MODELS if each["name"] == name)
    return {
        "price_tokens": Decimal(seeded["price_tokens"]),
        "price_rub": Decimal(seeded["price_rub"]),
        "active": True,
        "is_default": True,
    }


def ours(cli: CommandLine) -> list[list[str]]:
    """The lines of the list about models of the built-in engine."""
    return [line for line in cells(say(cli, "models", "list")) if line[2] == "embedded"]


def test_models_are_listed_with_their_prices(cli: CommandLine) -> None:
    assert ours(cli) == [
        ["animate-standard", "animate", "embedded", "10", "100", "True", "True"],
        ["restore-standard", "restore", "embedded", "5", "50", "True", "True"],
        [SECOND, "restore", "embedded", "50", "500", "False", "False"],
    ]


def test_a_new_price_counts_from_the_next_order_on(bot: Bot, cli: CommandLine) -> None:
    user, picture = make_user(10), make_image().id
    waiting = make_user(4)
    before, unpaid = bot.order(user.id, picture), bot.order(waiting.id, picture)
    output = say(cli, "models", "edit", "restore-standard", "--tokens", "4.5", "--rub", "44.90")
    assert output == "restore-standard is changed"
    after = bot.order(user.id, picture)
    assert (after["tokensReserved"], after["priceRub"]) == (4.5, 44.9)
    assert bot.balance(user.id) == 0.5
    kept = done(bot.get(f"/jobs/{before['id']}"), 200)
    assert (kept["tokensReserved"], kept["priceRub"]) == (5, 50)
    unpaid_now = done(bot.get(f"/jobs/{unpaid['id']}"), 200)
    assert (unpaid_now["status"], unpaid_now["priceRub"]) == ("waiting_payment", 50)


def test_another_model_takes_the_orders_of_its_service(bot: Bot, cli: CommandLine) -> None:
    user, picture = make_user(100), make_image().id
    say(cli, "models", "edit", SECOND, "--default")
    restored, animated = bot.order(user.id, picture), bot.order(user.id, picture, "animate")
    assert (restored["priceRub"], animated["priceRub"]) == (500, 100)
    _, second, usual = ours(cli)
    assert (second[0], second[-2:]) == (SECOND, ["True", "True"])
    assert (usual[0], usual[-2:]) == ("restore-standard", ["True", "False"])


def test_a_service_without_an_active_model_is_not_sold(bot: Bot, cli: CommandLine) -> None:
    user, picture = make_user(100), make_image().id
    output = say(cli, "models", "edit", "restore-standard", "--inactive")
    assert "restore is not sold now" in output
    with unchanged():
        refused(bot.post("/jobs", order(user.id, picture)), "service_unavailable_now")
    say(cli, "models", "edit", "restore-standard", "--default")
    bot.order(user.id, picture)


def test_two_operators_at_once_choose_one_default() -> None:
    names = iter(["restore-standard", SECOND] * 4)

    def choose() -> None:
        with transaction() as session:
            models.change(session, next(names), active=True, is_default=True)

    assert at_once(choose, 8) == [None] * 8
    with transaction() as session:
        defaults = [each.is_default for each in models.all_models(session)]
    assert defaults.count(True) == 2  # one of each service


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("nothing", "--tokens", "1"), 1),
        (("restore-standard",), 2),
        (("restore-standard", "--tokens", "0"), 2),
        (("restore-standard", "--tokens", "-5"), 2),
        (("restore-standard", "--tokens", "0.001"), 2),
        (("restore-standard", "--rub", "NaN"), 2),
        (("restore-standard", "--rub", "1e30"), 2),
        (("restore-standard", "--tokens", "1000000"), 2),  # ten of them are no amount any more
        (("restore-standard", "--default", "--inactive"), 2),
    ],
)
def test_what_cannot_be_a_price_changes_nothing(
    cli: CommandLine, words: tuple[str, ...], code: int
) -> None:
    assert complain(cli, "models", "edit", *words, code=code)
