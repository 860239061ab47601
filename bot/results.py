"""Results on their way to a chat: a looping clip, or a photo for the eye and a file for print."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

from telegram import Bot
from telegram.error import BadRequest

from bot import texts
from livephoto_client import AsyncClient, Event, Job, LivePhotoError


@dataclass(frozen=True)
class Result:
    """One file of an order. size: width and height in pixels; seconds: of a clip."""

    order_id: str
    is_video: bool
    url: str
    size: tuple[int, int] | None = None
    seconds: float | None = None
    bytes: int | None = None


def results_of_event(event: Event) -> list[Result]:
    """What job.done brings; photos that could not be made are told by its text."""
    assert event.job  # noqa: S101 - the event has one
    return [
        Result(
            event.job.order_id,
            each.type == "video",
            each.url,
            (each.width, each.height) if each.width and each.height else None,
            each.duration_seconds,
            each.bytes,
        )
        for each in event.results or ()
        if each.url
    ]


async def results_of_job(backend: AsyncClient, job: Job) -> list[Result]:
    """The same of an order that has been done for a while, with new links."""
    found = []
    for each in job.output:
        if each.data_id:
            try:
                data = await backend.data_confirm_upload(each.data_id)
            except LivePhotoError:
                continue
            about = job.meta if len(job.output) == 1 else None
            size = (about.width, about.height) if about and about.width and about.height else None
            seconds = about.duration_seconds if about else None
            found.append(
                Result(job.order_id, each.type == "video", data.public_s3_url, size, seconds)
            )
    return found


async def send_result(bot: Bot, backend: AsyncClient, chat_id: int, result: Result) -> None:
    """Send one file. It goes by upload: by its address Telegram takes no document of this kind."""
    content = await backend.download(result.url)
    caption = texts.caption(result.order_id, len(content), result.size, result.seconds)
    if result.is_video:
        width, height = result.size or (None, None)
        await bot.send_animation(
            chat_id,
            content,
            filename=f"ozhivi-{result.order_id}.mp4",
            caption=caption,
            width=width,
            height=height,
            duration=round(result.seconds) if result.seconds else None,
        )
        return
    with suppress(BadRequest):  # larger than Telegram's photos may be: the file alone will do
        await bot.send_photo(chat_id, content, caption=caption)
    await bot.send_document(
        chat_id,
        content,
        filename=f"restored-{result.order_id}.jpg",
        caption=texts.FOR_PRINT,
        disable_content_type_detection=True,
    )
