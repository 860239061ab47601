"""Forms are parsed as sent, whatever a hostile or broken client sends instead is refused."""

from __future__ import annotations

import asyncio
import io
import random
import tempfile
import threading
import tracemalloc
from pathlib import Path
from typing import Any, BinaryIO, cast

import pytest

from web import multipart
from web.multipart import FileSink, Form, FormError, FormTooLarge, read_form

BOUNDARY = "AaB03x"
TYPE = f"multipart/form-data; boundary={BOUNDARY}"
DISCONNECT = object()


def part(name: str, content: bytes, *, filename: str | None = None, extra: str = "") -> bytes:
    disposition = f'form-data; name="{name}"'
    if filename is not None:
        disposition += f'; filename="{filename}"'
    head = f"--{BOUNDARY}\r\nContent-Disposition: {disposition}\r\n{extra}\r\n"
    return head.encode() + content + b"\r\n"


END = f"--{BOUNDARY}--\r\n".encode()
TYPED = "Content-Type: image/jpeg\r\n"


class Client:
    """An ASGI `receive` that hands out prepared chunks and notes how many were taken."""

    def __init__(self, *chunks: bytes | object) -> None:
        self.chunks = list(chunks)
        self.taken = 0

    async def receive(self) -> dict[str, Any]:
        chunk = self.chunks[self.taken]
        self.taken += 1
        if chunk is DISCONNECT:
            return {"type": "http.disconnect"}
        more = self.taken < len(self.chunks)
        return {"type": "http.request", "body": chunk, "more_body": more}


class Files:
    """A begin_file that opens temporary files and records its calls."""

    def __init__(self, folder: Path, max_bytes: int = 1_000_000) -> None:
        self.folder, self.max_bytes = folder, max_bytes
        self.opened: list[BinaryIO] = []
        self.seen: list[tuple[str, dict[str, str]]] = []

    def __call__(self, name: str, fields: dict[str, str]) -> FileSink:
        self.seen.append((name, fields))
        made = tempfile.NamedTemporaryFile(dir=self.folder, delete=False)  # noqa: SIM115 read_form closes it
        file = cast(BinaryIO, made)
        self.opened.append(file)
        return FileSink(file, self.max_bytes)


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def read(body: bytes | Client, files: Files, content_type: str = TYPE, **limits: int) -> Form:
    client = body if isinstance(body, Client) else Client(body)
    return asyncio.run(read_form(content_type, client.receive, begin_file=files, **limits))


def refused(body: bytes | Client, files: Files, content_type: str = TYPE) -> FormError:
    with pytest.raises(FormError) as caught:
        read(body, files, content_type)
    assert all(file.closed for file in files.opened)
    return caught.value


def test_a_form_comes_back_as_sent(files: Files) -> None:
    body = part("type", b"image") + part("note", "Ёж".encode())
    body += part("file", b"\xff\xd8pixels", filename="бабушка.jpg", extra=TYPED) + END
    form = read(body, files)
    assert form.fields == {"type": "image", "note": "Ёж"}
    photo = form.files["file"]
    assert (photo.filename, photo.content_type, photo.size) == ("бабушка.jpg", "image/jpeg", 8)
    assert Path(photo.file.name).read_bytes() == b"\xff\xd8pixels", "not brought out of the buffer"
    assert photo.file.tell() == 0


def test_begin_file_knows_the_fields_before_it_and_is_asked_before_any_byte(files: Files) -> None:
    head = part("policy", b"p") + part("file", b"", filename="a", extra=TYPED)[:-2]
    client = Client(head, b"more" * 10, part("late", b"x") + END)

    def begin(name: str, fields: dict[str, str]) -> FileSink:
        assert (name, fields) == ("file", {"policy": "p"})
        raise PermissionError("no")

    with pytest.raises(PermissionError):
        asyncio.run(read_form(TYPE, client.receive, begin_file=begin))
    assert client.taken == 1, "bytes were read after the refusal"


