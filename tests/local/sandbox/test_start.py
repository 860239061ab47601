"""`python -m local.sandbox`: one process with all three providers, and never in production."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import requests

from local.sandbox import Options

ROOT = Path(__file__).parents[3]
COMMAND = [sys.executable, "-m", "local.sandbox", "--port", "0"]


def test_it_does_not_start_in_production() -> None:
    environ = os.environ | {
        "ENVIRONMENT": "production",
        "SERVER_API_KEY": "k" * 32,
        "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none",
        "SERVER_URL": "https://example.org/api",
        "YOOKASSA_SHOP_ID": "1",
        "YOOKASSA_SECRET_KEY": "live_x",
    }
    ended = subprocess.run(
        COMMAND, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=30
    )
    assert ended.returncode == 1
    assert "never starts in production" in ended.stderr


def test_it_serves_all_three_with_the_keys_of_the_settings() -> None:
    environ = os.environ | {"ENVIRONMENT": "test", "STRIPE_SECRET_KEY": "sk_test_mine"}
    with subprocess.Popen(
        COMMAND, cwd=ROOT, env=environ, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().rpartition(" ")[2].strip()
            keys = Options()
            shop = (keys.yookassa_shop_id, keys.yookassa_secret_key)
            answers = [
                requests.get(f"{url}/yookassa/v3/payments", auth=shop, timeout=5),
                requests.get(f"{url}/stripe/v1/charges/x", auth=("sk_test_mine", ""), timeout=5),
                requests.get(f"{url}/telegram/bot{keys.telegram_bot_token}/getMe", timeout=5),
                requests.get(f"{url}/control/health", timeout=5),
            ]
        finally:
            process.terminate()
    assert [answer.status_code for answer in answers] == [200, 404, 200, 200]
