"""The shipped configuration in a real nginx, as an operator installs it, with other addresses."""

from __future__ import annotations

import os
import re
import shutil
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from local import ports
from local.processes import Child, Program
from tests.wire import ROOT

# Debian puts it where only root looks.
NGINX = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
SHIPPED = ROOT / "deploy/nginx"
CERTIFICATES = ROOT / "tests/providers/certificates"
HOST = "photos.test"  # whom the certificate names

_MAIN = """\
{user}worker_processes 2;
pid {folder}/nginx.pid;
error_log {folder}/error.log warn;
daemon off;
events {{ worker_connections 1024; }}
http {{
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/livephoto.conf;
}}
"""


class Nginx:
    """An nginx: its ports on this machine, and what it has written."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port, self.plain_port = ports.reserve(), ports.reserve()

    @property
    def url(self) -> str:
        """The API behind it."""
        return f"https://{HOST}:{self.port}/api"

    def lines(self) -> str:
        """Its access log."""
        return (self.folder / "livephoto.log").read_text("utf-8")

    def errors(self) -> str:
        """Its error log."""
        return (self.folder / "livephoto.error.log").read_text("utf-8")


@contextmanager
def before(nginx: Nginx, hosts: Sequence[str], **changes: str) -> Iterator[Nginx]:
    """It runs before two hosts, `address:port`; `changes`: directives unlike the shipped ones."""
    folder = nginx.folder
    shutil.copy(SHIPPED / "livephoto-answer.conf", folder)
    (folder / "livephoto.conf").write_text(_installed(nginx, hosts, changes), "utf-8")
    user = "user root;\n" if os.geteuid() == 0 else ""  # the folder is the tests' own
    (folder / "nginx.conf").write_text(_MAIN.format(user=user, folder=folder))
    files = ("-c", f"{folder}/nginx.conf", "-p", str(folder), "-e", f"{folder}/error.log")
    program = Program.other("nginx", (str(NGINX), *files), stop_seconds=5)
    with Child(program, environ=os.environ, logs=folder) as running:
        running.wait_until(lambda: _listens(nginx.port), 10)
        yield nginx


def _installed(nginx: Nginx, hosts: Sequence[str], changes: dict[str, str]) -> str:
    """As README.md says: the addresses of hosts, name, certificate and log files."""
    text = (SHIPPED / "livephoto.conf").read_text("utf-8")
    places = {
        "10.0.0.11:8000": hosts[0],
        "10.0.0.12:8000": hosts[1],
        "listen 80;": f"listen 127.0.0.1:{nginx.plain_port};",
        "listen 443 ssl;": f"listen 127.0.0.1:{nginx.port} ssl;",
        "api.example.org": HOST,
        "/etc/nginx/tls/fullchain.pem": str(CERTIFICATES / f"{HOST}.pem"),
        "/etc/nginx/tls/privkey.pem": str(CERTIFICATES / f"{HOST}.pem"),
        "/var/log/nginx/": f"{nginx.folder}/",
    }
    for shipped, ours in places.items():
        assert shipped in text, shipped
        text = text.replace(shipped, ours)
    for directive, value in changes.items():
        text, count = re.subn(rf"(?m)^( *){directive} [^;]+;", rf"\g<1>{directive} {value};", text)
        assert count, directive
    return text


def _listens(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0
