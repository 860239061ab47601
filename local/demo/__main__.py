"""`python -m local.demo`: starts the stack and plays the chapters in order."""

from __future__ import annotations

import shutil
import sys
import time
from pathlib import Path

import click
import requests

from local.demo import FOLDER, OLD_PHOTO, PORTRAIT, RESTORED, VIDEO, engines
from local.demo.bot import Bot, SurpriseError, say
from local.demo.growth import Growth
from local.demo.results import check_photo, check_video, download
from local.demo.story import (
    change_mind,
    order,
    pay_for_waiting_order,
    read_books,
    register,
    upload,
    upload_by_form,
    watch,
)
from local.postgres import throwaway
from local.stack import Stack
from settings import Settings

STATE = "state"  # database, files and logs, in the folder of the demo


@click.command()
@click.option("--folder", type=click.Path(path_type=Path), default=FOLDER, help="Emptied first.")
def main(folder: Path) -> None:
    """Play the story once; exit code 1 when something goes differently."""
    started, state = time.monotonic(), folder / STATE
    try:
        clear(folder)
        click.echo("Starting PostgreSQL, the server and a worker...")
        # Defaults only: a demo must not touch what an .env of this folder connects to.
        defaults = Settings(state_dir=state, port=0, web_concurrency=1)
        with Stack(**vars(defaults)) as stack:
            results = play(stack, folder)
    except (SurpriseError, requests.RequestException, RuntimeError) as trouble:
        click.echo(f"\nThe demo failed: {trouble}\nLogs are in {state}/logs", err=True)
        sys.exit(1)
    click.echo(f"\nAll well in {time.monotonic() - started:.0f} s. Look at the results:")
    for result, source in results:
        click.echo(f"  {result}\n    made from {source}")


def clear(folder: Path) -> None:
    """Delete the last demo. EmbeddedPostgresError while it still runs."""
    throwaway.remove(folder / STATE / "postgres")
    shutil.rmtree(folder, ignore_errors=True)
    (folder / STATE).mkdir(parents=True)


def play(stack: Stack, folder: Path) -> list[tuple[Path, Path]]:
    """Play the story from the first visit to the finished photos, which are saved in `folder`; each
    of them with its source.
    """
    bot = Bot(stack.url, stack.api_key)
    user_id = register(bot)
    portrait, old_photo = upload(bot), upload_by_form(bot)
    animate = pay_for_waiting_order(stack, bot, user_id, portrait)
    restore = order(bot, user_id, "restore", old_photo)
    change_mind(bot, user_id, portrait)
    watch(bot, animate)
    watch(bot, restore)
    read_books(bot, user_id)
    grow(Growth(stack, bot), user_id)
    made = engines.play(stack, bot, folder)
    video, photo = folder / VIDEO, folder / RESTORED
    download(bot, animate, video)
    download(bot, restore, photo)
    check_video(video)
    check_photo(photo)
    books = stack.cli("ledger", "check")
    say("CLI", "cli.py ledger check", "ok", f"{len(books.splitlines())} rules of the books hold")
    return [(video, PORTRAIT), (photo, OLD_PHOTO), *made]


def grow(growth: Growth, user_id: str) -> None:
    """Play the growth features: referrals, bonuses and a lottery."""
    growth.start_lottery()
    growth.take_part("Anna", user_id)
    growth.join_channel(user_id)
    growth.write_review(user_id)
    growth.invite(user_id)
    growth.see_the_draw()


if __name__ == "__main__":
    main()
