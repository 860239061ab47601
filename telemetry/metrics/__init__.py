"""Metrics for Prometheus: declared here, counted where it happens, shown by `scrape`.

Until start() is called, metrics do nothing and prometheus_client is not imported. Labels have few
values: never an id, a name or a path.
"""

from telemetry.metrics.kinds import (
    METRICS,
    Counter,
    Level,
    Reading,
    Sample,
    Seconds,
    has_started,
    start,
)

__all__ = ["METRICS", "Reading", "Sample", "has_started", "start"]

_CALL = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_WORK = (1, 2, 5, 10, 20, 30, 60, 120)
_TURN = (0.1, 1, 10, 60)
_WAIT = (0.1, 0.5, 1, 5, 15, 60, 180, 600, 3600)

# HTTP: operation is an operationId, or `other` where there is none.
http_requests = Counter(
    "http_requests_total", "Requests that were answered", "operation", "method", "status"
)
http_request_seconds = Seconds(
    "http_request_duration_seconds", "From a request to its answer", "operation", bounds=_CALL
)
http_refusals = Counter("http_refusals_total", "Refusals by their code", "operation", "code")
http_requests_in_progress = Level(
    "http_requests_in_progress", "Requests not answered yet", mode="livesum"
)
lane_busy = Level("lane_busy_threads", "Threads of a lane at work", "lane", mode="livesum")
lane_waiting = Level(
    "lane_waiting_calls", "Calls that wait for a thread of a lane", "lane", mode="livesum"
)
lane_refused = Counter("lane_refused_total", "Calls refused as a lane was full", "lane")
rate_limits_alone = Counter(
    "rate_limits_alone_total", "Requests that one process counted alone: the database was away"
)
db_errors = Counter("db_errors_total", "Transactions and reads that failed for a while", "kind")
log_errors = Counter("log_errors_total", "Lines of the log at level ERROR", "logger")

# Orders. engine: `embedded`, or a provider; outcome: what became of it, or why it failed.
job_attempts = Counter(
    "job_attempts_total", "Attempts of engines at a photo", "engine", "service", "outcome"
)
engine_seconds = Seconds(
    "engine_seconds",
    "Work of an engine at a photo; of a provider's, from the order to its end",
    *("engine", "service", "outcome"),
    bounds=_WORK,
)
job_wait_seconds = Seconds(
    "job_wait_seconds", "From due to begun, of jobs of the own engine", "service", bounds=_WAIT
)
job_total_seconds = Seconds(
    "job_total_seconds", "From ordered to ended", "service", "outcome", bounds=_WAIT
)

# Money.
payment_events = Counter(
    "payment_events_total", "Reports of payment providers", "provider", "state"
)
payments = Counter("payments_total", "Payments that got a status", "provider", "status")
payment_credit_seconds = Seconds(
    "payment_credit_seconds", "From paid to credited", "provider", bounds=_WAIT
)
revenue = Counter("revenue_kopecks_total", "What was paid, before refunds", "provider")

# Outside. outcome: ok, refused, unanswered, error.
provider_calls = Counter(
    "provider_calls_total", "Calls of external systems", "provider", "call", "outcome"
)
provider_call_seconds = Seconds(
    "provider_call_seconds", "Calls of external systems", "provider", "call", bounds=_CALL
)
deliveries = Counter("deliveries_total", "Events posted to the bot", "type", "outcome")
delivery_seconds = Seconds("delivery_seconds", "A post of an event to the bot", bounds=_CALL)
duty_seconds = Seconds("duty_seconds", "Turns of duties", "duty", bounds=_TURN)
duty_last_success = Level(
    "duty_last_success_timestamp_seconds", "When a duty last succeeded", "duty", mode="max"
)

# From the database; every server reports the same.
database_up = Reading("database_up", "Whether the metrics of the database could be read")
commit_wait = Reading("commit_wait_seconds", "Wait of the oldest commit for a synchronous standby")
queue_jobs = Reading("queue_jobs", "Live orders", "queue", "state")
queue_oldest_wait = Reading(
    "queue_oldest_wait_seconds", "Wait of the job that is due for longest", "queue"
)
workers_seen = Reading("workers_seen", "Workers at a job of the own engine")
events_parked = Reading("payment_events_parked", "Reports on payments that wait for a person")
payments_overdue = Reading("payments_overdue", "Payments pending an hour after they expired")
outbox_pending = Reading("outbox_pending", "Events to be posted to the bot")
outbox_oldest = Reading("outbox_oldest_seconds", "Age of the oldest event to be posted")
outbox_dead = Reading("outbox_dead", "Events that the bot did not take")
token_liability = Reading("token_liability", "Tokens that people may still spend")
check_violations = Reading(
    "check_violations", "Rules that the last proof of the books found broken", "subject"
)
check_moment = Reading("check_timestamp_seconds", "When they were last proved", "subject")
engine_closed = Reading("engine_closed", "Engines that take no orders now", "engine", "code")
archived_moment = Reading(
    "wal_archived_timestamp_seconds", "When PostgreSQL last archived a part of its log, if it does"
)
