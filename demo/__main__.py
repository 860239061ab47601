"""`python -m demo`: the stack is started, and the chapters are played in their order."""

from __future__ import annotations

import shutil
import sys
import time

import click
import requests

from db import cluster, embedded
from demo import FOLDER, OLD_PHOTO, PORTRAIT, RESTORED, STATE, VIDEO
from demo.bot import Bot, SurpriseError, insist, say
from demo.growth import Growth
from demo.results import check_photo, check_video, download
from demo.story import (
    change_mind,
    order,
    pay_for_waiting_order,
    read_books,
    register,
    upload,
    upload_by_form,
    watch,
)
from local import Stack
from settings import Settings


def main() -> None:
    """Play the story once; exit code 1 when it went otherwise."""
    started = time.monotonic()
    try:
        clear()
        click.echo("Starting PostgreSQL, the server and a worker...")
        # Defaults only: a demo must not touch what an .env of this folder connects to.
        defaults = Settings(state_dir=STATE, port=0, web_concurrency=1)
        with Stack(**vars(defaults)) as stack:
            play(stack)
    except (SurpriseError, requests.RequestException, RuntimeError) as trouble:
        click.echo(f"\nThe demo failed: {trouble}\nLogs are in {STATE}/logs", err=True)
        sys.exit(1)
    click.echo(f"\nAll well in {time.monotonic() - started:.0f} s. Look at the results:")
    click.echo(f"  {VIDEO}\n    made from {PORTRAIT}")
    click.echo(f"  {RESTORED}\n    made from {OLD_PHOTO}")


def clear() -> None:
    """Forget the last demo. SurpriseError while it still runs."""
    database = STATE / "postgres"
    insist(embedded.running_url(database) is None, "another demo is running in var/demo")
    # Where root's data had to go elsewhere, only a link to it is in our folder.
    shutil.rmtree(cluster.data_folder(database), ignore_errors=True)
    shutil.rmtree(FOLDER, ignore_errors=True)
    STATE.mkdir(parents=True)


def play(stack: Stack) -> None:
    """The story from the first visit to the finished photos."""
    bot = Bot(f"{stack.url}/v1", stack.api_key)
    user_id = register(bot)
    portrait, old_photo = upload(bot), upload_by_form(bot)
    animate = pay_for_waiting_order(stack, bot, user_id, portrait)
    restore = order(bot, user_id, "restore", old_photo)
    change_mind(bot, user_id, portrait)
    watch(bot, animate)
    watch(bot, restore)
    read_books(bot, user_id)
    grow(Growth(stack, bot), user_id)
    download(bot, animate, VIDEO)
    download(bot, restore, RESTORED)
    check_video()
    check_photo()
    books = stack.cli("ledger", "check")
    say("CLI", "cli.py ledger check", "ok", f"{len(books.splitlines())} rules of the books hold")


def grow(growth: Growth, user_id: str) -> None:
    """What brings people in, and what they get for it."""
    growth.start_lottery()
    growth.take_part("Anna", user_id)
    growth.join_channel(user_id)
    growth.write_review(user_id)
    growth.invite(user_id)
    growth.see_the_draw()


if __name__ == "__main__":
    main()
