"""What Sentry is told of an error: its kind, its place and its request, and no word of people."""

from __future__ import annotations

import json
import subprocess
import sys

from local.processes import ROOT

PLANTED = (
    *("+79161234567", "384726159", "Anna Sergeevna", "babushka-1953.jpg", "sk_live_0123456789"),
    *("https://files.example/signed?token=abc", "anna@example.org", "live photo of a wedding"),
)
# Its own process: the library's hook into logging stays for ever.
SCRIPT = """
import json, logging, sys
from telemetry import error_reports, logs

error_reports.start("", release="1", environment="test")
assert "sentry_sdk" not in sys.modules, "off, it costs nothing"
from sentry_sdk.transport import Transport

planted = json.loads(sys.argv[1])

class Keeping(Transport):
    def capture_envelope(self, envelope):
        print(envelope.serialize().decode())

def stumble(phone, user):
    key = planted[4]  # a local variable
    raise ValueError(f"Key (telegram_id)=({user}) of {' '.join(planted)}")

logs.configure("INFO")
logging.getLogger().handlers.clear()
dsn = "https://public@sentry.example/1"
error_reports.start(dsn, release="1.2.3", environment="test", transport=Keeping)
log = logging.getLogger("web")
exchange = logs.Exchange(operation="jobsCreate")
logs.exchange.set(exchange)
log.info("for %s", planted[0])
log.warning("of %s", planted[3], extra={"photo": planted[3]})
with logs.about("request-1"):
    try:
        stumble(*planted[:2])
    except ValueError as error:
        try:
            raise RuntimeError(planted[7]) from error
        except RuntimeError as outer:
            log.error("unhandled %s", planted[2], exc_info=outer, extra={"phone": planted[0]})
log.error("the photo %s of %s is gone", planted[3], planted[2])
error_reports.stop()
"""


def test_an_error_is_told_with_its_place_and_without_anything_that_people_wrote() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, json.dumps(PLANTED)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    events = [json.loads(line) for line in done.stdout.splitlines() if '"logentry"' in line]
    assert [event["logentry"]["message"] for event in events] == [
        "unhandled %s",
        "the photo %s of %s is gone",
    ]
    bug = events[0]
    assert bug["release"] == "livephoto@1.2.3" and bug["level"] == "error"
    assert bug["tags"] == {"request_id": "request-1", "operation": "jobsCreate"}
    kinds = [each["type"] for each in bug["exception"]["values"]]
    assert kinds == ["ValueError", "RuntimeError"]
    functions = [
        frame["function"]
        for each in bug["exception"]["values"]
        for frame in each["stacktrace"]["frames"]
    ]
    assert "stumble" in functions
    for word in PLANTED:
        assert word not in done.stdout, word
