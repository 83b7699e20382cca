"""Golden vectors as files, and back; every array and every file is held against its hash."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import InputError
from ..answers import parts
from ..operators import OPERATORS, REFUSED, Answer, Refused
from .build import Golden, Right, Solved, generate
from .cases import Case

FORMAT = 1
DAY = (1980, 1, 1, 0, 0, 0)  # of every member of an archive, so that the same numbers are the same bytes


def write(folder: Path, names: Iterable[str] | None = None) -> list[Path]:
    """Generate, and write into a folder; returns the files. The same definitions give the same bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    written, index = [], {}
    for name in names or OPERATORS:
        golden = generate(name)
        content, arrays = pack(golden)
        archive = folder / f"{name}.npz"
        archive.write_bytes(npz(arrays))
        content["archive"] = {"file": archive.name, "sha256": hash_of(archive.read_bytes())}
        page = folder / f"{name}.json"
        page.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
        index[name] = {
            "file": page.name,
            "sha256": hash_of(page.read_bytes()),
            "cases": len(golden.cases),
            "content": digest(golden),
        }
        written += [page, archive]
    main = folder / "index.json"
    main.write_text(json.dumps({"format": FORMAT, "minidet": ours(), "operators": index}, indent=1) + "\n", "utf-8")
    return [main, *written]


def ours() -> str:
    """The version of minidet."""
    try:
        return version("minidet")
    except PackageNotFoundError:
        return "not installed"


def hash_of(data: bytes) -> str:
    """SHA-256, in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def npy(array: np.ndarray) -> bytes:
    """The bytes of an ``.npy`` file."""
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.ascontiguousarray(array).reshape(array.shape), allow_pickle=False)
    return buffer.getvalue()


def npz(arrays: dict[str, np.ndarray]) -> bytes:
    """The bytes of an ``.npz`` file: stored, in order, without a date."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, array in arrays.items():
            archive.writestr(zipfile.ZipInfo(f"{name}.npy", DAY), npy(array))
    return buffer.getvalue()


def pack(golden: Golden) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """The JSON of an operator, and its arrays by name."""
    operator, arrays = golden.operator, dict[str, np.ndarray]()

    def put(name: str, array: np.ndarray) -> dict[str, Any]:
        arrays[name] = array
        return {"array": name, "dtype": str(array.dtype), "shape": list(array.shape), "sha256": hash_of(npy(array))}

    def one(name: str, right: Right) -> dict[str, Any]:
        if isinstance(right.answer, Refused):
            return {"refused": True, "dialects": right.dialects, "profiles": right.profiles}
        also = [
            {"why": why, "arrays": [put(f"{name}_also{i}_{j}", a) for j, a in enumerate(parts(other))]}
            for i, (why, other) in enumerate(right.also)
        ]
        entry: dict[str, Any] = {
            "arrays": [put(f"{name}_{j}", a) for j, a in enumerate(parts(right.answer))],
            "within": [float(w) if w.ndim == 0 else put(f"{name}_within{j}", w) for j, w in enumerate(right.within)],
            "dialects": right.dialects,
            "profiles": right.profiles,
        }
        return entry | ({"also": also} if also else {})

    cases = [
        {
            "name": solved.case.name,
            "kind": solved.case.kind,
            "gradient": solved.gradient,
            "dtype": solved.case.dtype,
            "tells": None if solved.case.tells is None else list(solved.case.tells),
            "others": solved.others,
            "inputs": {
                key: put(f"case{i}_{key}", v) if isinstance(v, np.ndarray) else _number(v)
                for key, v in solved.inputs.items()
            },
            "answers": [one(f"case{i}_answer{k}", right) for k, right in enumerate(solved.answers)],
        }
        for i, solved in enumerate(golden.cases)
    ]
    module = operator.reference.__module__
    content = {
        "format": FORMAT,
        "minidet": ours(),
        "operator": operator.name,
        "call": operator.call,
        "definition": f"{module}.{operator.reference.__qualname__}",
        "boxes": list(operator.boxes),
        "outputs": list(operator.outputs),
        "base": golden.base,
        "conventions": {
            c.name: {
                "about": c.about,
                "values": {v.name: {"means": v.means, "who": list(v.who), "seen": list(v.seen)} for v in c.values},
            }
            for c in operator.conventions.values()
        },
        "cases": cases,
    }
    return content, arrays


