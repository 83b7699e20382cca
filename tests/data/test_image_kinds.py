"""load_image on every kind of pixel and orientation, on pictures made here."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image, ImageOps

from minidet.data.image import FORMATS, SUFFIXES, WHITE, ImageError, load_image


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for all drawn examples."""
    return tmp_path_factory.mktemp("kinds")


def saved(folder: Path, picture: Image.Image, name: str = "x.png", **options: object) -> Path:
    """`picture` saved as `name`."""
    path = folder / name
    picture.save(path, **options)
    return path


def reloaded(folder: Path, pixels: np.ndarray, mode: str | None = None, **options: object) -> np.ndarray:
    """What load_image makes of `pixels` saved as PNG."""
    picture = Image.fromarray(pixels)
    if mode is not None:
        assert picture.mode == mode
    return load_image(saved(folder, picture, **options))


def test_rgb_is_kept_and_owned(folder: Path) -> None:
    pixels = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
    image = reloaded(folder, pixels)
    np.testing.assert_array_equal(image, pixels)
    assert image.dtype == np.uint8
    assert image.flags.c_contiguous
    assert image.flags.writeable


def test_gray_and_one_bit_are_copied_to_three_channels(folder: Path) -> None:
    gray = np.array([[0, 7], [128, 255]], np.uint8)
    np.testing.assert_array_equal(reloaded(folder, gray, "L"), np.repeat(gray[:, :, None], 3, 2))
    bits = np.array([[True, False, True]])
    np.testing.assert_array_equal(reloaded(folder, bits, "1"), np.repeat(bits[:, :, None] * np.uint8(255), 3, 2))


@given(pixels=arrays(np.uint8, (3, 4, 4)), background=st.tuples(*[st.integers(0, 255)] * 3))
def test_alpha_is_composited_on_the_background(
    folder: Path, pixels: np.ndarray, background: tuple[int, int, int]
) -> None:
    image = load_image(saved(folder, Image.fromarray(pixels, "RGBA")), background=background)
    a = pixels[:, :, 3:].astype(float) / 255
    exact = pixels[:, :, :3] * a + np.array(background) * (1 - a)
    assert np.abs(image - exact).max() <= 0.5 + 1e-9


def test_alpha_at_its_ends(folder: Path) -> None:
    pixels = np.array([[[10, 20, 30, 255], [10, 20, 30, 0]]], np.uint8)
    np.testing.assert_array_equal(reloaded(folder, pixels, "RGBA"), [[[10, 20, 30], WHITE]])
    gray_alpha = Image.fromarray(np.array([[[9, 255], [9, 0]]], np.uint8), "LA")
    np.testing.assert_array_equal(load_image(saved(folder, gray_alpha)), [[[9, 9, 9], WHITE]])


def test_palette_with_and_without_a_transparent_colour(folder: Path) -> None:
    picture = Image.new("P", (2, 1))
    picture.putpalette([1, 2, 3, 40, 50, 60])
    picture.putpixel((1, 0), 1)
    np.testing.assert_array_equal(load_image(saved(folder, picture)), [[[1, 2, 3], [40, 50, 60]]])
    path = saved(folder, picture, transparency=1)
    np.testing.assert_array_equal(load_image(path, background=(7, 8, 9)), [[[1, 2, 3], [7, 8, 9]]])


def test_a_transparent_colour_of_rgb_and_gray(folder: Path) -> None:
    pixels = np.array([[[1, 2, 3], [4, 5, 6]]], np.uint8)
    np.testing.assert_array_equal(reloaded(folder, pixels, transparency=(4, 5, 6)), [[[1, 2, 3], WHITE]])
    gray = np.array([[1, 2]], np.uint8)
    np.testing.assert_array_equal(reloaded(folder, gray, transparency=2), [[[1, 1, 1], WHITE]])


def test_16_bit_gray_is_divided_by_257_not_clipped(folder: Path) -> None:
    every = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    image = reloaded(folder, every, "I;16")
    np.testing.assert_array_equal(image[:, :, 0], np.floor(every / 257 + 0.5))
    np.testing.assert_array_equal(image, np.repeat(image[:, :, :1], 3, 2))
    levels = np.arange(256, dtype=np.uint16)[None] * 257
    np.testing.assert_array_equal(reloaded(folder, levels)[0, :, 0], np.arange(256))


def test_16_bit_gray_with_a_transparent_level(folder: Path) -> None:
    path = saved(folder, Image.fromarray(np.array([[0, 514, 515]], np.uint16)), transparency=514)
    if not isinstance(Image.open(path).info.get("transparency"), int):
        pytest.skip("this Pillow does not write a transparent level of 16-bit gray")
    np.testing.assert_array_equal(load_image(path)[0, :, 0], [0, 255, 2])


