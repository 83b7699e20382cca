"""Load a picture from a file as (H, W, 3) uint8 RGB, the way a person sees it.

What a file may hold and what becomes of it:

=================================  ==================================================================================
EXIF (or XMP) orientation          applied: the array is upright; a value outside 1..8 or damaged EXIF counts as upright
gray ("1", "L"), palette           copied to three channels; looked up
alpha (LA, RGBA, palette or tRNS)  composited on `background` (white): round((c*a + background*(255-a)) / 255)
16-bit gray ("I;16")               divided by 257 and rounded to the nearest level, so that 65535 is 255
16-bit colour                      Pillow keeps the high byte of each sample (it has no 16-bit colour mode)
32-bit integer gray ("I")          taken as 16-bit; refused when a sample lies outside 0..65535
floating gray ("F")                taken as 0..1 and multiplied by 255; refused when a sample lies outside, or is NaN
CMYK, YCbCr, HSV, LAB              Pillow's conversion to RGB; colour profiles are not applied
animation, several pages           the first
=================================  ==================================================================================

A file that is missing, is no picture, is cut short, or claims more pixels than `PIL.Image.MAX_IMAGE_PIXELS` (89
million by default) raises `ImageError`.
"""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from minidet.errors import InputError, one_line

if TYPE_CHECKING:
    from PIL import Image as PILImage

# Pictures made of pixels. Formats that Pillow hands to another program (EPS) or that hold drawings (WMF) stay shut.
FORMATS = (
    "AVIF", "BMP", "DDS", "DIB", "GIF", "ICO", "JPEG", "JPEG2000", "MPO", "PCX", "PNG", "PPM", "QOI", "SGI", "TGA",
    "TIFF", "WEBP",
)  # fmt: skip

# File name endings that a folder is searched for; a file named outright may have any name.
SUFFIXES = (
    ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".dib", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm", ".pbm",
    ".pnm", ".jp2", ".tga", ".avif", ".mpo", ".qoi",
)  # fmt: skip

WHITE = (255, 255, 255)


class ImageError(InputError):
    """A file that should hold a picture and does not; one line that names the file."""


def load_image(path: str | os.PathLike[str], *, background: tuple[int, int, int] = WHITE) -> np.ndarray:
    """The picture in the file `path` as a C-contiguous (H, W, 3) uint8 RGB array, H and W at least 1.

    `background` is the RGB colour that transparent pixels show. Raises `ImageError`, one line, for anything that is
    not a whole readable picture; see the table at the head of this module for what is done with each kind.
    """
    path = Path(path)
    _check_file(path)
    with warnings.catch_warnings():
        from PIL import Image, UnidentifiedImageError

        warnings.simplefilter("ignore")  # Pillow's remarks about damaged metadata; pixels that are damaged raise
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        Image.init()
        try:
            with Image.open(path, formats=[name for name in FORMATS if name in Image.OPEN]) as picture:
                picture.load()
                if 0 in picture.size:
                    raise ImageError(f"{path}: expected a picture of at least 1x1 pixels, found {_size(picture)}")
                return _oriented(_to_rgb(picture, path, background), picture)
        except ImageError:
            raise
        except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
            limit = Image.MAX_IMAGE_PIXELS
            raise ImageError(
                f"{path}: expected at most {limit} pixels (PIL.Image.MAX_IMAGE_PIXELS), found a header that claims "
                f"more: {one_line(error)}"
            ) from None
        except UnidentifiedImageError:
            raise ImageError(f"{path}: expected a picture (JPEG, PNG, ...), found {_beginning(path)}") from None
        except MemoryError:
            raise ImageError(f"{path}: expected a picture that fits in memory, ran out of it") from None
        # Decoders meet damaged files with whatever exception the damage causes: each means the same thing here.
        except Exception as error:
            cause = one_line(error) or type(error).__name__
            raise ImageError(f"{path}: expected a whole picture, found one that cannot be decoded: {cause}") from None


