"""Results on their way to a chat: a looping clip, or a photo for the eye and a file for print."""

from __future__ import annotations

from contextlib import suppress

from telegram import Bot
from telegram.error import BadRequest

from bot import texts
from livephoto_client import AsyncClient, DataNotFound, IOObject, Job, JobMeta


async def send_results(bot: Bot, backend: AsyncClient, chat_id: int, job: Job) -> int:
    """Send what an order has brought; returns how many files were still there.

    Links live for an hour and Telegram may be away for longer, so each is asked for when it is
    needed.
    """
    sent = 0
    for result in job.output:
        if result.data_id:  # else this photo could not be made
            with suppress(DataNotFound):
                link = (await backend.data_confirm_upload(result.data_id)).public_s3_url
                await _send(bot, chat_id, job, result, await backend.download(link))
                sent += 1
    return sent


async def _send(bot: Bot, chat_id: int, job: Job, result: IOObject, content: bytes) -> None:
    """It goes by upload: by its address Telegram takes no document of this kind."""
    # Of several photos each has facts of its own.
    about = JobMeta.from_json(result.meta) if result.meta else job.meta
    caption = texts.caption(job.order_id, len(content), about)
    if result.type == "video":
        await bot.send_animation(
            chat_id,
            content,
            filename=f"ozhivi-{job.order_id}.mp4",
            caption=caption,
            width=about.width,
            height=about.height,
            duration=round(about.duration_seconds) if about.duration_seconds else None,
        )
        return
    with suppress(BadRequest):  # larger than Telegram's photos may be: the file alone will do
        await bot.send_photo(chat_id, content, caption=caption)
    await bot.send_document(
        chat_id,
        content,
        filename=f"restored-{job.order_id}.jpg",
        caption=texts.FOR_PRINT,
        disable_content_type_detection=True,
    )
