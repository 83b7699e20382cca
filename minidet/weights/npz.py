"""Arrays by name in a ``.npz`` file of NumPy: a zip archive of ``.npy`` files, of which no pickle is read."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path

import numpy as np

from ..errors import InputError, one_line


def load(path: str | Path) -> dict[str, np.ndarray]:
    """The arrays of ``path`` by name.

    Raises `InputError` (one line, naming the file) for a missing file, for one that is cut short or not of this kind,
    and for an array of objects, which would be a pickle.
    """
    try:
        file = np.load(path, allow_pickle=False)
        if isinstance(file, np.ndarray):
            raise InputError(f"{path}: one array without a name; expected arrays by name, as np.savez writes them")
        with file:
            return {name: file[name] for name in file.files}
    except InputError:
        raise
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such file") from None
    except (OSError, ValueError, EOFError, KeyError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        raise InputError(f"{path}: not a readable .npz file: {one_line(error) or type(error).__name__}") from None