def _check_file(path: Path) -> None:
    """Refuse what is not a file with something in it, and say what it is."""
    try:
        if path.is_dir():
            raise ImageError(f"{path}: expected a picture, found a folder")
        if not path.exists():
            raise ImageError(f"{path}: no such file")
        if not path.is_file():
            raise ImageError(f"{path}: expected a picture, found something that is not a regular file")
        with path.open("rb") as file:
            if not file.read(1):
                raise ImageError(f"{path}: expected a picture, found an empty file (0 bytes)")
    except OSError as error:
        raise ImageError(f"{path}: cannot be read: {error.strerror or error}") from None


def _beginning(path: Path) -> str:
    """What a file that is no picture looks like: its kind when that is plain, else its first bytes."""
    with path.open("rb") as file:
        head = file.read(64)
    if head.startswith(b"version https://git-lfs.github.com/spec/"):
        return "a Git LFS pointer; fetch the file itself with 'git lfs pull'"
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith((b"<!doctype html", b"<html")):
        return "an HTML page"
    words = head.decode("utf-8", errors="replace")[:24]
    if all(letter.isprintable() and letter != "\ufffd" for letter in words if letter not in "\t\r\n"):
        return f"text that begins {words!r}"
    return f"bytes that begin {head[:8].hex(' ')}"


def _size(picture: PILImage.Image) -> str:
    return f"{picture.size[0]}x{picture.size[1]}"


def _to_rgb(picture: PILImage.Image, path: Path, background: tuple[int, int, int]) -> np.ndarray:
    """Pixels of a loaded picture, not yet turned upright, as (H, W, 3) uint8."""
    if picture.mode.startswith("I;16") or picture.mode == "I":
        gray = _gray_16(np.asarray(picture), path)
        key = picture.info.get("transparency")  # a 16-bit gray PNG may name one transparent level
        rgb = np.repeat(gray[:, :, None], 3, axis=2)
        if isinstance(key, int):
            rgb[np.asarray(picture) == key] = background
        return rgb
    if picture.mode == "F":
        return np.repeat(_gray_float(np.asarray(picture), path)[:, :, None], 3, axis=2)
    if picture.has_transparency_data:
        return _composite(np.asarray(picture.convert("RGBA")), background)
    return np.array(picture.convert("RGB"))


def _gray_16(samples: np.ndarray, path: Path) -> np.ndarray:
    """(H, W) integers 0..65535 to uint8: the nearest of v / 257."""
    low, high = int(samples.min()), int(samples.max())
    if low < 0 or high > 65535:
        raise ImageError(f"{path}: expected integer gray samples from 0 to 65535, found {low} to {high}")
    return ((samples.astype(np.uint32) + 128) // 257).astype(np.uint8)


def _gray_float(samples: np.ndarray, path: Path) -> np.ndarray:
    """(H, W) floats 0..1 to uint8: the nearest of v * 255."""
    low, high = float(samples.min()), float(samples.max())
    if not (low >= 0.0 and high <= 1.0):  # NaN fails too
        raise ImageError(f"{path}: expected floating gray samples from 0 to 1, found {low:g} to {high:g}")
    return np.floor(samples.astype(np.float64) * 255.0 + 0.5).astype(np.uint8)


def _composite(rgba: np.ndarray, background: tuple[int, int, int]) -> np.ndarray:
    """(H, W, 4) uint8 over an opaque background, in integers, rounded to the nearest level."""
    colour = rgba[:, :, :3].astype(np.uint32)
    alpha = rgba[:, :, 3:].astype(np.uint32)
    blend = colour * alpha + np.asarray(background, np.uint32) * (255 - alpha)
    return ((blend + 127) // 255).astype(np.uint8)


def _oriented(image: np.ndarray, picture: PILImage.Image) -> np.ndarray:
    """`image` turned as the orientation tag (274) says a viewer must turn it."""
    try:
        orientation: Any = picture.getexif().get(0x0112, 1)
    except Exception:  # damaged EXIF: the pixels are whole, so show them as they are stored
        orientation = 1
    if orientation in (5, 6, 7, 8):  # stored with rows and columns exchanged
        image = image.transpose(1, 0, 2)
    if orientation in (2, 3, 6, 7):
        image = image[:, ::-1]
    if orientation in (3, 4, 7, 8):
        image = image[::-1]
    return np.ascontiguousarray(image)
