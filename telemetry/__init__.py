"""What a running program tells its operator: log lines, figures, traces, reports of errors.

Any room may import it; it imports none. Nothing here may tell keys, names, bodies or queries.

logs            one JSON object per line, each with the request it belongs to
metrics         figures for Prometheus
tracing         spans for a collector that speaks OTLP
error_reports   lines at level ERROR, for Sentry
"""
