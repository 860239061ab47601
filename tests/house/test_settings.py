"""Settings say clearly what is wrong, and production refuses defaults that are not safe."""

from __future__ import annotations

import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest
from psycopg2.extensions import parse_dsn
from sqlalchemy import create_engine

import settings
from settings import SettingsError, databases, read
from settings.databases import in_psycopg2

ROOT = Path(__file__).parents[2]

EVENTS = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
SAFE = {
    "ENVIRONMENT": "production",
    "SERVER_API_KEY": "k" * 32,
    "SERVER_URL": "https://kreatum.ru/api",
    "DATABASE_URL": "postgresql://db/livephoto",
    "YOOKASSA_SHOP_ID": "1",
    "YOOKASSA_SECRET_KEY": "live_x",
}


def test_no_setting_is_needed_to_run():
    assert read({}).environment == "development"


def test_values_are_typed_and_lists_split():
    found = read(
        {
            "PORT": "9000",
            "TOKEN_PRICE_RUB": "9.50",
            "REQUIRE_CONSENT": "Yes",
            "SERVER_API_KEY": "one, two,",
        }
    )
    assert (found.port, found.token_price_rub, found.require_consent) == (
        9000,
        Decimal("9.50"),
        True,
    )
    assert found.server_api_key == ("one", "two")


def test_every_fault_is_named_at_once_and_secrets_are_not_shown():
    with pytest.raises(SettingsError) as refused:
        read(
            {
                "PORT": "http",
                "MIN_PAYMENT_RUB": "NaN",
                "REQUIRE_CONSENT": "maybe",
                "ENVIRONMENT": "prod",
                "S3_BUCKET": "photos",
            }
        )
    text = str(refused.value)
    for name in ("PORT", "MIN_PAYMENT_RUB", "REQUIRE_CONSENT", "ENVIRONMENT", "AWS_ACCESS_KEY_ID"):
        assert name in text


def test_a_safe_production_lacks_nothing():
    assert settings.missing_for_production(read(SAFE)) == []


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"SERVER_API_KEY": ""}, "SERVER_API_KEY"),
        ({"SERVER_API_KEY": "short"}, "SERVER_API_KEY"),
        ({"SERVER_API_KEY": "k" * 32 + ",short"}, "SERVER_API_KEY"),
        ({"DATABASE_URL": ""}, "DATABASE_URL"),
        ({"SERVER_URL": "http://kreatum.ru/api"}, "SERVER_URL"),
        ({"YOOKASSA_SECRET_KEY": ""}, "YOOKASSA"),
        ({"YOOKASSA_API_URL": "http://127.0.0.1:1"}, "YOOKASSA_API_URL"),
        (
            {"STRIPE_SECRET_KEY": "sk", "STRIPE_API_URL": "http://127.0.0.1:1"},
            "STRIPE_API_URL",
        ),
        (
            {"TELEGRAM_BOT_TOKEN": "1:x", "TELEGRAM_API_URL": "http://127.0.0.1:1"},
            "TELEGRAM_API_URL",
        ),
        (
            {"REPLICATE_API_TOKEN": "r8", "REPLICATE_API_URL": "http://127.0.0.1:1"},
            "REPLICATE_API_URL",
        ),
        ({"FAL_KEY": "a:b", "FAL_API_URL": "http://127.0.0.1:1"}, "FAL_API_URL"),
        ({"POLZA_API_KEY": "pza", "POLZA_API_URL": "http://127.0.0.1:1"}, "POLZA_API_URL"),
        ({"EVENTS_URL": "http://bot.example/events", "EVENTS_SECRETS": EVENTS}, "EVENTS_URL"),
        ({"METRICS_ADDRESS": "0.0.0.0:9108"}, "METRICS_TOKEN"),
        ({"EVENTS_URL": "http://93.184.216.34/events", "EVENTS_SECRETS": EVENTS}, "EVENTS_URL"),
        ({"CONSOLE_URL": "http://console.example"}, "CONSOLE_URL"),
        ({"CONSOLE_URL": "https://console.example"}, "TRUSTED_PROXIES"),
    ],
)
def test_production_refuses_what_is_unsafe(changes, named):
    missing = settings.missing_for_production(read(SAFE | changes))
    assert any(named in advice for advice in missing)


@pytest.mark.parametrize(
    "url", ["https://bot.example/events", "http://bot:8080/events", "http://10.0.0.5:8080/events"]
)
def test_events_may_go_unencrypted_only_within_a_private_network(url):
    assert (
        settings.missing_for_production(read(SAFE | {"EVENTS_URL": url, "EVENTS_SECRETS": EVENTS}))
        == []
    )


def test_events_need_a_secret():
    with pytest.raises(SettingsError, match="EVENTS_SECRETS: needed with EVENTS_URL"):
        read({"EVENTS_URL": "http://bot:8080/events"})


