"""How gunicorn runs the server: `gunicorn` alone in this folder is enough."""

import gc
import os
import signal

from gunicorn import glogging

import logs
import settings
from web.listener import SharedListener

current = settings.load()

wsgi_app = "web.app:create_app()"
bind = current.address
workers = current.web_concurrency
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

    `accesslog` alone does not stop gunicorn from building lines for each request when
    logconfig_dict is set.
    """

    access_log_enabled = False


logger_class = Log

# Seconds between failing readiness and closing the listener, so that a load balancer stops first.
LEAVE_SECONDS = 2 if current.production else 0


def post_worker_init(worker):
    """Called when the application is built, before the first connection is taken."""
    for listener in worker.sockets:
        listener.sock = SharedListener(fileno=listener.sock.detach())

    # What was built stays: the garbage collector need not traverse it again, which would stop
    # every thread for a tenth of a second.
    gc.collect()
    gc.freeze()

    from handlers import ops  # not in the master, which needs no application

    # On SIGTERM readiness fails first, then gunicorn's own graceful stop begins.
    def leave():
        ops.stopping.set()
        worker.loop.call_later(LEAVE_SECONDS, worker.handle_exit_signal)

    worker.loop.add_signal_handler(signal.SIGTERM, leave)
