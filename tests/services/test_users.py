from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from db import transaction
from db.types import now
from errors import ApiError
from services import registration, users
from tests.factories import make_user
from tests.threads import at_once


def register(telegram_id: str, **details: Any):
    with transaction() as session:
        return registration.register_or_log_in(session, telegram_id, **details)


def test_a_second_visit_finds_the_same_user():
    first = register("700001", username="anna")
    assert register("700001").id == first.id
    assert register("700001").username == "anna"


def test_racing_registrations_make_one_user():
    found = at_once(lambda: register("700002").id, 8)
    assert len(set(found)) == 1


def test_a_new_username_is_stored_and_an_anonymous_id_only_once():
    register("700003", username="old", anon_user_id="first")
    user = register("700003", username="new", anon_user_id="second")
    assert (user.username, user.anon_user_id) == ("new", "first")


def test_an_inviter_counts_at_creation_only():
    inviter = make_user()
    assert register("700004", ref_code=inviter.ref_code).referrer_id == inviter.id
    register("700005")
    assert register("700005", ref_code=inviter.ref_code).referrer_id is None


def test_an_unknown_or_own_ref_code_is_ignored():
    assert register("700006", ref_code="nobody").referrer_id is None
    user = register("700007")
    assert register("700007", ref_code=user.ref_code).referrer_id is None


def test_a_taken_ref_code_is_drawn_again():
    taken = make_user().ref_code
    codes = iter([taken, taken, "fresh-" + uuid4().hex])
    with transaction() as session:
        user = registration.register_or_log_in(session, "700008", new_ref_code=lambda: next(codes))
    assert user.ref_code.startswith("fresh-")


def test_consent_remembers_when_it_was_given_and_forgets_when_withdrawn():
    user = make_user()
    with transaction() as session:
        agreed = users.set_consent(session, user.id, True, now=now())
    assert agreed.consent_pd and agreed.consent_pd_at is not None
    with transaction() as session:
        withdrawn = users.set_consent(session, user.id, False, now=now())
    assert not withdrawn.consent_pd and withdrawn.consent_pd_at is None


def test_nobody_is_found_by_a_random_id():
    with pytest.raises(ApiError, match="user_not_found"), transaction() as session:
        users.get(session, uuid4())