def test_an_engine_without_a_key_needs_no_address_and_comfyui_may_be_in_the_cellar():
    changes = {
        "REPLICATE_API_URL": "http://127.0.0.1:1",
        "COMFYUI_URL": "http://10.0.0.5:8188",
        "COMFYUI_HEADER": "X-Api-Key: secret",
    }
    assert settings.missing_for_production(read(SAFE | changes)) == []
    found = read(SAFE | changes)
    assert [e for e in settings.ENGINES if settings.engine_configured(found, e)] == ["comfyui"]


@pytest.mark.parametrize("program", [("-m", "worker"), ("cli.py", "settings")])
def test_a_program_that_cannot_run_names_the_setting_in_one_message(program):
    environ = {**os.environ, "ENVIRONMENT": "production", "SERVER_API_KEY": "short"}
    done = subprocess.run(
        [sys.executable, *program],
        cwd=ROOT,
        env=environ,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode != 0
    assert "SERVER_API_KEY" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_table_masks_secrets():
    rows = {name: value for name, value, _ in settings.described(read(SAFE))}
    assert rows["YOOKASSA_SECRET_KEY"] == "(set)" and rows["DATABASE_URL"] == "(set)"
    assert rows["SERVER_URL"] == "https://kreatum.ru/api"


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg2"])
def test_any_spelling_of_a_postgresql_url_means_psycopg2(scheme):
    assert in_psycopg2(f"{scheme}://u:p@h/d") == "postgresql+psycopg2://u:p@h/d"


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:p%40@a:1,[::1]/d?sslmode=require&target_session_attrs=read-write",
        "postgres://u:p%40@/d?host=a:1&host=[::1]&sslmode=require&target_session_attrs=read-write",
        "postgresql://u:p%40@/d?host=a,::1&port=1,5432&sslmode=require&target_session_attrs=read-write",
    ],
)
def test_several_hosts_may_be_written_as_sqlalchemy_or_as_libpq_wants_them(url):
    """And what comes out is read by both."""
    assert databases.fault(url) is None
    read = databases.in_psycopg2(url)
    engine = create_engine(read)
    _, for_psycopg2 = engine.dialect.create_connect_args(engine.url)
    asked = {"sslmode": "require", "target_session_attrs": "read-write"}
    servers = {"host": "a,::1", "port": "1,5432", "user": "u", "password": "p@", "dbname": "d"}
    assert for_psycopg2 == servers | asked
    assert parse_dsn(databases.plain(read)) == servers | asked


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg2"])
def test_libpq_reads_the_plain_form_of_a_url_whose_password_is_kept_as_it_is(scheme):
    read = parse_dsn(databases.plain(f"{scheme}://u:+psycopg2@h/d"))
    assert read == {"user": "u", "password": "+psycopg2", "host": "h", "dbname": "d"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LOG_LEVEL", "verbose"),
        ("PORT", "70000"),
        ("WEB_CONCURRENCY", "0"),
        ("SERVER_THREADS", "0"),
        ("SERVER_THREADS", "-1"),
        ("JOB_LEASE_SECONDS", "0"),
        ("WELCOME_BONUS_TOKENS", "-1"),
        ("WELCOME_BONUS_TOKENS", "0.125"),
        ("LINK_TTL_SECONDS", "483841"),
        ("PRESIGN_TTL_SECONDS", "86401"),
        ("TOKEN_PRICE_RUB", "NaN"),
        ("WELCOME_BONUS_TOKENS", "1e30"),
        ("IDEMPOTENCY_TTL_HOURS", "99999999999"),
        ("DATA_TTL_HOURS", "99999999"),
        ("DATABASE_URL", "nonsense"),
        ("DATABASE_URL", "mysql://h/d"),
        ("DATABASE_URL", "postgresql://a,b/d"),
        ("DATABASE_URL", "postgresql:///d?host=a,b&target_session_attrs=any"),
        ("DATABASE_URL", "postgresql://u:p@ss@h/d"),
        ("DATABASE_DIRECT_URL", "mysql://h/d"),
        ("DATABASE_DIRECT_URL", "postgresql://h/d"),
        ("SERVER_URL", "kreatum.ru/api"),
        ("SERVER_URL", "http://[oops/api"),
        ("SERVER_URL", "http:///api"),
        ("SERVER_URL", "https://kreatum.ru:port/api"),
        ("SERVER_URL", "https://живое.рф/api"),
        ("SERVER_URL", "https://kreatum.ru/a b"),
        ("SERVER_URL", "https://kreatum.ru/api?x=1"),
        ("COMFYUI_URL", "10.0.0.5:8188"),
        ("METRICS_ADDRESS", "9108"),
        ("METRICS_ADDRESS", "127.0.0.1"),
        ("METRICS_ADDRESS", "0.0.0.0:8000"),  # of the server itself
        ("COMFYUI_HEADER", "secret"),
        ("COMFYUI_HEADER", "X-Key: "),
        ("COMFYUI_HEADER", "X Key: secret"),
        ("COMFYUI_HEADER", "X-Key: ключ"),
        ("EVENTS_SECRETS", "secret"),
        ("EVENTS_SECRETS", "whsec_short"),
        ("EVENTS_SECRETS", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
        ("EVENTS_URL", "http://bot:secret@bot.local/events"),
        ("EVENTS_URL", "http://169.254.169.254/events"),
        ("CONSOLE_URL", "https://console.example/console"),
        ("CONSOLE_URL", "https://console.example:443"),  # browsers leave it out
        ("CONSOLE_URL", "https://anna@console.example"),
        ("CONSOLE_URL", "HTTP://console.example"),  # or production would not see that it is unsafe
        ("DATABASE_URL", "postgresql://u:p@[::1/livephoto"),
    ],
)
def test_a_value_nothing_could_run_on_is_named(name, value):
    with pytest.raises(SettingsError, match=f"{name}: "):
        read({name: value})


