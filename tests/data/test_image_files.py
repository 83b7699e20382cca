"""load_image on files that are odd, damaged or no pictures: the right pixels, or one line that says what is wrong."""

from __future__ import annotations

import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from support.realdata import data, data_root

from minidet.data.image import ImageError, load_image
from minidet.errors import InputError

# Every picture of the folder edge_images: its (H, W) and mean colour as Pillow decodes it, or what the refusal says.
EDGE: dict[str, tuple[tuple[int, int], tuple[float, float, float]] | str] = {
    "bmp_b_badwidth.bmp": "expected at most [0-9]+ pixels .* found a header that claims more",
    "hopper.gif": ((128, 128), (89.7, 80.1, 95.4)),
    "hopper.jpg": ((128, 128), (89.7, 80.1, 95.4)),
    "hopper.png": ((128, 128), (89.7, 80.1, 95.4)),
    "hopper_gray.jpg": ((128, 128), (84.7, 84.7, 84.7)),
    "hopper_orientation_2.jpg": ((128, 128), (89.7, 80.1, 95.3)),
    "hopper_orientation_3.jpg": ((128, 128), (89.7, 80.1, 95.3)),
    "hopper_orientation_4.jpg": ((128, 128), (89.7, 80.1, 95.3)),
    "invalid-exif.jpg": ((200, 200), (92.1, 92.1, 92.1)),
    "junk_jpeg_header.jpg": ((768, 1024), (117.1, 115.8, 116.8)),
    "p_trns_single.png": ((64, 64), (127.9, 176.3, 162.7)),
    "pil123rgba.png": ((150, 162), (190.4, 188.9, 172.0)),
    "pil_sample_cmyk.jpg": ((100, 100), (30.2, 5.4, 7.4)),
    "transparent.png": ((150, 200), (211.0, 202.7, 204.1)),
    "truncated_image.png": "expected a whole picture",
    "truncated_jpeg.jpg": "expected a whole picture",
}


@pytest.mark.parametrize("name", EDGE)
def test_each_edge_image(name: str) -> None:
    path, expected = data(f"edge_images/{name}"), EDGE[name]
    if isinstance(expected, str):
        refused(path, expected)
        return
    image = load_image(path)
    assert image.shape == (*expected[0], 3)
    assert image.dtype == np.uint8
    # Decoders of JPEG differ by a level.
    np.testing.assert_allclose(image.mean((0, 1)), expected[1], atol=1.0)


def test_every_edge_image_is_listed() -> None:
    pictures = {path.name for path in data("edge_images").iterdir() if path.suffix}
    assert pictures == set(EDGE), data_root()


def test_orientations_come_out_alike() -> None:
    upright = load_image(data("edge_images/hopper.jpg")).astype(int)
    for orientation in (2, 3, 4):
        image = load_image(data(f"edge_images/hopper_orientation_{orientation}.jpg"))
        assert np.abs(image - upright).mean() < 8, orientation  # stored again as JPEG, so not the same pixels
        for turned in (image[:, ::-1], image[::-1], image[::-1, ::-1]):
            assert np.abs(turned - upright).mean() > 20, orientation


def test_alpha_shows_white_and_gray_stays_gray() -> None:
    assert (load_image(data("edge_images/transparent.png")) == 255).all(axis=2).any()
    black = load_image(data("edge_images/transparent.png"), background=(0, 0, 0))
    assert (black.astype(int) <= load_image(data("edge_images/transparent.png"))).all()
    gray = load_image(data("edge_images/hopper_gray.jpg"))
    assert (gray == gray[:, :, :1]).all()


def refused(path: Path, pattern: str) -> None:
    """`path` raises ImageError with one line that names the file and matches `pattern`."""
    with pytest.raises(ImageError, match=pattern) as caught:
        load_image(path)
    message = str(caught.value)
    assert isinstance(caught.value, InputError)
    assert isinstance(caught.value, ValueError)
    assert "\n" not in message
    assert path.name in message


def test_missing_folder_and_empty(tmp_path: Path) -> None:
    refused(tmp_path / "no.jpg", "no such file")
    refused(tmp_path, "found a folder")
    (tmp_path / "empty.png").touch()
    refused(tmp_path / "empty.png", "empty file")
    refused(tmp_path / ("x" * 300 + ".png"), "cannot be read: File name too long")


def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    refused(tmp_path / "pipe.png", "not a regular file")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"<!DOCTYPE html>\n<html><body>404</body></html>", "an HTML page"),
        (b"\n  <HTML lang=en>", "an HTML page"),
        (b"[net]\nwidth=416\n", "text that begins"),
        ("Fußgänger im Regen, gezählt".encode(), "text that begins"),
        (b"\x00\x01\x02\x03 weights", "bytes that begin 00 01 02 03"),
        (b"\x89PNG\r\n\x1a\n", "bytes that begin|expected a whole picture"),
    ],
)
def test_what_is_no_picture_is_described(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "page.jpg"
    path.write_bytes(content)
    refused(path, said)


def png(width: int, height: int, rows: bytes) -> bytes:
    """A PNG file of 8-bit gray with whatever size its header is to claim."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


@pytest.mark.parametrize("size", [(30_000, 30_000), (12_000, 12_000)])  # above Pillow's error limit, above its warning
def test_a_decompression_bomb_is_refused_unopened(tmp_path: Path, size: tuple[int, int]) -> None:
    path = tmp_path / "bomb.png"
    path.write_bytes(png(*size, b"\0" * 100))
    refused(path, "expected at most [0-9]+ pixels")


@pytest.mark.parametrize("size", [(0, 5), (5, 0), (0, 0)])
def test_a_picture_without_pixels_is_refused(tmp_path: Path, size: tuple[int, int]) -> None:
    path = tmp_path / "zero.png"
    path.write_bytes(png(*size, b""))
    refused(path, "expected")


@settings(max_examples=60)
@given(keep=st.floats(0, 0.999), flips=st.lists(st.tuples(st.floats(0, 1), st.integers(1, 255)), max_size=3))
def test_damage_gives_a_picture_or_one_line(tmp_path_factory: pytest.TempPathFactory, keep: float, flips: list) -> None:
    folder = tmp_path_factory.mktemp("damaged")
    rng = np.random.default_rng(0)
    whole = Image.fromarray(rng.integers(0, 256, (24, 24, 3), dtype=np.uint8))
    for name in ("x.png", "x.jpg", "x.gif", "x.bmp", "x.tif", "x.webp"):
        path = folder / name
        whole.save(path)
        content = bytearray(path.read_bytes())
        for where, change in flips:
            content[int(where * (len(content) - 1))] ^= change
        path.write_bytes(content[: int(keep * len(content))] if not flips else content)
        try:
            image = load_image(path)
        except ImageError as error:
            said = str(error)
        else:
            assert image.dtype == np.uint8
            assert image.shape[2:] == (3,)
            said = name
        assert name in said
        assert "\n" not in said


def test_cutting_a_png_or_jpeg_short_is_noticed(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    whole = Image.fromarray(rng.integers(0, 256, (32, 32, 3), dtype=np.uint8))
    for name in ("x.png", "x.jpg"):
        path = tmp_path / name
        whole.save(path)
        path.write_bytes(path.read_bytes()[: path.stat().st_size * 3 // 4])
        refused(path, "expected a whole picture")


def test_warnings_about_metadata_are_not_shown(tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    load_image(data("edge_images/invalid-exif.jpg"))
    assert not recwarn.list
