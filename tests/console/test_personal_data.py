"""A person's data in the console: handed out to an admin, and erased with a reason and a code."""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import replace

import pytest
from sqlalchemy import text

from db import transaction
from providers import registry
from providers.storage import StorageUnavailable
from tests.console.browsing import World, entries, new_code
from tests.live import unchanged
from tests.people_world import PHOTO, open_payment, paid_notice, person, stored, traces
from workflows import payment_events

pytestmark = pytest.mark.usefixtures("no_rows")


def test_an_admin_gets_the_zip_after_a_code_and_leaves_an_entry(console: World) -> None:
    who, admin = person(), console.operator("admin")
    page = f"/people/{who.user.id}/export"
    assert page in admin.get(f"/people/{who.user.id}").text
    assert page not in console.operator("support").get(f"/people/{who.user.id}").text
    admin.forget_code()
    asked = admin.post(page, seen=page)
    assert asked.status_code == 422 and "Код из приложения" in asked.text
    assert entries("user.export") == []
    sent = admin.post(page, seen=page, code=new_code(admin.name))
    assert (sent.status_code, sent.mimetype) == (200, "application/zip")
    assert f"person-{who.user.id}.zip" in sent.headers["Content-Disposition"]
    assert sent.headers["Cache-Control"] == "no-store"
    with zipfile.ZipFile(io.BytesIO(sent.data)) as archive:
        (user,) = json.loads(archive.read("users.json"))
        files = [archive.read(n) for n in archive.namelist() if n.startswith("files/")]
        named = json.loads(archive.read("audit_entries.json"))
    sent.close()
    assert user["telegram_id"] == who.user.telegram_id and PHOTO in files and len(files) == 2
    assert {each["action"] for each in named} == {"user.grant", "user.export"}
    assert [each.outcome for each in entries("user.export")] == ["begun", "done"]
    assert {each.target for each in entries("user.export")} == {f"user:{who.user.id}"}


def test_what_will_go_is_shown_and_goes_once(console: World) -> None:
    who, admin = person(), console.operator("admin")
    page = f"/people/{who.user.id}/erase"
    shown = admin.get(page).text
    assert "Заказы, которые прервутся" in shown and who.mark in shown
    with unchanged():
        empty = admin.post(page, seen=page)
        assert empty.status_code == 422 and "Заполните это поле" in empty.text
    admin.forget_code()
    hidden = admin.hidden(page)
    assert admin.post(page, seen=page, reason="/delete_me").status_code == 422
    assert traces(who.words), "nothing goes without a code"
    form = hidden | {"reason": "/delete_me", "code": new_code(admin.name)}
    said = admin.follow(admin.post(page, **form))
    assert "Данные человека удалены. Файлов удалено: 2." in said.text
    assert traces(who.words) == {} and stored(who.keys) == []
    again = admin.follow(admin.post(page, **form))
    assert "Файлов удалено: 2." in again.text, "the same form says the same again"
    begun, done = entries("user.erase")
    assert (begun.outcome, done.outcome, done.reason) == ("begun", "done", "/delete_me")
    assert done.target == f"user:{who.user.id}" and done.role == "admin"
    for path in ("", "/export", "/erase"):
        assert admin.get(f"/people/{who.user.id}{path}").status_code == 404
    assert admin.get("/people/").status_code == 200


def test_why_it_cannot_be_done_now_is_said_in_russian(console: World) -> None:
    who, admin = person(), console.operator("admin")
    about = replace(paid_notice(who.payment_id, payer_id=who.user.telegram_id), amount_minor=1)
    payment_events.apply(about)
    page = f"/people/{who.user.id}/erase"
    refused = admin.post(page, seen=page, reason="asked")
    assert refused.status_code == 422 and "ждёт решения" in refused.text
    assert traces(who.words) and [each.outcome for each in entries("user.erase")] == [
        "begun",
        "failed",
    ]
    with transaction() as session:
        session.execute(text("UPDATE payment_events SET state = 'ignored' WHERE state = 'parked'"))
    said = admin.follow(admin.post(page, seen=page, reason="asked"))
    assert "Данные человека удалены." in said.text


def test_files_that_the_storage_keeps_are_said_to_go_later(
    console: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    who, admin = person(), console.operator("admin")
    page = f"/people/{who.user.id}/erase"

    def away(key: str) -> None:
        raise StorageUnavailable("away")

    monkeypatch.setattr(registry.storage(), "delete", away)
    said = admin.follow(admin.post(page, seen=page, reason="asked"))
    assert "Файлы удалит обработчик." in said.text and traces(who.words) == {}


def test_whoever_paid_for_somebody_else_is_not_in_their_export(console: World) -> None:
    who, friend = person(live=False), person(live=False)
    gift = open_payment(who.user, who.mark)
    payment_events.apply(paid_notice(gift, payer_id=friend.user.telegram_id))
    admin, page = console.operator("admin"), f"/people/{who.user.id}/export"
    sent = admin.post(page, seen=page)
    with zipfile.ZipFile(io.BytesIO(sent.data)) as archive:
        kept = {name: archive.read(name).decode() for name in archive.namelist() if "json" in name}
    sent.close()
    assert not [name for name, rows in kept.items() if friend.user.telegram_id in rows]
    paid_by = {each["id"]: each["paid_by_you"] for each in json.loads(kept["payments.json"])}
    assert paid_by == {str(gift): False, str(who.payment_id): True}
    assert who.user.telegram_id in kept["payment_events.json"]