def test_a_file_over_its_limit_is_stopped_while_it_comes(tmp_path: Path) -> None:
    files = Files(tmp_path, max_bytes=100)
    head = part("file", b"", filename="a")[:-2]
    client = Client(head, *[b"z" * 60] * 50)
    with pytest.raises(FormTooLarge) as caught:
        read(client, files)
    assert (caught.value.field, caught.value.max_bytes) == ("file", 100)
    assert client.taken == 3
    assert files.opened[0].closed
    assert Path(files.opened[0].name).stat().st_size <= 100


def test_a_file_of_exactly_its_limit_is_taken(tmp_path: Path) -> None:
    form = read(part("file", b"z" * 100, filename="a") + END, Files(tmp_path, max_bytes=100))
    assert form.files["file"].size == 100


def test_fields_parts_and_the_space_between_them_are_limited(files: Files) -> None:
    with pytest.raises(FormTooLarge, match="more than 10 bytes") as caught:
        read(part("a", b"x" * 11) + END, files, max_field_bytes=10)
    assert caught.value.field == "a"
    read(part("a", b"x" * 10) + END, files, max_field_bytes=10)
    many = b"".join(part(f"n{number}", b"") for number in range(4))
    with pytest.raises(FormTooLarge, match="more than 3 parts"):
        read(many + END, files, max_parts=3)
    read(many + END, files, max_parts=4)
    for endless in (
        (b"\r\n" * 500,),
        (part("a", b"") + END, b"e" * 1000),
        (b"--AaB03x", b" " * 999),
    ):
        client = Client(*endless[:-1], *[endless[-1]] * 2000)
        with pytest.raises((FormTooLarge, FormError)):
            read(client, files)
        assert client.taken < 2000


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "multipart/form-data",
        "multipart/form-data; boundary=",
        "multipart/form-data; boundary=ещё",
        "multipart/form-data; boundary=\xff\xfe",
        "multipart/form-data; boundary=" + "x" * 71,
        'multipart/form-data; boundary="a\r\nb"',
        'multipart/form-data; boundary="ends in space "',
        "application/json",
        "multipart/mixed; boundary=AaB03x",
    ],
)
def test_a_useless_content_type_is_refused(files: Files, content_type: str) -> None:
    client = Client(END)
    refused(client, files, content_type)
    assert client.taken == 0


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"", None),
        (b"not a form at all", None),
        (b'{"type": "image"}', None),
        (END[:-4], None),
        (part("a", b"1"), "a"),
        (part("a", b"1") + part("b", b"2")[:-2], "b"),
        (part("a", b"1", filename="x")[:-1], "a"),
        (part("a", b"1") + part("a", b"2") + END, "a"),
        (part("a", b"1") + part("a", b"2", filename="x") + END, "a"),
        (part("a", b"1", filename="x") + part("a", b"2", filename="x") + END, "a"),
        (part("", b"1") + END, None),
        (part("a\x00b", b"1") + END, None),
        (part("a\nb", b"1") + END, None),
        (part("a", b"1\x00") + END, "a"),
        (part("a", b"\xff\xfe") + END, "a"),
        (part("a", b"\xed\xa0\x80") + END, "a"),
        (part("NAME", b"1").replace(b"NAME", b"\xff") + END, None),
        (part("a", b"1", filename="NAME").replace(b"NAME", b"\xff") + END, "a"),
        (part("a", b"1", filename="x\x00.jpg") + END, "a"),
        (part("a", b"1", filename="x", extra="Content-Type: \x00\r\n") + END, "a"),
        (part("a", b"1", extra="Content-Transfer-Encoding: base64\r\n") + END, "a"),
        (part("a", b"1", extra="Content-Disposition: form-data; name=b\r\n") + END, None),
        (part("a", b"1", extra="X: " + "y" * 5000 + "\r\n") + END, None),
        (part("a" * 5000, b"1") + END, None),
        (part("a", b"1", extra="".join(f"X-{n}: y\r\n" for n in range(9))) + END, None),
        (part("a", b"1", extra="no colon\r\n") + END, None),
        (f"--{BOUNDARY}\r\n\r\n1\r\n".encode() + END, None),
        (f"--{BOUNDARY}\r\nContent-Disposition: attachment; name=a\r\n\r\n1\r\n".encode(), None),
        (f"--{BOUNDARY}\nContent-Disposition: form-data; name=a\n\n1\n".encode(), "a"),
        (f"--{BOUNDARY}\nno colon\n\n1\n--{BOUNDARY}--\n".encode(), None),
        (f"x--{BOUNDARY}\r\n".encode(), None),
        (b"--other\r\n", None),
    ],
)
def test_a_malformed_form_is_refused_and_names_the_field(
    files: Files, body: bytes, field: str | None
) -> None:
    assert refused(body, files).field == field
    byte_by_byte = Client(*(body[i : i + 1] for i in range(len(body)))) if body else Client(b"")
    assert refused(byte_by_byte, files).field == field


