"""The engine turns strangers' files into a clean picture or a refusal, without hidden content."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from providers.engine import EngineError
from providers.engine.embedded import EmbeddedEngine
from tests import corpus


@pytest.mark.parametrize("name", corpus.FILES)
def test_a_file_becomes_a_clean_picture_or_a_refusal(name: str, tmp_path: Path) -> None:
    photo, code = tmp_path / "input", corpus.FILES[name][2]
    photo.write_bytes(corpus.content(name))
    engine = EmbeddedEngine()

    def restored() -> bytes:
        result = engine.run("restore", photo, workdir=tmp_path, progress=lambda _: None)
        assert result.content_type == "image/jpeg"
        return result.path.read_bytes()

    if code is not None:
        with pytest.raises(EngineError) as refused:
            restored()
        assert (refused.value.code, refused.value.retryable) == (code, False)
        return
    clean = restored()
    for hidden in (corpus.PAYLOAD, b"Exif", b"GPS", b"<script", b"PK\3\4"):
        assert hidden not in clean
    assert clean.endswith(b"\xff\xd9"), "something follows the picture"
    with Image.open(result_of(tmp_path)) as after:
        assert after.format == "JPEG"
        assert not after.getexif()
        sideways = name.endswith(("orientation 6", "orientation 8"))
        assert (after.height > after.width) != sideways
        assert getattr(after, "n_frames", 1) == 1


def result_of(folder: Path) -> Path:
    """The one picture that the engine left beside its input."""
    (result,) = folder.glob("*.jpg")
    return result
