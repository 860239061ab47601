"""Where photos are."""

from __future__ import annotations

import sys

import click

from workflows import photo_folder


@click.group("storage")
def storage_group() -> None:
    """Where photos are."""


@storage_group.command("adopt")
def adopt() -> None:
    """Let STATE_DIR of this host be the folder of all photos, after they were moved here."""
    if not photo_folder.adopt():
        sys.exit("S3_BUCKET is set: the photos are in a bucket, and no folder needs a name")
    click.echo("this host's folder has the photos; hosts with another one refuse to start")
