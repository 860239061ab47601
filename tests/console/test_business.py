"""Pages of the business: overview, lotteries, prices, engines, outgoing events, proofs, files."""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal
from html import unescape
from typing import Any

import pytest
from sqlalchemy import select, text, update

from console import business_texts as words
from console import display, exports, texts
from console.pages.exports import LISTS
from db import reading, rows, transaction
from db.connections import engine
from db.models import Event, Lottery
from db.types import now
from services import breakers, checks, engines, ledger, lotteries, models, outbox, support, tariffs
from tests.busy_days import a_busy_day, compute
from tests.console.browsing import Visitor, World, entries
from tests.factories import balance, make_user
from tests.live import unchanged
from workflows import checks as proofs


@pytest.fixture
def admin(console: World) -> Visitor:
    """An administrator who has just given a code."""
    return console.operator("admin")


def execute(sql: str, **values: object) -> None:
    with engine().begin() as connection:
        connection.execute(text(sql), values)


def test_the_overview_shows_figures_and_is_red_only_when_somebody_must_act(console, admin):
    viewer = console.operator("viewer")
    quiet = viewer.get("/")
    assert quiet.status_code == 200 and "must-act" not in quiet.text
    a_busy_day()
    compute()
    execute(
        "INSERT INTO events (id, type, body, state) VALUES (gen_random_uuid(), 'x', '{}', 'dead')"
    )
    page = admin.get("/").text
    assert page.count("must-act") == 1 and "нужно действие" in page
    assert 'href="/outbox/?state=dead"' in page
    assert "150\u00a0₽" in page and "no_face" in page
    charts = [json.loads(each) for each in _charts(page)]
    assert charts[0]["series"][0]["values"][-1] == 150
    assert [each["label"] for each in charts[1]["series"]] == ["Люди", "Фото", "Заказ", "Оплата"]


def _charts(page: str) -> list[str]:
    return [unescape(each.split('"')[0]) for each in page.split('data-chart="')[1:]]


def test_a_lottery_is_made_drawn_proved_and_one_place_drawn_again(admin):
    start, end = now() - timedelta(days=2), now() + timedelta(days=2)
    form = {
        "title": "Новогодний",
        "description": "Призы за ссылки",
        "start": display.local(start),
        "end": display.local(end),
        "prize_1": "50 токенов",
        "count_1": "1",
        "tokens_1": "50",
    }
    with unchanged():
        late = admin.post("/lotteries/add", seen="/lotteries/add", **form | {"end": form["start"]})
        none = admin.post("/lotteries/add", seen="/lotteries/add", **form | {"prize_1": ""})
    assert (late.status_code, words.IN_THE_PAST in late.text) == (422, True)
    assert (none.status_code, texts.NEEDED in none.text) == (422, True)
    made = admin.follow(admin.post("/lotteries/add", seen="/lotteries/add", **form))
    assert words.LOTTERY_CREATED in made.text and "Новогодний" in made.text
    (entry,) = entries("lottery.create")
    page = f"/lotteries/{entry.target.removeprefix('lottery:')}"
    people = [make_user() for _ in range(3)]
    for person in people:
        with transaction() as session:
            lotteries.submit_social(session, person.id, ["https://vk.com/1"], now=now())
    assert str(people[0].id) in admin.get(f"{page}/entries").text
    with unchanged():
        early = admin.post(f"{page}/draw", seen=page, draw_reason="рано")
    assert early.status_code == 422 and "сначала должен пройти другой" in early.text
    with transaction() as session:
        session.execute(update(Lottery).values(end_date=now() - timedelta(seconds=1)))
    drawn = admin.follow(admin.post(f"{page}/draw", seen=page, draw_reason="пора"))
    assert words.LOTTERY_DRAWN in drawn.text and 'id="verified"' in drawn.text
    assert sorted(balance(person.id) for person in people) == [0, 0, 50]

    def redraw(seen: str, place: str, why: str):
        form = admin.hidden(page) | {"seen": seen, "place": place, "redraw_reason": why}
        return admin.client.post(f"{page}/redraw", data=form)

    seen = _value(admin.get(page).text, "seen")
    with unchanged():
        wrong = redraw(seen, "7", "нет такого")
    assert wrong.status_code == 422 and "Это место не разыгрывалось" in wrong.text
    again = admin.follow(redraw(seen, "1", "бот"))
    with unchanged():
        colleague = redraw(seen, "1", "и я вижу бота")
    assert colleague.status_code == 422 and "Это уже изменил кто-то другой" in colleague.text
    assert "бот" in again.text and 'id="verified"' in again.text
    assert sorted(balance(person.id) for person in people) == [0, 50, 50]
    (entry,) = entries("lottery.redraw")
    assert (entry.reason, entry.after) == ("бот", {"place": 1, "round": 2})