def _number(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def digest(golden: Golden) -> str:
    """A hash of what was asked and answered, numbers to ten digits: the same on every machine, for one definition."""
    said = hashlib.sha256()

    def add(value: Any) -> None:
        if isinstance(value, np.ndarray):
            said.update(f"{value.dtype}{value.shape}".encode())
            for number in value.ravel().tolist():
                said.update((f"{number + 0.0:.9e}" if value.dtype.kind == "f" else str(number)).encode() + b",")
        else:
            said.update(json.dumps(value, sort_keys=True).encode() + b";")

    add(golden.base)
    for solved in golden.cases:
        add([solved.case.name, solved.case.dtype, list(solved.case.tells or ()), solved.others, solved.gradient])
        for key, value in solved.inputs.items():
            add(key)
            add(value)
        for right in solved.answers:
            add(right.dialects)
            for _, answer in (("", right.answer), *right.also):
                for array in () if isinstance(answer, Refused) else parts(answer):
                    add(array)
            add([why for why, _ in right.also])
    return said.hexdigest()


def load(folder: Path) -> dict[str, Golden]:
    """The golden vectors in a folder, by operator; `InputError` names a file that is missing or not what it was."""
    index = _json(folder / "index.json", None)
    if index.get("format") != FORMAT:
        raise InputError(f"{folder / 'index.json'}: format {index.get('format')!r}; this version reads {FORMAT}")
    found = {}
    for name, entry in index["operators"].items():
        if name not in OPERATORS:
            raise InputError(f"{folder / 'index.json'}: no operator is named {name!r}")
        content = _json(folder / entry["file"], entry["sha256"])
        found[name] = unpack(content, folder / content["archive"]["file"])
    return found


def _read(path: Path, expected: str | None) -> bytes:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None
    if expected is not None and hash_of(data) != expected:
        raise InputError(f"{path}: not the file that was written: its SHA-256 is {hash_of(data)}, not {expected}")
    return data


def _json(path: Path, expected: str | None) -> dict[str, Any]:
    try:
        content = json.loads(_read(path, expected))
    except ValueError as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path}: no JSON: {error}") from None
    if not isinstance(content, dict):
        raise InputError(f"{path}: no JSON object")
    return content


def unpack(content: dict[str, Any], archive: Path) -> Golden:
    """The inverse of `pack`."""
    with np.load(io.BytesIO(_read(archive, content["archive"]["sha256"])), allow_pickle=False) as held:
        arrays = dict(held)

    def get(entry: Any) -> Any:
        if isinstance(entry, dict):
            array = arrays[entry["array"]]
            if hash_of(npy(array)) != entry["sha256"]:
                raise InputError(f"{archive}: {entry['array']} is not what was written")
            return array
        return tuple(entry) if isinstance(entry, list) else entry

    def several(some: list[Any]) -> Answer:
        got = tuple(map(get, some))
        return got if len(got) > 1 else got[0]

    def right(entry: dict[str, Any]) -> Right:
        if "refused" in entry:
            return Right(REFUSED, entry["dialects"], entry["profiles"])
        also = [(one["why"], several(one["arrays"])) for one in entry.get("also", ())]
        within = tuple(np.asarray(get(one)) for one in entry["within"])
        return Right(several(entry["arrays"]), entry["dialects"], entry["profiles"], within, also)  # type: ignore[arg-type]

    cases = []
    for one in content["cases"]:
        inputs = {key: get(value) for key, value in one["inputs"].items()}
        tells = None if one["tells"] is None else tuple(one["tells"])
        case = Case(one["name"], one["kind"], inputs, one["dtype"], tells)
        cases.append(Solved(case, inputs, one["others"], [right(r) for r in one["answers"]], one["gradient"]))
    return Golden(OPERATORS[content["operator"]], content["base"], cases)
