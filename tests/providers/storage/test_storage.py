"""What every store promises, tested on both: real HTTP, real signatures, real files."""

from __future__ import annotations

import hashlib
import io
import random
from typing import Any
from uuid import uuid4

import pytest
import requests

from providers.storage import ObjectMissing, Storage, StoredObject, UploadForm
from tests.threads import at_once
from tests.wire import wait_until

JPEG = "image/jpeg"
PHOTO = b"\xff\xd8\xff\xe0" + bytes(range(256)) * 8


def new_key() -> str:
    return f"image/{uuid4()}.jpeg"


def stored(storage: Storage, content: bytes = PHOTO, content_type: str = JPEG) -> str:
    key = new_key()
    storage.put(key, io.BytesIO(content), content_type=content_type)
    return key


def read(storage: Storage, key: str) -> bytes:
    with storage.open(key) as file:
        return file.read()


def form_for(storage: Storage, key: str, **changes: Any) -> UploadForm:
    terms: dict[str, Any] = {"content_type": JPEG, "max_bytes": 5000, "expires_in": 60} | changes
    return storage.presign_upload(key, **terms)


def send(
    form: UploadForm, content: bytes = PHOTO, filename: str = "photo.jpg", **fields: Any
) -> requests.Response:
    """Send a form as a bot does: the fields as they are, then the file."""
    changed = form.fields | {name.replace("_", "-"): value for name, value in fields.items()}
    files = {"file": (filename, content, JPEG)}
    return requests.post(form.url, data=changed, files=files, timeout=60)


def link(storage: Storage, key: str, **changes: Any) -> str:
    terms: dict[str, Any] = {"expires_in": 60, "content_type": JPEG} | changes
    return storage.url(key, **terms)


def get(url: str, **headers: str) -> requests.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return requests.get(url, headers=named, timeout=60)


def test_what_is_put_comes_back(storage: Storage) -> None:
    key = new_key()
    source = io.BytesIO(PHOTO)
    source.read(7)
    kept = storage.put(key, source, content_type=JPEG)
    assert not source.closed
    assert kept == storage.head(key)
    assert kept == StoredObject(len(PHOTO), kept.etag)
    assert read(storage, key) == PHOTO, "stored from where the file stood"
    with storage.open(key) as file:
        assert [file.read(10), file.read(10)] == [PHOTO[:10], PHOTO[10:20]]


def test_an_object_larger_than_any_buffer_comes_back(storage: Storage) -> None:
    content = random.Random(1).randbytes(9_000_001)
    key = stored(storage, content)
    digest = hashlib.sha256()
    with storage.open(key) as file:
        while chunk := file.read(100_000):
            digest.update(chunk)
    assert digest.digest() == hashlib.sha256(content).digest()
    assert get(link(storage, key)).content == content


def test_the_beginning_of_an_object_can_be_had_alone(storage: Storage) -> None:
    content = random.Random(2).randbytes(1_000_000)
    key = stored(storage, content)
    for count in (1, 4096, 999_999, 1_000_000, 5_000_000):
        assert storage.peek(key, count) == content[:count]
    with pytest.raises(ObjectMissing):
        storage.peek(new_key(), 10)


def test_an_empty_object_is_an_object(storage: Storage) -> None:
    key = stored(storage, b"")
    head = storage.head(key)
    assert head is not None
    assert head.size == 0
    assert read(storage, key) == b""
    assert get(link(storage, key)).content == b""


def test_a_second_put_replaces_bytes_and_etag(storage: Storage) -> None:
    key = stored(storage)
    first = storage.head(key)
    second = storage.put(key, io.BytesIO(PHOTO[::-1]), content_type="image/png")
    assert storage.head(key) == second
    assert first is not None
    assert first.etag != second.etag
    assert second.size == len(PHOTO)
    assert read(storage, key) == PHOTO[::-1]


def test_what_is_not_there_is_said_to_be_missing(storage: Storage) -> None:
    key = new_key()
    assert storage.head(key) is None
    with pytest.raises(ObjectMissing), storage.open(key):
        pass
    assert get(link(storage, key)).status_code == 404
    storage.delete(key)


def test_what_is_deleted_is_gone(storage: Storage) -> None:
    key, other = stored(storage), stored(storage)
    url = link(storage, key)
    storage.delete(key)
    storage.delete(key)
    assert storage.head(key) is None
    assert get(url).status_code == 404
    assert read(storage, other) == PHOTO


def test_of_many_puts_at_once_one_stays_whole(storage: Storage) -> None:
    key = new_key()
    contents = [bytes([number]) * (200_000 + number) for number in range(8)]
    each = iter(contents)
    kept = at_once(lambda: storage.put(key, io.BytesIO(next(each)), content_type=JPEG), 8)
    assert all(isinstance(one, StoredObject) for one in kept), kept
    head = storage.head(key)
    assert read(storage, key) in contents
    assert head is not None
    assert head.size == len(read(storage, key))


def test_a_store_that_works_passes_its_check(storage: Storage) -> None:
    storage.check()
    assert storage.sweep(3600) == 0


def test_a_form_stores_exactly_the_file(storage: Storage) -> None:
    key = new_key()
    answer = send(form_for(storage, key))
    assert (answer.status_code, answer.content) == (204, b"")
    head = storage.head(key)
    assert head is not None
    assert head.size == len(PHOTO)
    assert read(storage, key) == PHOTO


def test_a_form_may_be_sent_again_and_the_last_file_stays(storage: Storage) -> None:
    key = new_key()
    form = form_for(storage, key)
    assert send(form).status_code == 204
    assert send(form, b"better").status_code == 204
    assert read(storage, key) == b"better"