@pytest.mark.parametrize("written", ["https://kreatum.ru/api", "https://kreatum.ru/api//"])
def test_links_are_the_same_whether_the_url_ends_in_a_slash(written):
    assert read({"SERVER_URL": written}).server_url == "https://kreatum.ru/api"


@pytest.mark.parametrize(
    ("host", "address"), [("127.0.0.1", "127.0.0.1:8000"), ("::", "[::]:8000"), ("h", "h:8000")]
)
def test_an_address_of_ipv6_is_written_in_brackets(host, address):
    assert read({"HOST": host}).address == address


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("BONUS_CHANNELS", "kreatum,@Kreatum_2,https://t.me/kreatum/", "@kreatum,-1001234567890"),
        ("BONUS_CHANNELS", "t.me/kreatum", "https://example.com/kreatum"),
        ("REVIEW_CHAT", "@kreatum_chat", "kreatum_chat"),
        ("REVIEW_CHAT", "-1001234567890", "https://t.me/kreatum_chat"),
        ("REVIEW_LOG_CHAT", "-1001234567890", "@kreatum_log"),
        ("REVIEW_LOG_CHAT", "384726159", "-"),
        ("TELEGRAM_BOT_USERNAME", "kreatum_bot", "@kreatum_bot"),
    ],
)
def test_a_chat_is_named_so_that_telegram_can_find_it(name, good, bad):
    assert read({name: good})
    with pytest.raises(SettingsError, match=f"{name}: .* names no chat; "):
        read({name: bad})


def test_commands_find_the_sandbox_of_make_run_where_its_database_is(tmp_path):
    (tmp_path / settings.SANDBOX_FILE).write_text("FAL_KEY='a:b'\nFAL_API_URL='http://x/fal'\n")
    code = "import settings; settings.find_sandbox(); now = settings.load()"
    code += "; print(now.fal_key, now.fal_api_url)"

    def seen(**environ: str) -> str:
        environ = {"STATE_DIR": str(tmp_path), "PATH": os.environ["PATH"], **environ}
        arguments = [sys.executable, "-c", code]
        return subprocess.run(
            arguments, cwd=ROOT, env=environ, capture_output=True, text=True, check=True
        ).stdout.strip()

    assert seen() == "a:b http://x/fal"
    assert seen(FAL_KEY="mine").startswith("mine")
    assert not seen(DATABASE_URL="postgresql://elsewhere/db").startswith("a:b")


@pytest.mark.parametrize(
    ("inside", "outside", "unsafe"),
    [
        ("http://s3.internal.example.org", "", "S3_ENDPOINT_URL"),
        ("http://10.0.0.9:8333", "", "S3_ENDPOINT_URL"),
        ("http://10.0.0.9:8333", "http://files.kreatum.ru", "S3_PUBLIC_ENDPOINT_URL"),
        ("http://8.8.8.8", "https://files.kreatum.ru", "S3_ENDPOINT_URL"),
        ("http://10.0.0.9:8333", "https://files.kreatum.ru", None),
        ("", "", None),
    ],
)
def test_photos_travel_unencrypted_only_inside(inside, outside, unsafe):
    bucket = {"S3_BUCKET": "photos", "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}
    ends = {"S3_ENDPOINT_URL": inside, "S3_PUBLIC_ENDPOINT_URL": outside}
    found = settings.missing_for_production(read(SAFE | bucket | ends))
    assert [line.partition(":")[0] for line in found] == ([unsafe] if unsafe else [])


@pytest.mark.parametrize("name", ["S3_ENDPOINT_URL", "S3_PUBLIC_ENDPOINT_URL"])
def test_an_endpoint_is_a_url_and_needs_a_bucket(name):
    bucket = {"S3_BUCKET": "photos", "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}
    assert read(bucket | {name: "https://s3.example.org"})
    with pytest.raises(SettingsError, match=f"{name}: needs S3_BUCKET"):
        read({name: "https://s3.example.org"})
    with pytest.raises(SettingsError, match=f"{name}: must start with"):
        read(bucket | {name: "minio:9000"})
