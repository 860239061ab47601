"""Traces for a collector that speaks OTLP: spans of our own for requests, transactions, calls and
jobs.

Until start() is called, nothing of OpenTelemetry is imported; and what is not traced never gets
there, since the library takes as long to leave a span out as others to record one. No span tells
an id, a name, a query or an address.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from typing import Any

_NOTHING: AbstractContextManager[None] = nullcontext()
# W3C Trace Context, version 00: ids that are not all zeros, and whether the caller keeps the trace.
_TRACEPARENT = re.compile(r"00-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-0[13]")

_started: list[tuple[Any, float]] = []  # provider and share of the one that start() made
_traced: ContextVar[bool] = ContextVar("traced", default=False)


def start(endpoint: str, *, service: str, share: float) -> None:
    """Send spans there, if there is an address; in a server after the fork, as it takes a thread.

    share: of what nobody asked to have traced, 0 to 1. RuntimeError when the packages are missing.
    """
    if not endpoint:
        return
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.sdk.trace.sampling import ALWAYS_ON
    except ImportError as missing:
        raise RuntimeError(
            "OTEL_EXPORTER_OTLP_ENDPOINT needs the packages of requirements/observability.txt"
        ) from missing
    provider = TracerProvider(
        sampler=ALWAYS_ON,  # root() has chosen
        resource=Resource({"service.name": f"livephoto-{service}"}),
        shutdown_on_exit=False,
    )
    exporter = OTLPSpanExporter(endpoint=f"{endpoint}/v1/traces", timeout=5)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    _started.append((provider, share))


def stop() -> None:
    """Send what is left, for a few seconds at most."""
    while _started:
        _started.pop()[0].shutdown()


def root(
    name: str,
    about: Mapping[str, str],
    *,
    parent: str = "",
    link: str | None = None,
    server: bool = False,
) -> AbstractContextManager[Any]:
    """The first span of this process in a trace, or None: by chance, or as somebody asked for it.

    about: its attributes. parent: the traceparent of a caller who may have us traced. link: that
    of what ordered this work, perhaps days ago; it was kept, so this is, too.
    """
    if not _started:
        return _NOTHING
    asked = _TRACEPARENT.fullmatch(parent)
    ordered = _TRACEPARENT.fullmatch(link or "")
    if not (asked or ordered or random.random() < _started[0][1]):  # noqa: S311 no secret
        return _NOTHING
    return _root(name, about, asked, ordered, server)


def inner(
    name: str, about: Mapping[str, str], *, client: bool = False
) -> AbstractContextManager[Any]:
    """A span within one that is being recorded; without one, nothing."""
    if not _traced.get():
        return _NOTHING
    from opentelemetry.trace import SpanKind

    kind = SpanKind.CLIENT if client else SpanKind.INTERNAL
    return _span(name, kind=kind, attributes=about)


def traceparent() -> str | None:
    """The current span as W3C Trace Context has it, for root(link=...); None if it is not kept."""
    if not _traced.get():
        return None
    from opentelemetry.trace import get_current_span

    at = get_current_span().get_span_context()
    return f"00-{at.trace_id:032x}-{at.span_id:016x}-01"


@contextmanager
def _root(
    name: str,
    about: Mapping[str, str],
    asked: re.Match[str] | None,
    ordered: re.Match[str] | None,
    server: bool,
) -> Iterator[Any]:
    from opentelemetry.context import Context
    from opentelemetry.trace import Link, NonRecordingSpan, SpanKind, set_span_in_context

    within = Context()
    if asked:
        within = set_span_in_context(NonRecordingSpan(_context(asked)), within)
    how = {
        "kind": SpanKind.SERVER if server else SpanKind.CONSUMER,
        "links": [Link(_context(ordered))] if ordered else [],
    }
    token = _traced.set(True)
    try:
        with _span(name, attributes=about, context=within, **how) as span:
            yield span
    finally:
        _traced.reset(token)


def _span(name: str, **how: Any) -> AbstractContextManager[Any]:
    tracer = _started[0][0].get_tracer("livephoto")
    # The text of an exception may tell anything; who raises one says its kind.
    span: AbstractContextManager[Any] = tracer.start_as_current_span(
        name, record_exception=False, set_status_on_exception=False, **how
    )
    return span


def _context(of: re.Match[str]) -> Any:
    from opentelemetry.trace import SpanContext, TraceFlags

    trace, span = (int(digits, 16) for digits in of.groups())
    return SpanContext(trace, span, is_remote=True, trace_flags=TraceFlags(TraceFlags.SAMPLED))