def test_a_tariff_is_changed_as_it_was_seen_and_its_history_stays(admin):
    with reading() as reader:
        name = tariffs.all_tariffs(reader)[0].name
    page = f"/tariffs/of/{name}"
    seen = _value(admin.get(page).text, "seen")
    fields = {"title": "Старт", "tokens": "25", "position": "1", "active": "yes", "reason": "акция"}
    with unchanged():
        broken = _edit(admin, page, seen, **fields, rub="-5")
    assert broken.status_code == 422 and 'value="-5"' in broken.text
    changed = admin.follow(_edit(admin, page, seen, **fields, rub="249,90"))
    assert words.TARIFF_CHANGED in changed.text and "249,90" in changed.text
    with unchanged():
        stale = _edit(admin, page, seen, **fields, rub="1")
    assert stale.status_code == 422 and "Это уже изменил кто-то другой" in stale.text
    (entry,) = entries("tariff.edit")
    assert entry.after and entry.before
    assert entry.after["cost_rub"] == "249.90" and entry.before["cost_rub"] != "249.90"
    off = _edit(
        admin, page, _value(admin.get(page).text, "seen"), **fields | {"active": "no"}, rub="5"
    )
    assert off.status_code == 303
    with reading() as reader:
        assert not tariffs.find(reader, name).active
    add = {
        "name": "fresh",
        "title": "Новый",
        "tokens": "5",
        "rub": "60",
        "position": "3",
        "reason": "x",
    }
    assert admin.post("/tariffs/add", seen="/tariffs/add", **add).status_code == 303
    with unchanged():
        taken = admin.post("/tariffs/add", seen="/tariffs/add", **add)
        lost = admin.post("/tariffs/add", seen="/tariffs/add", **add | {"name": ".."})
    assert taken.status_code == 422 and "Такой тариф уже есть" in taken.text
    assert lost.status_code == 422 and "входит в адрес" in lost.text


def _value(page: str, name: str) -> str:
    return page.split(f'name="{name}" value="')[1].split('"')[0]


def _edit(admin: Visitor, page: str, seen: str, **fields: str):
    form = admin.hidden(page) | fields | {"seen": seen}
    return admin.client.post(page, data=form)


def test_a_model_changes_its_price_and_goes_off_and_on(admin):
    with reading() as reader:
        model = next(each for each in models.all_models(reader) if each.is_default)
    page = f"/models/of/{model.name}"
    fields = {
        "tokens": "12,5",
        "rub": "125",
        "title": "Оживить",
        "description": "Оживить фото",
        "cost": "0",
        "seconds": "40",
        "fallback": "0",
        "reason": "проба",
    }
    version = _value(admin.get(page).text, "seen")
    done = admin.follow(_edit(admin, page, version, **fields, offer="off"))
    assert words.MODEL_CHANGED in done.text
    with reading() as reader:
        found = models.find(reader, model.name)
    assert (found.price_tokens, found.active, found.is_default) == (Decimal("12.5"), False, False)
    version = _value(admin.get(page).text, "seen")
    assert _edit(admin, page, version, **fields, offer="default").status_code == 303
    with reading() as reader:
        assert models.find(reader, model.name).is_default


def test_an_engine_gets_limits_and_is_let_go_on(admin):
    with transaction() as session:
        breakers.locked_out(session, "fal", now=now(), code="credit", detail="нет денег")
    assert "credit" in admin.get("/engines/").text
    page = "/engines/fal"
    limits = {"in_flight": "3", "per_minute": "7", "per_day": "1,5", "reason": "проба"}
    form = admin.hidden(page) | limits | {"seen": _value(admin.get(page).text, "seen")}
    done = admin.follow(admin.client.post(f"{page}/limits", data=form))
    assert words.ENGINE_CHANGED in done.text
    assert admin.post(f"{page}/resume", seen=page, resume_reason="пополнен").status_code == 303
    with reading() as reader:
        engine_now = engines.find(reader, "fal")
    assert (engine_now.max_in_flight, engine_now.daily_cost, engine_now.open_code) == (
        3,
        Decimal("1.5"),
        None,
    )
    stale = form | {"in_flight": "9", "form_key": form["form_key"][::-1]}
    with unchanged():
        again = admin.client.post(f"{page}/limits", data=stale)
    assert again.status_code == 422 and "Это уже изменил кто-то другой" in again.text
    assert admin.get(page, doubtful="yes").status_code == 200
    assert admin.get("/engines/none").status_code == 404


