"""How gunicorn runs the server: `gunicorn` alone in this folder is enough."""

import contextlib
import gc
import os
import resource
import signal
import socket
import sys
import threading
import time

from gunicorn import glogging

import settings
from telemetry import logs, metrics
from telemetry.metrics import scrape

current = settings.load()

wsgi_app = "web.app:create_app()"
bind = [current.address]
if current.metrics_address:
    bind += [current.metrics_address]
    # Before the application is made; at SIGHUP this file is read again, and the folder stays.
    if not metrics.has_started():
        metrics.start(scrape.common_folder(current.metrics_folder))
workers = current.web_concurrency
# Made once, before the processes are forked: none of them imports or compiles anything again, a new
# one serves at once, and they share its memory. Nothing is connected or running by then.
preload_app = True
# On Linux the kernel deals connections out evenly to processes that listen each for itself. From
# one common socket, the first that wakes takes all that have come.
reuse_port = sys.platform == "linux" and current.web_concurrency > 1
worker_class = "asgi"
asgi_loop = "asyncio"
asgi_lifespan = "on"

# A worker's heartbeat comes from its event loop, which no handler blocks.
timeout = 30
# Longer than requests take: a database wait (2 s), a statement (5 s), a call to a provider (12 s)
# or two calls to Telegram (20 s).
graceful_timeout = 30
keepalive = 5

# Nobody controls a running server; without this there is a socket in the home folder.
control_socket_disable = True

# The heartbeat file must not wait for a disk; macOS does not have this folder.
SHARED_MEMORY = "/dev/shm"  # noqa: S108 gunicorn creates its own files in it
worker_tmp_dir = SHARED_MEMORY if os.path.isdir(SHARED_MEMORY) else None
logconfig_dict = logs.config(current.log_level)


class Log(glogging.Logger):
    """gunicorn's own lines; the application writes one for each request itself.

    Without this gunicorn builds a line for each request as soon as there is a logconfig_dict, for
    24 microseconds, and throws it away. A setting of gunicorn for it would replace this class.
    """

    access_log_enabled = False


logger_class = Log

# Open files of a process. A waiting request is one for up to 25 s, and what systemd and shells give
# is 1024: when so many wait, the process would answer nobody else, not even a health check.
MOST_FILES = 65_536

# Seconds between failing readiness and closing the listener, so that a load balancer stops first.
LEAVE_SECONDS = 2 if current.production else 0


def on_starting(server):
    """Called in the master when the application has been made; exits when it must not serve."""
    from workflows import photo_folder  # not before the application has been made

    allow_files()
    if metrics.has_started():
        scrape.count_error_lines()
    if refusal := photo_folder.refusal():
        server.log.error("%s", refusal)
        sys.exit(1)
    if server.cfg.reuse_port:  # else gunicorn sees for itself
        require_free_addresses(server)


def require_free_addresses(server):
    """Exit when an address is taken.

    Processes that listen each for themselves would share it with those of another server.
    """
    for address in server.cfg.bind:
        host, _, port = address.rpartition(":")
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            socket.create_server((host.strip("[]"), int(port)), family=family).close()
        except OSError as error:
            server.log.error("cannot listen on %s: %s", address, error.strerror)
            sys.exit(1)


def allow_files():
    """Raise the soft limit of open files, which is for programs that use select(), to the hard one.

    The processes that are forked inherit it.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_FILES if hard == resource.RLIM_INFINITY else min(MOST_FILES, hard)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    with contextlib.suppress(OSError, ValueError):  # macOS may allow less than it says
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def pre_fork(server, worker):
    """Called in the master before each fork; what exists stays, and its memory is shared."""
    gc.freeze()


def child_exit(server, worker):
    """Called in the master when a worker has ended, however it did."""
    scrape.forget_process(worker.pid)


def on_exit(server):
    """Called in the master at the end."""
    scrape.remove_own_folder()


def pre_exec(server):
    """Called after SIGUSR2, before a second master replaces this process; ADR 10 says why not."""
    server.log.error("SIGUSR2 is not supported: restart the server, or one after the other")
    sys.exit(1)


def post_worker_init(worker):
    """Called in the main thread of a worker, when the application has been made."""
    # Threads inherit the mask, so that SIGTERM comes to the one that waits for it.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    threading.Thread(target=leave, name="leave", daemon=True).start()


def leave():
    """Wait for SIGTERM; readiness fails first, then the worker gets it and stops gracefully."""
    from handlers import ops  # not before the application has been made

    signal.sigwait({signal.SIGTERM})
    ops.stopping.set()
    time.sleep(LEAVE_SECONDS)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    os.kill(os.getpid(), signal.SIGTERM)
