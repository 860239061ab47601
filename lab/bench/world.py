"""The data every server is measured on; ids are computed, so that SQL and Python agree."""

from __future__ import annotations

from hashlib import md5
from uuid import UUID

import psycopg2

USERS = 200  # that order and pay, each with USER_TOKENS
USER_TOKENS = 1_000_000
PAGE = 50  # finished jobs of the first user
PAID_RUB = 199
PAID_TOKENS = 20

_SEED = f"""
INSERT INTO users (id, telegram_id, username, ref_code, balance_tokens, ledger_seq)
SELECT md5('user-' || n)::uuid, (9000000 + n)::text, 'user_' || n, 'bench-' || n,
       {USER_TOKENS * 100}, 1
FROM generate_series(0, {USERS - 1}) n;
INSERT INTO transactions (id, user_id, type, tokens_delta, seq, balance_after, bonus_key)
SELECT gen_random_uuid(), id, 'promo', balance_tokens, 1, balance_tokens, 'bench' FROM users;
INSERT INTO data (id, type, status, storage_key, content_type, size_bytes, confirmed_at)
SELECT md5('photo-' || n)::uuid, 'image', 'confirmed', 'image/bench-' || n, 'image/jpeg', 1000,
       now()
FROM generate_series(0, {USERS - 1}) n;
INSERT INTO data (id, type, status, storage_key, content_type, size_bytes, confirmed_at)
SELECT md5('video-' || n)::uuid, 'video', 'confirmed', 'video/bench-' || n, 'video/mp4', 1000,
       now()
FROM generate_series(1, {PAGE}) n;
INSERT INTO jobs (id, user_id, model_id, service_type, status, price_tokens, price_rub,
                  tokens_consumed, input, output, result_data_id, progress, finished_at)
SELECT gen_random_uuid(), md5('user-0')::uuid, m.id, 'animate', 'done', m.price_tokens,
       m.price_rub, m.price_tokens,
       jsonb_build_array(jsonb_build_object('type', 'image', 'dataId', md5('photo-0')::uuid)),
       jsonb_build_array(jsonb_build_object('type', 'video', 'dataId', md5('video-' || n)::uuid)),
       md5('video-' || n)::uuid, 100, now()
FROM generate_series(1, {PAGE}) n
JOIN generation_models m ON m.service_type = 'animate' AND m.is_default;
CREATE SEQUENCE bench_payment;
ANALYZE;
"""

_PAYMENTS = f"""
INSERT INTO payments (id, user_id, provider, amount_rub, tokens, asked_minor, asked_currency,
                      payer_telegram_id, reference, payment_url, expires_at, next_check_at)
SELECT md5(%(batch)s || '-' || n)::uuid, md5('user-' || n %% {USERS})::uuid, 'stripe',
       {PAID_RUB * 100}, {PAID_TOKENS * 100}, {PAID_RUB * 100}, 'RUB',
       (9000000 + n %% {USERS})::text, 'cs_' || %(batch)s || '_' || n, 'https://pay.example/' || n,
       now() + interval '1 day', now() + interval '1 day'
FROM generate_series(1, %(count)s) n;
INSERT INTO transactions (id, user_id, type, status, payment_id, provider, amount_rub, currency,
                          reference, meta)
SELECT gen_random_uuid(), user_id, 'gateway_payment', 'pending', id, provider, amount_rub, 'RUB',
       reference, jsonb_build_object('paymentId', id)
FROM payments WHERE reference LIKE 'cs_' || %(batch)s || '\\_%%';
"""


def identifier(name: str) -> UUID:
    """The id of `user-<n>`, `photo-<n>`, or `<batch>-<n>` for a payment."""
    return UUID(md5(name.encode(), usedforsecurity=False).hexdigest())


def fill(url: str) -> None:
    """Insert users, photos and finished jobs."""
    _execute(url, _SEED)


def open_payments(url: str, batch: str, count: int) -> None:
    """Insert pending payments `<batch>-1` to `<batch>-<count>`, with references cs_<batch>_<n>."""
    _execute(url, _PAYMENTS, batch=batch, count=count)


def settle_down(url: str) -> None:
    """Vacuum all tables, so that no server pays for what another one wrote."""
    connection = psycopg2.connect(url)
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("VACUUM ANALYZE")
            cursor.execute("CHECKPOINT")
    finally:
        connection.close()


def _execute(url: str, statements: str, **values: object) -> None:
    connection = psycopg2.connect(url)
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(statements, values or None)
    finally:
        connection.close()
