"""`python -m local.sandbox`: one process with all three providers, and never in production."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import requests

from local.processes import Child, Program
from local.sandbox import Options
from local.sandbox.telegram.state import State
from local.sandbox.telegram.world import WorldError, furnish, read

ROOT = Path(__file__).parents[3]
ARGUMENTS = ("-m", "local.sandbox", "--port", "0")
WORLD = {
    "people": [{"id": 501, "first_name": "Анна"}],
    "chats": [{"id": -1001, "type": "channel", "username": "livephoto_channel"}],
    "members": [{"chat_id": -1001, "user_id": 501, "status": "member"}],
}


def test_it_does_not_start_in_production() -> None:
    environ = os.environ | {
        "ENVIRONMENT": "production",
        "SERVER_API_KEY": "k" * 32,
        "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none",
        "SERVER_URL": "https://example.org/api",
        "YOOKASSA_SHOP_ID": "1",
        "YOOKASSA_SECRET_KEY": "live_x",
    }
    command = [sys.executable, *ARGUMENTS]
    ended = subprocess.run(
        command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=30
    )
    assert ended.returncode == 1
    assert "never starts in production" in ended.stderr


def test_it_serves_all_three_with_the_keys_of_the_settings_and_a_world(tmp_path: Path) -> None:
    file = tmp_path / "world.json"
    file.write_text(json.dumps(WORLD), "utf-8")
    environ = os.environ | {"ENVIRONMENT": "test", "STRIPE_SECRET_KEY": "sk_test_mine"}
    program = Program("sandbox", (*ARGUMENTS, "--world", str(file)), stop_seconds=30)
    with Child(program, environ=environ, logs=tmp_path) as sandbox:
        sandbox.wait_until(lambda: "\n" in sandbox.said(), 60)
        url = sandbox.said().partition("\n")[0].rpartition(" ")[2]
        keys = Options()
        shop = (keys.yookassa_shop_id, keys.yookassa_secret_key)
        answers = [
            requests.get(f"{url}/yookassa/v3/payments", auth=shop, timeout=5),
            requests.get(f"{url}/stripe/v1/charges/x", auth=("sk_test_mine", ""), timeout=5),
            requests.get(f"{url}/telegram/bot{keys.telegram_bot_token}/getMe", timeout=5),
            requests.get(f"{url}/control/health", timeout=5),
        ]
        world = requests.get(f"{url}/control/telegram/world", timeout=5).json()
    assert [answer.status_code for answer in answers] == [200, 404, 200, 200]
    assert [each["first_name"] for each in world["people"]] == ["Анна"]
    assert world["chats"][0]["username"] == "livephoto_channel"
    assert world["members"] == [{"chat_id": -1001, "user_id": 501, "status": "member"}]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[]", "a JSON object is needed"),
        ("{", "world.json"),
        ('{"persons": []}', "unknown: persons"),
        ('{"people": [{"first_name": "Анна"}]}', "KeyError: 'id'"),
        ('{"people": [{"id": 1, "age": 5}]}', "unexpected keyword argument 'age'"),
    ],
)
def test_a_file_that_describes_no_world_is_refused(tmp_path: Path, text: str, why: str) -> None:
    file = tmp_path / "world.json"
    file.write_text(text, "utf-8")
    with pytest.raises(WorldError, match=re.escape(why)):
        furnish(State(1, "bot"), read(file))
