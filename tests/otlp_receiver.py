"""A collector of traces, as far as tests need one."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


@dataclass
class Span:
    """One span; ids are hexadecimal, as in a traceparent."""

    name: str
    service: str
    trace: str
    id: str
    parent: str
    links: list[str]
    about: dict[str, str]


@dataclass
class Collector:
    """What was sent to `url` so far."""

    url: str = ""
    bodies: list[bytes] = field(default_factory=list)

    def spans(self, name: str = "") -> list[Span]:
        """Those with this name, or all."""
        found = [span for body in self.bodies for span in _spans(body)]
        return [span for span in found if name in ("", span.name)]


@contextmanager
def collecting() -> Iterator[Collector]:
    """A collector during the block."""
    collector = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            assert self.path == "/v1/traces", self.path
            collector.bodies.append(body)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        collector.url = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield collector
        server.shutdown()


def _spans(body: bytes) -> Iterator[Span]:
    for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
        service = _values(resource.resource.attributes)["service.name"]
        for scope in resource.scope_spans:
            for span in scope.spans:
                yield Span(
                    span.name,
                    service,
                    span.trace_id.hex(),
                    span.span_id.hex(),
                    span.parent_span_id.hex(),
                    [f"{link.trace_id.hex()}-{link.span_id.hex()}" for link in span.links],
                    _values(span.attributes),
                )


def _values(attributes: Any) -> dict[str, str]:
    return {each.key: each.value.string_value or str(each.value.int_value) for each in attributes}