def test_events_that_did_not_arrive_are_listed_and_sent_again(admin):
    execute("DELETE FROM events")
    execute(
        "INSERT INTO events (id, type, body, state, last_error) SELECT gen_random_uuid(), 'x',"
        " '{}', 'dead', '=HYPERLINK(1)' FROM generate_series(1, 60)"
    )
    first = admin.get("/outbox/", state="dead")
    assert "50+" in first.text and "Дальше" in first.text
    with transaction() as session:
        one = session.scalar(select(Event.id).limit(1))
    page = f"/outbox/{one}"
    assert admin.post(f"{page}/replay", seen=page, reason="бот починен").status_code == 303
    done = admin.post("/outbox/dead/replay", seen="/outbox/?state=dead", reason="бот починен")
    assert words.events_replayed(59) in admin.follow(done).text
    assert len(entries("outbox.replay")) == 2
    with reading() as reader:
        assert [(each.state, each.events) for each in outbox.counts(reader)] == [("pending", 60)]


def test_a_proof_is_asked_for_and_shown(console, admin):
    asked = admin.follow(admin.post("/ledger/check", seen="/ledger/", subject="ledger"))
    assert words.CHECK_ASKED in asked.text and "скоро будет проверка" in asked.text
    assert proofs.make_if_due(checks.LEDGER, now=now()) is not None
    page = console.operator("viewer").get("/ledger/").text
    assert "всё сходится" in page and "Проверить сейчас" not in page


def test_every_rule_has_a_russian_name():
    assert set(ledger.CHECKS) <= set(texts.NAMES["rule"])


def test_a_list_is_a_file_of_its_filters_and_an_entry(admin, monkeypatch):
    people = [make_user(username=f"=cmd{number}") for number in range(7)]
    monkeypatch.setattr(exports, "AT_ONCE", 2)
    file = admin.post("/exports/people", seen="/people/")
    lines = file.text.splitlines()
    assert file.headers["Content-Disposition"] == 'attachment; filename="people.csv"'
    assert lines[0].startswith("\ufeffTelegram id;Имя в Telegram;Баланс")
    assert {str(each.id) for each in people} <= {line.rsplit(";", 1)[1] for line in lines[1:]}
    assert "'=cmd3" in file.text and len(lines) == len(set(lines))
    monkeypatch.setattr(exports, "MOST_ROWS", 4)
    short = admin.post("/exports/people", seen="/people/").text.splitlines()
    assert len(short) == 6 and words.first_rows_only(4) in short[-1]
    none = admin.post("/exports/jobs?status=failed&since=2001-01-01&until=2001-01-02", seen="/")
    assert none.status_code == 200 and len(none.text.splitlines()) == 1
    for path, status in (("jobs?status=x", 400), ("none", 404), ("people?x=%00", 400)):
        assert admin.post(f"/exports/{path}", seen="/").status_code == status
    last = entries("list.export")[-1]
    assert len(entries("list.export")) == 3 and last.target == "list:jobs"
    assert last.after is not None and last.after["filters"]["status"] == "failed"
    page = admin.get("/orders/", status="failed").text
    assert 'action="/exports/jobs?status=failed"' in page


ROWS: dict[str, Any] = {
    "audit": rows.AuditEntryRow,
    "inbox": rows.PaymentEventRow,
    "jobs": rows.ListedJob,
    "outbox": rows.EventRow,
    "payments": rows.PaymentRow,
    "people": rows.UserRow,
    "reviews": rows.ReviewRow,
}


def test_the_columns_of_every_file_are_those_of_its_rows():
    assert ROWS.keys() == LISTS.keys() == words.COLUMNS.keys()
    for noun, row in ROWS.items():
        assert set(words.COLUMNS[noun]) <= set(row._fields), noun


def test_what_people_ask_for_is_closed_with_an_answer(console):
    person = make_user()
    with transaction() as session:
        asked = support.create(session, person.id, topic="help", message="Где моё фото?", now=now())
    operator = console.operator("support")
    page = operator.get("/support/").text
    assert "Где моё фото?" in page and f"/people/{person.id}" in page
    close = {"seen": "/support/"}
    with unchanged():
        empty = operator.post(f"/support/{asked.number}/close", **close)
    assert empty.status_code == 422 and texts.NEEDED in empty.text
    done = operator.post(
        f"/support/{asked.number}/close", **close, **{f"answer_{asked.number}": "прислали"}
    )
    assert words.REQUEST_CLOSED in operator.follow(done).text
    (entry,) = entries("support.close")
    assert (entry.target, entry.reason) == (f"support:{asked.number}", "прислали")


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("=1+1", "'=1+1"),
        ("+7", "'+7"),
        ("-2", "'-2"),
        ("@cmd", "'@cmd"),
        ("\tx", "'\tx"),
        ("\rx", "'\rx"),
        ("a;=1+1;b", "a;'=1+1;b"),
        ("a\n@cmd", "a\n'@cmd"),
        (Decimal("-5"), "-5"),
        (Decimal("199.90"), "199,90"),
        (None, ""),
        ("Анна", "Анна"),
    ],
)
def test_no_cell_of_a_file_is_a_formula(value, written):
    assert exports.cell(value) == written
