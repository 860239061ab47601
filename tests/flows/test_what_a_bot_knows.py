"""What a bot is told without asking for more: its own reference, what is missing, a price in Stars,
a sentence for the customer.
"""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import requests

from tests.factories import make_image, make_user
from tests.live import Bot, done, order, refused, unchanged
from tests.provider_world import ProviderWorld
from tests.threads import at_once
from tests.wire import wait_until

SAMPLES = Path(__file__).parents[2] / "local/samples"
RESTORE = 5  # its price in tokens
ODD = ("384726159:1024", "🙂" * 200, "a\u0301 \u202e\ufeff\t\n", "' \" \\ %s {} $1 --", "ＡＢＣ")


@pytest.mark.parametrize("mark", ODD, ids=range(len(ODD)))
def test_an_order_returns_the_reference_that_the_bot_gave_it(bot: Bot, mark: str) -> None:
    wanted = order(make_user().id, make_image().id) | {"clientRef": mark}
    job = done(bot.post("/jobs", wanted), 201)
    (listed,) = done(bot.get("/jobs", userId=wanted["userId"]), 200)
    read = done(bot.get(f"/jobs/{job['id']}"), 200)
    ended = done(bot.post(f"/jobs/{job['id']}/cancel"), 200)
    assert [each["clientRef"] for each in (job, listed, read, ended)] == [mark] * 4


@pytest.mark.parametrize("mark", ["", "x" * 201, "a\0b", 7, None])
def test_a_reference_beyond_the_limits_is_refused(till: ProviderWorld, mark: Any) -> None:
    user = till.customer()
    intent = {"userId": user["id"], "provider": "stripe", "amountRub": 199, "clientRef": mark}
    with unchanged():
        for path, body in (
            ("/jobs", order(user["id"], uuid4()) | {"clientRef": mark}),
            ("/payments/intents", intent),
        ):
            refused(till.bot.post(path, body), "bad_request")


def test_the_reference_is_part_of_what_a_key_stands_for(till: ProviderWorld) -> None:
    user = till.customer()
    pay = {"userId": user["id"], "provider": "yookassa", "amountRub": 199}
    for path, body in (("/jobs", order(user["id"], make_image().id)), ("/payments/intents", pay)):
        key, first = uuid4().hex, body | {"clientRef": "384726159:1"}
        made = done(till.bot.post(path, first, key=key), 201)
        assert made["clientRef"] == "384726159:1"
        assert done(till.bot.post(path, first, key=key), 201) == made
        for other in (body, body | {"clientRef": "384726159:2"}):
            refused(till.bot.post(path, other, key=key), "idempotency_key_reused")


def test_an_order_says_what_it_costs_and_what_is_missing(bot: Bot) -> None:
    user = make_user(RESTORE + 2)
    paid, waiting = (bot.order(user.id, make_image().id) for _ in range(2))
    assert paid["priceTokens"] == waiting["priceTokens"] == RESTORE
    assert waiting["missingTokens"] == RESTORE - 2 and "missingTokens" not in paid
    make_user(Decimal("1.5"), telegram_id=user.telegram_id)
    read = done(bot.get(f"/jobs/{waiting['id']}"), 200)
    listed, _ = done(bot.get("/jobs", userId=user.id), 200)
    assert read["missingTokens"] == listed["missingTokens"] == 1.5
    make_user(Decimal("1.5"), telegram_id=user.telegram_id)
    started = done(bot.get(f"/jobs/{waiting['id']}"), 200)
    assert started["status"] == "queued" and "missingTokens" not in started


def test_an_album_says_what_all_of_it_costs(bot: Bot) -> None:
    album = order(make_user(1).id, make_image().id)
    album["input"] *= 3
    job = done(bot.post("/jobs", album), 201)
    assert (job["priceTokens"], job["missingTokens"]) == (3 * RESTORE, 3 * RESTORE - 1)


def test_where_stars_are_taken_their_number_is_known_before_and_after(
    till: ProviderWorld, bot: Bot
) -> None:
    (first, *_) = done(till.bot.get("/tariffs"), 200)
    assert (first["costRub"], first["stars"]) == (199, 166)
    wish = {"plan": first["name"], "amountRub": first["costRub"]}
    user = till.customer()
    assert till.intent(user, "telegram", **wish)["stars"] == first["stars"]
    assert "stars" not in till.intent(user, "yookassa", **wish)
    # This server has no bot.
    assert "stars" not in done(bot.get("/tariffs"), 200)[0]


def test_a_refusal_has_the_sentence_that_fits_it_best(bot: Bot) -> None:
    nobody = bot.get(f"/users/{uuid4()}").json()
    assert nobody["userMessage"] == "Мы вас ещё не знаем. Начните с команды /start."
    text = bot.upload(b"no photo at all").json()
    assert text["userMessage"] == text["details"]["message"]
    assert text["userMessage"].startswith("Этот файл не похож на фотографию.")


def test_an_upload_says_how_large_the_photo_is_and_warns_of_a_small_one(bot: Bot) -> None:
    large = done(bot.upload((SAMPLES / "portrait.jpg").read_bytes()), 201)
    assert large["photo"] == {"width": 512, "height": 512, "warnings": []}
    confirmed = done(bot.post(f"/data/{large['id']}/confirm"), 200)
    assert confirmed["photo"] == large["photo"]
    tiny = (SAMPLES / "tiny_portrait_150px.jpg").read_bytes()
    declared = {"type": "image", "fileName": "a.jpg", "contentType": "image/jpeg"}
    form = done(bot.post("/data/presign", declared), 200)
    sent = requests.post(form["uploadUrl"], data=form["fields"], files={"file": tiny}, timeout=20)
    assert sent.ok, sent.text
    small = done(bot.post(f"/data/{form['dataId']}/confirm"), 200)["photo"]
    assert (small["width"], small["height"]) == (150, 183)
    assert [each["code"] for each in small["warnings"]] == ["small"]
    assert "нечётким" in small["warnings"][0]["message"]
    text = done(bot.upload(b"Hello", type="text"), 201)
    assert "photo" not in text
    assert "photo" not in done(bot.post(f"/data/{text['id']}/confirm?faces=true"), 200)


@pytest.mark.parametrize(
    ("name", "faces", "warnings"),
    [
        ("two_faces.jpg", 2, []),
        ("no_face_cup.jpg", 0, ["no_faces"]),
        ("bad_truncated.jpg", None, []),
    ],
)
def test_faces_are_looked_for_when_that_is_asked_for(
    bot: Bot, name: str, faces: int | None, warnings: list[str]
) -> None:
    data_id = done(bot.upload((SAMPLES / name).read_bytes()), 201)["id"]

    def seen() -> Any:
        return done(bot.post(f"/data/{data_id}/confirm?faces=true"), 200)["photo"]

    wait_until(lambda: seen().get("faces") == faces)  # a busy machine leaves it for the next time
    assert [each["code"] for each in seen()["warnings"]] == warnings
    assert done(bot.post(f"/data/{data_id}/confirm"), 200)["photo"] == seen()  # it is remembered


def test_one_photo_is_looked_at_at_a_time_and_nobody_waits_for_that(bot: Bot) -> None:
    photo = (SAMPLES / "portrait.jpg").read_bytes()
    paths = [f"/data/{done(bot.upload(photo), 201)['id']}/confirm?faces=true" for _ in range(4)]
    answers = at_once(lambda: bot.post(paths.pop()), times=4)
    counted = [done(each, 200)["photo"].get("faces") for each in answers]
    assert {*counted} <= {1, None}
