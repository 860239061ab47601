"""Traces for a collector that speaks OTLP: spans of our own for requests, transactions, calls and
jobs.

Any module may import it; it imports no other. Until start() is called, nothing of OpenTelemetry is
imported, and a span is an empty context. No span tells an id, a name, a query or an address.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

_NOTHING: AbstractContextManager[None] = nullcontext()
_providers: list[Any] = []  # the one that is made by start()


def start(endpoint: str, *, service: str, share: float) -> None:
    """Send spans there, if there is an address; in a server after the fork, as it takes a thread.

    share: how many of those traces are kept that nobody else asked for, 0 to 1. RuntimeError when
    the packages are missing.
    """
    if not endpoint:
        return
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as missing:
        raise RuntimeError(
            "OTEL_EXPORTER_OTLP_ENDPOINT needs the packages of requirements/observability.txt"
        ) from missing
    provider = TracerProvider(
        sampler=_sampler(share),
        resource=Resource({"service.name": f"livephoto-{service}"}),
        shutdown_on_exit=False,
    )
    exporter = OTLPSpanExporter(endpoint=f"{endpoint}/v1/traces", timeout=5)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    _providers.append(provider)


def stop() -> None:
    """Send what is left, for a few seconds at most."""
    while _providers:
        _providers.pop().shutdown()


def root(
    name: str,
    about: Mapping[str, str],
    *,
    parent: str = "",
    link: str | None = None,
    server: bool = False,
) -> AbstractContextManager[Any]:
    """The first span of this process in a trace.

    about: its attributes. parent: the traceparent of a caller who may have us traced. link: that
    of what ordered this work, perhaps days ago; work that has one is always traced. Gives the
    span, None while it is off.
    """
    return _root(name, parent, link, server, about) if _providers else _NOTHING


def inner(
    name: str, about: Mapping[str, str], *, client: bool = False
) -> AbstractContextManager[Any]:
    """A span within one that is being recorded; without one, nothing."""
    if not _providers:
        return _NOTHING
    from opentelemetry import trace

    if not trace.get_current_span().is_recording():
        return _NOTHING
    kind = trace.SpanKind.CLIENT if client else trace.SpanKind.INTERNAL
    return _started(name, kind=kind, attributes=about)


def traceparent() -> str | None:
    """The current span as W3C Trace Context has it, for root(link=...); None if it is not kept."""
    if not _providers:
        return None
    from opentelemetry import trace

    at = trace.get_current_span().get_span_context()
    if not (at.is_valid and at.trace_flags.sampled):
        return None
    return f"00-{at.trace_id:032x}-{at.span_id:016x}-01"


@contextmanager
def _root(
    name: str, parent: str, link: str | None, server: bool, about: Mapping[str, str]
) -> Iterator[Any]:
    from opentelemetry import trace

    kind = trace.SpanKind.SERVER if server else trace.SpanKind.CONSUMER
    links = [trace.Link(linked)] if (linked := _context(link or "")) else []
    with _started(
        name, kind=kind, attributes=about, links=links, context=_within(_context(parent))
    ) as span:
        yield span


def _started(name: str, **how: Any) -> AbstractContextManager[Any]:
    tracer = _providers[0].get_tracer("livephoto")
    # The text of an exception may tell anything; who raises one says its kind.
    started: AbstractContextManager[Any] = tracer.start_as_current_span(
        name, record_exception=False, set_status_on_exception=False, **how
    )
    return started


def _within(parent: Any) -> Any:
    from opentelemetry import trace
    from opentelemetry.context import Context

    if parent is None:
        return Context()
    return trace.set_span_in_context(trace.NonRecordingSpan(parent), Context())


def _context(header: str) -> Any:
    """What a traceparent says; None when it is not one."""
    from opentelemetry.trace import get_current_span
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    read = TraceContextTextMapPropagator().extract({"traceparent": header})
    found = get_current_span(read).get_span_context()
    return found if header and found.is_valid else None


def _sampler(share: float) -> Any:
    from opentelemetry.sdk.trace.sampling import (
        Decision,
        ParentBased,
        SamplingResult,
        TraceIdRatioBased,
    )

    class OrLinked(TraceIdRatioBased):
        """By chance, and always what a trace that is kept has ordered."""

        def should_sample(
            self,
            parent_context: Any,
            trace_id: int,
            name: str,
            kind: Any = None,
            attributes: Any = None,
            links: Sequence[Any] | None = None,
            trace_state: Any = None,
        ) -> SamplingResult:
            if links:
                return SamplingResult(Decision.RECORD_AND_SAMPLE, attributes)
            return super().should_sample(
                parent_context, trace_id, name, kind, attributes, links, trace_state
            )

    return ParentBased(OrLinked(share))
