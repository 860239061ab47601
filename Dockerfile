# syntax=docker/dockerfile:1
# The server, the worker, the bot, the console and the operator's commands are one image:
#   docker run livephoto-backend                                       the server
#   docker run --health-cmd 'python -m worker.check' livephoto-backend python -m worker
#   docker run --no-healthcheck livephoto-backend python -m bot        the bot
#   docker run --no-healthcheck livephoto-backend python -m console    the operator's console
#   docker run --no-healthcheck livephoto-backend python cli.py migrate

FROM python:3.11-slim-bookworm AS packages

ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
RUN python -m venv /venv
# Traces and Sentry need more: docker build --build-arg REQUIREMENTS=observability
ARG REQUIREMENTS=server
COPY requirements/server.txt requirements/observability.txt ./
# Built wheels only: nothing is compiled here, and no package's setup.py runs.
RUN --mount=type=cache,target=/root/.cache/pip \
    /venv/bin/pip install --no-deps --require-hashes --only-binary :all: \
        --requirement ${REQUIREMENTS}.txt \
    && /venv/bin/python -m pip uninstall --yes pip setuptools


FROM python:3.11-slim-bookworm

RUN groupadd --system --gid 10001 livephoto \
    && useradd --system --uid 10001 --gid livephoto --no-create-home --home-dir /nonexistent livephoto \
    && install --directory --owner=livephoto --group=livephoto /state
COPY --from=packages /venv /venv

# Owned by root: a process of ours cannot change its own code.
WORKDIR /app
COPY cli.py errors.py gunicorn.conf.py quotas.py ./
COPY bot bot
COPY clients/python/livephoto_client livephoto_client
COPY commands commands
COPY console console
COPY db db
COPY handlers handlers
COPY images images
COPY providers providers
COPY services services
COPY settings settings
COPY spec spec
COPY telemetry telemetry
COPY web web
COPY worker worker
COPY workflows workflows
RUN ["/venv/bin/python", "-m", "compileall", "-q", "."]

ENV PATH=/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HOST=0.0.0.0 \
    PORT=8000 \
    STATE_DIR=/state
USER livephoto
VOLUME /state
EXPOSE 8000

# Liveness only: a server that waits for its database need not be killed. Workers have another one.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s CMD ["python", "-c", "\
import http.client, os, sys\n\
server = http.client.HTTPConnection('127.0.0.1', int(os.environ['PORT']), timeout=3)\n\
server.request('GET', '/api/v1/health/live')\n\
sys.exit(server.getresponse().status != 200)\n\
"]

# SIGTERM stops both server and worker in order; give them 35 seconds.
CMD ["gunicorn"]