def test_an_empty_form_is_a_form(files: Files) -> None:
    assert read(END, files) == Form()


def test_a_client_that_leaves_is_noticed(files: Files) -> None:
    refused(Client(part("file", b"half", filename="a")[:-2], DISCONNECT), files)
    assert len(files.opened) == 1


def test_a_client_that_falls_silent_is_given_up(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(multipart, "SILENCE_SECONDS", 0.05)
    first = Client(part("file", b"half", filename="a")[:-2])

    async def receive() -> dict[str, Any]:
        if first.taken:
            await asyncio.sleep(60)
        return {**await first.receive(), "more_body": True}

    with pytest.raises(FormError, match="nothing arrived"):
        asyncio.run(read_form(TYPE, receive, begin_file=files))
    assert files.opened[0].closed


def test_a_file_that_cannot_be_written_closes_everything(tmp_path: Path) -> None:
    class Full(io.BytesIO):
        def write(self, content: Any) -> int:
            raise OSError(28, "No space left on device")

    full = Full()
    client = Client(part("file", b"x", filename="a") + END)
    with pytest.raises(OSError, match="No space left"):
        asyncio.run(read_form(TYPE, client.receive, begin_file=lambda *_: FileSink(full, 100)))
    assert full.closed


def test_a_cancelled_request_does_not_close_a_file_under_its_writer() -> None:
    writing, cancelled = threading.Event(), threading.Event()

    class Slow(io.BytesIO):
        wrote_to_closed = finished = False

        def write(self, content: Any) -> int:
            writing.set()
            cancelled.wait(60)
            self.wrote_to_closed = self.closed
            self.finished = True
            return len(content)

    slow = Slow()

    async def cancel_while_writing() -> None:
        client = Client(part("file", b"x", filename="a") + END)
        reading = asyncio.create_task(
            read_form(TYPE, client.receive, begin_file=lambda *_: FileSink(slow, 100))
        )
        assert await asyncio.to_thread(writing.wait, 60)
        reading.cancel()
        cancelled.set()
        with pytest.raises(asyncio.CancelledError):
            await reading
        assert slow.finished and not slow.wrote_to_closed and slow.closed

    asyncio.run(cancel_while_writing())


def test_forms_of_other_clients_are_understood(files: Files) -> None:
    quoted = f'multipart/form-data; charset=utf-8; boundary="{BOUNDARY}"'
    only_extended = part("file", b"1", filename="x").replace(b'filename="x"', b"filename*=utf-8''x")
    assert read(only_extended + END, files, quoted).files["file"].size == 1
    preamble_and_epilogue = b"\r\n" + part("a", b"1") + END + b"epilogue"
    assert read(preamble_and_epilogue, files).fields == {"a": "1"}
    no_last_line_end = part("a", b"1") + END[:-2]
    assert read(no_last_line_end, files).fields == {"a": "1"}
    continued = part("a", b"1", extra=" ; filename*=utf-8''x\r\n")
    assert read(continued + END, files).files["a"].size == 1
    unquoted = part("a", b"1").replace(b'"a"', b"a")
    assert read(unquoted + END, files).fields == {"a": "1"}


@pytest.mark.parametrize("line_end", [b"\r\n", b"\n"])
@pytest.mark.parametrize("seed", range(60))
def test_it_does_not_matter_how_the_network_cuts_a_form(
    tmp_path: Path, seed: int, line_end: bytes
) -> None:
    rng = random.Random(seed)
    # Contents that look like boundaries are where a streaming parser goes wrong.
    pieces = [
        b"\r",
        b"\n",
        b"\r\n",
        b"-",
        b"--",
        b"\r\n--AaB03",
        b"\r\n--AaB03",
        b"x",
        b"\r\n-",
        b"A",
    ]

    def content() -> bytes:
        made = b"".join(rng.choices(pieces, k=rng.randrange(40))) * rng.choice((1, 1, 50))
        while delimiter in made:
            made = made.replace(delimiter, b"")
        return made

    def sent(piece: bytes, content: bytes) -> bytes:
        """A part whose own lines end as in this form."""
        head, _, _ = piece.partition(b"\r\n\r\n")
        return head.replace(b"\r\n", line_end) + line_end * 2 + content + line_end

    delimiter = line_end + f"--{BOUNDARY}".encode()
    fields = {f"f{n}": content().decode() for n in range(3)}
    files = {f"p{n}": content() for n in range(3)}
    body = b"a preamble\r\n\n" if seed % 2 else b""
    body += b"".join(sent(part(name, b""), value.encode()) for name, value in fields.items())
    for name, value in files.items():
        body += sent(part(name, b"", filename=name, extra=TYPED), value)
    body += END.replace(b"\r\n", line_end)
    cuts = sorted(rng.choices(range(len(body)), k=rng.choice((1, 5, 50, 500))))
    chunks = [body[a:b] for a, b in zip([0, *cuts], [*cuts, len(body)], strict=True)]
    form = read(Client(*chunks), Files(tmp_path))
    assert form.fields == fields
    for name, expected in files.items():
        assert Path(form.files[name].file.name).read_bytes() == expected
        assert form.files[name].size == len(expected)


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    chunk = bytes(65536)
    head = part("file", b"", filename="a")[:-2]

    async def receive() -> dict[str, Any]:
        nonlocal left
        left -= 1
        tail = b"\r\n" + END
        first = left == 399
        return {
            "type": "http.request",
            "body": head if first else chunk if left else tail,
            "more_body": left > 0,
        }

    left = 400
    files = Files(tmp_path, max_bytes=1 << 30)
    tracemalloc.start()
    try:
        form = asyncio.run(read_form(TYPE, receive, begin_file=files))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert form.files["file"].size == 398 * 65536
    assert peak < 4 * len(chunk), f"{peak} bytes held at once"


@pytest.mark.parametrize("seed", range(40))
def test_a_damaged_form_is_a_form_or_a_refusal_however_it_is_cut(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    whole = bytearray(part("type", b"image") + part("file", b"\xff\xd8", filename="a") + END)
    for _ in range(rng.randrange(1, 6)):
        at = rng.randrange(len(whole))
        whole[at : at + rng.randrange(3)] = rng.choice((b"", b"\r", b"\n", b"-", b'"', b"\0", b";"))

    def outcome(*chunks: bytes) -> object:
        files = Files(tmp_path)
        try:
            form = read(Client(*chunks), files)
        except (FormError, FormTooLarge) as error:
            return type(error), error.field
        contents = {name: Path(each.file.name).read_bytes() for name, each in form.files.items()}
        return form.fields, contents

    body = bytes(whole)
    cut = rng.randrange(len(body))
    assert outcome(body) == outcome(body[:cut], body[cut:])
    assert outcome(body) == outcome(*(body[i : i + 1] for i in range(len(body))))