def test_32_bit_integers_are_16_bit_or_refused(folder: Path) -> None:
    good = saved(folder, Image.fromarray(np.array([[0, 257, 65535]], np.int32)), "i.tif")
    np.testing.assert_array_equal(load_image(good)[0, :, 0], [0, 1, 255])
    for bad in (-1, 65536):
        path = saved(folder, Image.fromarray(np.array([[0, bad]], np.int32)), "bad.tif")
        with pytest.raises(ImageError, match=r"bad\.tif: .*from 0 to 65535, found"):
            load_image(path)


def test_floats_are_0_to_1_or_refused(folder: Path) -> None:
    good = saved(folder, Image.fromarray(np.array([[0.0, 0.5, 1.0]], np.float32)), "f.tif")
    np.testing.assert_array_equal(load_image(good)[0, :, 0], [0, 128, 255])
    for bad in (-0.5, 255.0, np.nan, np.inf):
        path = saved(folder, Image.fromarray(np.array([[0.5, bad]], np.float32)), "bad.tif")
        with pytest.raises(ImageError, match=r"bad\.tif: .*from 0 to 1, found"):
            load_image(path)


@pytest.mark.parametrize("mode", ["CMYK", "YCbCr", "LAB"])
def test_other_colour_spaces_are_converted_to_rgb(folder: Path, mode: str) -> None:
    source = Image.new(mode, (3, 2), {"CMYK": (0, 255, 255, 0), "YCbCr": (76, 85, 255), "LAB": (136, 208, 195)}[mode])
    image = load_image(saved(folder, source, f"{mode}.tif"))
    assert image.shape == (2, 3, 3)
    # Each names a saturated red; the spaces do not agree to the level.
    red, green, blue = image[0, 0].astype(int)
    assert red > 220
    assert green < 40
    assert blue < 60


@given(
    orientation=st.integers(0, 9),
    pixels=arrays(np.uint8, st.tuples(st.integers(1, 4), st.integers(1, 4), st.just(3))),
)
def test_orientation_as_pillow_applies_it(folder: Path, orientation: int, pixels: np.ndarray) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = saved(folder, Image.fromarray(pixels), exif=exif)
    with Image.open(path) as picture:
        upright = np.asarray(ImageOps.exif_transpose(picture))
    np.testing.assert_array_equal(load_image(path), upright)


def test_orientation_6_turns_a_wide_picture_clockwise(folder: Path) -> None:
    # 100 wide, 40 high, the left end white: turned clockwise, the left end comes to the top.
    pixels = np.zeros((40, 100, 3), np.uint8)
    pixels[:, :10] = 255
    exif = Image.Exif()
    exif[0x0112] = 6
    image = load_image(saved(folder, Image.fromarray(pixels), exif=exif))
    assert image.shape == (100, 40, 3)
    assert (image[:10] == 255).all()
    assert (image[10:] == 0).all()


def test_orientation_applies_to_16_bit_and_palette(folder: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 3
    gray = saved(folder, Image.fromarray(np.array([[0, 65535]], np.uint16)), exif=exif)
    np.testing.assert_array_equal(load_image(gray)[0, :, 0], [255, 0])


def test_the_first_frame_of_an_animation(folder: Path) -> None:
    frames = [Image.new("RGB", (4, 3), colour) for colour in ("red", "blue")]
    path = folder / "two.gif"
    frames[0].save(path, save_all=True, append_images=frames[1:])
    np.testing.assert_array_equal(load_image(path), np.full((3, 4, 3), (255, 0, 0)))


def test_a_path_may_be_text(folder: Path) -> None:
    path = saved(folder, Image.new("RGB", (1, 1)))
    assert load_image(str(path)).shape == (1, 1, 3)


def test_formats_that_run_other_programs_stay_shut(folder: Path) -> None:
    assert not {"EPS", "WMF", "PDF"} & set(FORMATS)
    buffer = io.BytesIO()
    Image.new("RGB", (3, 3)).save(buffer, "EPS")
    path = folder / "drawing.jpg"
    path.write_bytes(buffer.getvalue())
    with pytest.raises(ImageError, match="expected a picture"):
        load_image(path)


def test_every_suffix_is_one_that_pillow_reads() -> None:
    extensions = Image.registered_extensions()
    assert {extensions[suffix] for suffix in SUFFIXES if suffix in extensions} <= set(FORMATS)
    assert {".jpg", ".png", ".webp", ".tif"} <= set(SUFFIXES)
