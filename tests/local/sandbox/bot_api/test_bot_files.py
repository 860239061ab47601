"""Files of people and of the bot in the sandbox, driven by python-telegram-bot."""

from __future__ import annotations

import io
from typing import Any

import pytest
import requests
import telegram
from PIL import Image

from tests.bot_calls import ANNA, BORIS, picture, refused, run, say, seen, send_file
from tests.telegram_world import World

pytestmark = pytest.mark.filterwarnings("ignore::telegram.warnings.PTBDeprecationWarning")


def test_a_photo_comes_in_sizes_without_its_exif(world: World) -> None:
    send_file(world, picture(), "babushka.jpg", caption="/restore пожалуйста")
    message = run(world, lambda bot: bot.get_updates(timeout=30))[0].message
    assert [max(size.width, size.height) for size in message.photo] == [90, 320, 800, 1280]
    assert message.caption_entities[0].type == "bot_command"

    async def download(bot: telegram.Bot) -> bytes:
        found = await bot.get_file(message.photo[-1].file_id)
        return bytes(await found.download_as_bytearray())

    content = run(world, download)
    with Image.open(io.BytesIO(content)) as got:
        assert (got.format, got.size) == ("JPEG", (1280, 960))
    assert len(content) == message.photo[-1].file_size


def test_a_file_comes_whole_with_name_type_and_thumbnail(world: World) -> None:
    content = picture(200, 100, "PNG")
    send_file(world, content, "старое.png", kind="document")
    document: Any = run(world, lambda bot: bot.get_updates(timeout=30))[0].message.document
    assert (document.file_name, document.mime_type) == ("старое.png", "image/png")
    assert document.thumbnail.width == 200

    async def download(bot: telegram.Bot) -> bytes:
        return bytes(await (await bot.get_file(document)).download_as_bytearray())

    assert run(world, download) == content
    send_file(world, bytes(20_000_001), "large.jpg", kind="document")
    large: Any = run(world, lambda bot: bot.get_updates(timeout=30))[-1].message.document
    refused(world, "File is too big", lambda bot: bot.get_file(large))


def test_an_album_is_single_messages_with_one_group(world: World) -> None:
    answer = requests.post(
        f"{world.url}/control/telegram/users/{ANNA}/say",
        files=[("file", (f"{n}.jpg", picture(100 + n, 90))) for n in range(3)],
        timeout=20,
    )
    got = [u.message for u in run(world, lambda bot: bot.get_updates(timeout=30))]
    assert [m.message_id for m in got] == [m["message_id"] for m in answer.json()]
    assert len({m.media_group_id for m in got}) == 1 and got[0].media_group_id


def test_files_go_up_in_every_kind_and_again_by_their_id(world: World) -> None:
    async def story(bot: telegram.Bot) -> None:
        photo = await bot.send_photo(ANNA, picture(), caption="<b>Вот</b>", parse_mode="HTML")
        assert photo.photo[-1].width == 1280 and photo.caption_entities[0].type == "bold"
        clip: Any = await bot.send_animation(
            ANNA, b"clip", width=480, height=360, duration=4, thumbnail=picture(), filename="a.mp4"
        )
        assert (clip.animation.width, clip.animation.duration) == (480, 4)
        assert clip.document.file_id == clip.animation.file_id
        assert clip.animation.thumbnail.width == 320
        video = await bot.send_video(ANNA, b"video", filename="v.mp4", supports_streaming=True)
        assert video.video.mime_type == "video/mp4"
        paper = await bot.send_document(ANNA, picture(), filename="печать.jpg")
        assert paper.document.file_name == "печать.jpg"
        for again, kind in (
            (await bot.send_photo(ANNA, photo.photo[-1]), "photo"),
            (await bot.send_animation(ANNA, clip.animation), "animation"),
            (await bot.send_document(ANNA, paper.document.file_id), "document"),
        ):
            assert again.effective_attachment and getattr(again, kind)
        assert again.document.file_id == paper.document.file_id
        copied = await bot.copy_message(BORIS, ANNA, photo.message_id, caption="Себе")
        assert seen(world, BORIS)["messages"][-1]["caption"] == "Себе"
        assert copied.message_id == seen(world, BORIS)["messages"][-1]["message_id"]
        other = telegram.InputMediaPhoto(picture(90, 80), caption="Новое")
        edited = await bot.edit_message_media(other, ANNA, photo.message_id)
        assert edited.caption == "Новое" and edited.photo[-1].width == 90
        assert (await bot.edit_message_caption(ANNA, photo.message_id)).caption is None

    say(world, "/start", BORIS)
    run(world, story)


def test_an_album_of_the_bot_has_files_new_and_known(world: World) -> None:
    async def story(bot: telegram.Bot) -> tuple[telegram.Message, ...]:
        known = (await bot.send_photo(ANNA, picture())).photo[-1].file_id
        return await bot.send_media_group(
            ANNA,
            [
                telegram.InputMediaPhoto(known, caption="*раз*", parse_mode="Markdown"),
                telegram.InputMediaPhoto(picture(300, 200)),
            ],
        )

    first, second = run(world, story)
    assert first.media_group_id == second.media_group_id
    assert (first.caption, second.photo[-1].width) == ("раз", 300)
    one = [telegram.InputMediaPhoto(picture())]
    refused(world, "2-10", lambda bot: bot.send_media_group(ANNA, one))


@pytest.mark.parametrize(
    ("photo", "why"),
    [
        ("AgACnonsense", "Wrong remote file identifier"),
        (b"no picture", "Image_process_failed"),
        (picture(2100, 100), "Photo_invalid_dimensions"),
        (picture(6000, 4001), "Photo_invalid_dimensions"),
        ("http://127.0.0.1:9/a.jpg", "Failed to get HTTP URL content"),
    ],
)
def test_a_picture_that_is_none_is_refused(world: World, photo: Any, why: str) -> None:
    refused(world, why, lambda bot: bot.send_photo(ANNA, photo))


def test_an_address_is_fetched_if_its_type_fits(world: World) -> None:
    stored = send_file(world, picture(), "a.jpg")[0]["photo"][-1]["file_id"]
    path = run(world, lambda bot: bot.get_file(stored)).file_path
    refused(
        world, "Wrong type of the web page content", lambda bot: bot.send_photo(ANNA, str(path))
    )
    shown = f"{world.url}/chat/files/{stored}"
    assert run(world, lambda bot: bot.send_photo(ANNA, shown)).photo[-1].width == 1280
    refused(world, "Wrong type of the web", lambda bot: bot.send_document(ANNA, shown))
    refused(world, "Type of file mismatch", lambda bot: bot.send_document(ANNA, stored))