def test_a_form_takes_its_limit_and_not_a_byte_more(storage: Storage) -> None:
    key, other = new_key(), new_key()
    assert send(form_for(storage, key), b"z" * 5000).status_code == 204
    assert send(form_for(storage, other), b"z" * 5001).status_code in (400, 413)
    assert send(form_for(storage, other), b"").status_code == 400
    assert storage.head(other) is None


@pytest.mark.parametrize(
    "altered",
    [
        {"key": "image/of-somebody-else.jpeg"},
        {"Content_Type": "text/html"},
        {"policy": "e30="},
    ],
)
def test_an_altered_form_is_refused(storage: Storage, altered: dict[str, Any]) -> None:
    key = new_key()
    assert send(form_for(storage, key), **altered).status_code in (400, 403)
    assert storage.head(key) is None
    assert storage.head(altered.get("key", key)) is None


def test_a_form_without_one_of_its_fields_is_refused(storage: Storage) -> None:
    key = new_key()
    form = form_for(storage, key)
    for name in form.fields:
        less = {other: value for other, value in form.fields.items() if other != name}
        assert send(UploadForm(form.url, less)).status_code in (400, 403), name
    assert storage.head(key) is None


def test_the_signature_of_one_form_is_worth_nothing_in_another(storage: Storage) -> None:
    mine, other = new_key(), new_key()
    small, large = form_for(storage, mine, max_bytes=10), form_for(storage, other)
    for name in small.fields:
        if small.fields[name] != large.fields[name]:
            mixed = UploadForm(small.url, small.fields | {name: large.fields[name]})
            assert send(mixed).status_code in (400, 403, 413), name
    assert storage.head(mine) is None


@pytest.mark.parametrize("filename", ["../../../etc/passwd", "C:\\boot.ini", "x\u202egpj.exe", "ё"])
def test_the_name_of_an_uploaded_file_means_nothing(storage: Storage, filename: str) -> None:
    key = new_key()
    assert send(form_for(storage, key), filename=filename).status_code == 204
    assert read(storage, key) == PHOTO


def test_links_and_forms_expire(storage: Storage) -> None:
    key, other = stored(storage), new_key()
    form = form_for(storage, other, expires_in=1)
    url = link(storage, key, expires_in=1)
    wait_until(lambda: get(url).status_code == 403)
    assert send(form).status_code in (400, 403)
    assert get(link(storage, key)).status_code == 200
    assert storage.head(other) is None


def test_a_link_serves_the_bytes_with_the_type_it_was_made_for(storage: Storage) -> None:
    answer = get(link(storage, stored(storage, content_type="text/html")))
    assert answer.content == PHOTO
    assert answer.headers["Content-Type"] == JPEG
    assert answer.headers["Content-Disposition"] == "inline"
    assert answer.headers["Content-Length"] == str(len(PHOTO))


def test_a_link_serves_parts(storage: Storage) -> None:
    url = link(storage, stored(storage))
    size = len(PHOTO)
    for asked, first, last in (
        ("0-9", 0, 9),
        ("10-", 10, size - 1),
        ("-5", size - 5, size - 1),
        (f"{size - 1}-{size + 99}", size - 1, size - 1),
    ):
        answer = get(url, Range=f"bytes={asked}")
        assert answer.status_code == 206, asked
        assert answer.content == PHOTO[first : last + 1]
        assert answer.headers["Content-Range"] == f"bytes {first}-{last}/{size}"
    beyond = get(url, Range=f"bytes={size}-")
    assert beyond.status_code == 416
    assert beyond.headers["Content-Range"] == f"bytes */{size}"


def test_who_has_the_bytes_already_gets_304(storage: Storage) -> None:
    key = stored(storage)
    url = link(storage, key)
    etag = get(url).headers["ETag"]
    same = get(url, If_None_Match=etag)
    assert (same.status_code, same.content) == (304, b"")
    storage.put(key, io.BytesIO(PHOTO[::-1]), content_type=JPEG)
    changed = get(url, If_None_Match=etag)
    assert (changed.status_code, changed.content) == (200, PHOTO[::-1])


def test_a_tampered_link_is_refused(storage: Storage) -> None:
    mine, other = stored(storage), stored(storage)
    url = link(storage, mine)
    tampered = [url[:-4] + ("0000" if url[-4:] != "0000" else "1111")]
    tampered += [url.replace(mine, other)] if mine in url else []
    assert all(get(each).status_code == 403 for each in tampered)


def test_without_permission_nothing_is_read_or_written(storage: Storage) -> None:
    key = stored(storage)
    base = link(storage, key).split("?")[0]
    place = base if key in base else base.rsplit("/", 1)[0] + "/" + key
    assert requests.get(place, timeout=60).status_code in (403, 404)
    assert requests.put(place, data=b"mine", timeout=60).status_code in (403, 404, 405)
    assert requests.delete(place, timeout=60).status_code in (403, 404, 405)
    assert read(storage, key) == PHOTO


def test_a_record_of_an_object_shows_no_path_of_the_server(storage: Storage) -> None:
    uri = storage.uri("image/1.jpeg")
    assert uri in ("s3://photos/image/1.jpeg", "file://storage/image/1.jpeg")


def test_what_is_stored_is_named_and_removed_by_its_name(storage: Storage) -> None:
    keys = [stored(storage) for _ in range(3)]
    named = {hashlib.sha256(key.encode()).hexdigest() if storage.hashed else key for key in keys}
    seen = [name for names in storage.names(older_than_seconds=-60) for name in names]
    assert named <= set(seen) and len(seen) == len(set(seen))
    assert not named & {name for names in storage.names(older_than_seconds=60) for name in names}
    for name in [*named, *named]:
        storage.remove(name)
    assert [storage.head(key) for key in keys] == [None] * 3
