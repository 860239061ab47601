"""A bucket on SeaweedFS, which checks signatures and policies as Amazon does: one server that is
everything, or a cluster of several.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import boto3.session
from botocore.client import Config
from botocore.exceptions import BotoCoreError, ClientError

from local import ports
from local.processes import Child, Program

ACCESS_KEY, SECRET_KEY, BUCKET = "test-key", "test-secret-0123456789", "photos"
WEED = Path(sys.executable).with_name("weed")
START_SECONDS = 90
VOLUMES = 2


class Cluster:
    """A master, volume servers that each have all files, a filer, and `s3`, the door to it.

    Each is a process that can be killed and started again.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ports = {
            f"{name}{kind}": ports.reserve()
            for name in ("master", *(f"volume{n}" for n in range(VOLUMES)), "filer", "s3")
            for kind in ("", ".grpc")
        }
        self._identities = identities(folder)
        self._running: dict[str, Child] = {}
        self.endpoint = f"http://127.0.0.1:{self._ports['s3']}"
        # The same one by another name: what is signed for one of them is not valid at the other.
        self.public_endpoint = f"http://localhost:{self._ports['s3']}"

    def start(self, name: str) -> None:
        """Start `master`, `volume0`, `volume1`, `filer` or `s3`."""
        own = self._folder / name
        own.mkdir(exist_ok=True)
        at = [f"-port={self._ports[name]}", f"-port.grpc={self._ports[f'{name}.grpc']}"]
        kinds = {"filer": self._filer, "master": self._master, "s3": self._s3}
        command = kinds.get(name, self._volume)(own)
        arguments = [command[0], "-ip.bind=127.0.0.1", *at, *command[1:]]
        program = Program.other(name, (str(WEED), *arguments), stop_seconds=0, folder=own)
        self._running[name] = Child(program, environ=os.environ, logs=self._folder)

    def kill(self, name: str) -> None:
        """As a power cut does."""
        self._running.pop(name).kill()

    def kill_all(self) -> None:
        """At the end: a graceful stop takes 16 seconds."""
        for name in list(self._running):
            self.kill(name)

    def wait_until_it_takes_files(self) -> None:
        """Wait until a write succeeds: open ports are not enough."""
        wait_for_bucket(self.endpoint, lambda: self._running["s3"].exit_code() is None)

    def _master(self, own: Path) -> list[str]:
        # 001: each file is on one more server of the same rack.
        options = ["-ip=127.0.0.1", "-peers=none", "-telemetry=false", "-volumeSizeLimitMB=64"]
        return ["master", f"-mdir={own}", "-defaultReplication=001", *options]

    def _volume(self, own: Path) -> list[str]:
        master = f"-master={self._address('master')}"
        return ["volume", "-ip=127.0.0.1", f"-dir={own}", master, "-max=20"]

    def _filer(self, own: Path) -> list[str]:
        store = [f"-defaultStoreDir={own}", f"-master={self._address('master')}"]
        return ["filer", "-ip=127.0.0.1", f"-localSocket={own}/socket", *store]

    def _s3(self, own: Path) -> list[str]:
        other = ["-port.iceberg=0", "-port.lance=0", f"-config={self._identities}"]
        return ["s3", f"-filer={self._address('filer')}", *other]

    def _address(self, name: str) -> str:
        return f"127.0.0.1:{self._ports[name]}.{self._ports[f'{name}.grpc']}"


@contextmanager
def cluster(folder: Path) -> Iterator[Cluster]:
    """One that takes files."""
    made = Cluster(folder)
    with ExitStack() as stack:
        stack.callback(made.kill_all)
        for name in ("master", *(f"volume{n}" for n in range(VOLUMES)), "filer", "s3"):
            made.start(name)
        made.wait_until_it_takes_files()
        yield made


def identities(folder: Path) -> Path:
    """The file that says who may do what."""
    credentials = [{"accessKey": ACCESS_KEY, "secretKey": SECRET_KEY}]
    identity = {"name": "test", "credentials": credentials, "actions": ["Admin"]}
    path = folder / "identities.json"
    path.write_text(json.dumps({"identities": [identity]}))
    return path


def client(endpoint: str) -> Any:
    """As its owner, past our own code."""
    return boto3.session.Session().client(
        "s3",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET_KEY,
        config=Config(retries={"total_max_attempts": 1}, connect_timeout=1, read_timeout=5),
    )


def wait_for_bucket(endpoint: str, is_alive: Callable[[], bool]) -> None:
    """Wait until a write succeeds; AssertionError when it does not."""
    owner, deadline, last = client(endpoint), time.monotonic() + START_SECONDS, "it has ended"
    while time.monotonic() < deadline and is_alive():
        try:
            with_bucket(owner)
            return
        except (BotoCoreError, ClientError) as error:
            last = str(error)
            time.sleep(0.2)
    raise AssertionError(f"the S3 engine does not start: {last}")


def with_bucket(owner: Any) -> None:
    """Make the bucket if it is not there, and write into it."""
    with suppress(ClientError):  # it is there, or the write will say what is wrong
        owner.create_bucket(Bucket=BUCKET)
    owner.put_object(Bucket=BUCKET, Key="ready", Body=b"1")
