"""The settings of a training run: frozen dataclasses, one for each table of its TOML file.

Every field carries its description (``docs/settings.md`` is made of them).  ``read`` takes a file, ``changed`` takes
``table.key=value`` words, ``write`` freezes a run's settings beside its results, ``differences`` compares two.
"""

from __future__ import annotations

import dataclasses
import difflib
import hashlib
import json
import tomllib
import types
import typing
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

from ..errors import InputError, one_line
from ..files import write_text
from . import toml


def opt(default: Any, doc: str) -> Any:
    """A field with a default and a description."""
    return field(default=default, metadata={"doc": doc})


def table(doc: str) -> Any:
    """A field that is a table of any settings, empty by default."""
    return field(default_factory=dict, metadata={"doc": doc})


@dataclass(frozen=True)
class RunTable:
    """How long, from which seed, on what."""

    seed: int = opt(0, "draws the parameters, the order of the images and their augmentation")
    epochs: int = opt(100, "how many times every image of the training set is used")
    steps: int = opt(0, "updates in all, instead of `epochs`; 0: as many as the epochs make")
    device: Literal["cpu", "cuda"] = opt("cpu", "where it is computed")
    precision: Literal["float32", "mixed"] = opt("float32", "`mixed` (float16 with loss scaling) needs a GPU")


@dataclass(frozen=True)
class ModelTable:
    """The network."""

    name: str = opt("yolov3-tiny", "as in `minidet facts`")
    size: tuple[int, int] = opt((320, 320), "height and width of its input in pixels; one number for both")
    anchors: Literal["default", "auto"] | tuple[tuple[float, float], ...] = opt(
        "default", "`default`: the network's own; `auto`: k-means over the training boxes; or [[w, h], ...] in pixels"
    )
    options: dict[str, Any] = table("other options of its class, such as `width`")  # noqa: RUF009
    weights: str = opt("", "safetensors file to begin from; its tensors of the same name and shape are taken")


@dataclass(frozen=True)
class DataTable:
    """The images."""

    path: str = opt("", "folder or file of the data set, or `shapes:2000` for that many drawn scenes")
    format: str = opt("auto", "`voc`, `coco`, `yolo`, ...; `auto`: by what lies there")
    train: str = opt("train", "the split to learn from")
    val: str = opt("val", "the split to measure on; empty: none")
    placement: Literal["stretch", "letterbox"] = opt("stretch", "how an image is brought to the input's size")
    difficult: bool = opt(True, "whether objects marked difficult are learned too")
    sides: tuple[int, int] | tuple[()] = opt(
        (), "[low, high]: square inputs of a random side, changed every 10 steps, in training; empty: `model.size`"
    )
    batch: int = opt(8, "images a forward pass")
    accumulate: int = opt(1, "forward passes an update, whose gradients are averaged")
    workers: int = opt(1, "threads that prepare batches ahead; 0: none")


@dataclass(frozen=True)
class AugmentTable:
    """What is done to training images."""

    preset: str = opt("yolov3", "`none`, `yolov3`, `ssd`, `small`, ...; see docs/augmentation.md")
    steps: tuple[dict[str, Any], ...] = opt(
        (), "a list of transforms instead of a preset, each a table with its `name`"
    )
    options: dict[str, Any] = table("options of the preset, such as `mosaic` of `small`")  # noqa: RUF009
    stop: float = opt(0.0, "the last part of the run, as a fraction, that goes without augmentation")


@dataclass(frozen=True)
class LossTable:
    """The loss of YOLOv3 (docs/yolo_loss.md); of an SSD only ``options`` count."""

    ignore: float = opt(
        0.7, "predictions with a larger IoU than this with any truth are not told that there is nothing"
    )
    label_smoothing: float = opt(0.0, "class targets are 1 - e + e / classes and e / classes, with this e")
    options: dict[str, Any] = table("other options of `YoloLoss`, such as `box`; else of `MultiboxLoss`, or `RcnnLoss`")  # noqa: RUF009


@dataclass(frozen=True)
class OptimiserTable:
    """How parameters change."""

    kind: Literal["sgd", "adam", "adamw"] = opt("sgd", "which rule")
    lr: float = opt(0.01, "the learning rate at its peak")
    momentum: float = opt(0.9, "of `sgd`")
    nesterov: bool = opt(False, "of `sgd`")
    betas: tuple[float, float] = opt((0.9, 0.999), "of `adam` and `adamw`")
    eps: float = opt(1e-8, "of `adam` and `adamw`")
    weight_decay: float = opt(5e-4, "of filters and matrices")
    no_decay: tuple[str, ...] = opt((), "patterns of names of further parameters without decay, as `*.coarse_head.*`")
    lr_factors: dict[str, float] = table("learning rates relative to `lr` by pattern of names, the first that fits")  # noqa: RUF009
    clip_norm: float = opt(0.0, "most that the norm of all gradients may be; 0: any")
    clip_value: float = opt(0.0, "most that one number of a gradient may be; 0: any")


@dataclass(frozen=True)
class ScheduleTable:
    """The learning rate over the steps."""

    kind: Literal["constant", "step", "multi-step", "cosine", "linear"] = opt("cosine", "what comes after the warm-up")
    warmup: float = opt(0.03, "length of the warm-up, in steps, or below 1 as a fraction of all")
    power: float = opt(1.0, "of the warm-up: 1 is linear, 4 is Darknet's burn-in")
    floor: float = opt(0.01, "`cosine` and `linear` end at this times `lr`")
    every: float = opt(0.3, "`step`: at each multiple of this (steps, or below 1 a fraction) the rate is multiplied")
    factor: float = opt(0.1, "`step`: by this")
    at: tuple[float, ...] = opt((0.8, 0.9), "`multi-step`: when (steps, or below 1 fractions)")
    factors: tuple[float, ...] = opt((0.1, 0.1), "`multi-step`: by how much each time")


@dataclass(frozen=True)
class EmaTable:
    """The moving average of the parameters, which is what is measured and kept."""

    decay: float = opt(0.999, "how much of the average stays at each step; 0: no average")
    ramp: float = opt(500.0, "the decay rises as 1 - exp(-step / ramp); 0: at once")


@dataclass(frozen=True)
class EvaluateTable:
    """Measuring on the validation split."""

    every: int = opt(5, "epochs between two measurements; the last epoch is always measured")
    patience: int = opt(0, "stop after this many measurements without a better one; 0: never")
    score: float = opt(0.001, "detections with a lower score are left out")
    nms: float = opt(0.45, "of two boxes of a class with a larger IoU the better is kept")
    labels: Literal["multi", "best"] = opt("multi", "all classes of a box, or its best")
    batch: int = opt(8, "images a forward pass")
    best: Literal["ap50", "ap", "mask_ap50", "mask_ap"] = opt(
        "ap50", "the figure by which the best weights are chosen: AP@.5 or AP@[.5:.95], of boxes or of masks"
    )


@dataclass(frozen=True)
class KeepTable:
    """What is written."""

    checkpoint: float = opt(60.0, "least seconds between two checkpoints within an epoch")
    plots: bool = opt(True, "pictures of loss and AP (needs matplotlib)")
    tensorboard: bool = opt(False, "events for TensorBoard (needs tensorboardX)")


@dataclass(frozen=True)
class Config:
    """All settings of a run."""

    run: RunTable = field(default_factory=RunTable)
    model: ModelTable = field(default_factory=ModelTable)
    data: DataTable = field(default_factory=DataTable)
    augment: AugmentTable = field(default_factory=AugmentTable)
    loss: LossTable = field(default_factory=LossTable)
    optimiser: OptimiserTable = field(default_factory=OptimiserTable)
    schedule: ScheduleTable = field(default_factory=ScheduleTable)
    ema: EmaTable = field(default_factory=EmaTable)
    evaluate: EvaluateTable = field(default_factory=EvaluateTable)
    keep: KeepTable = field(default_factory=KeepTable)

    def as_dict(self) -> dict[str, dict[str, Any]]:
        """Tables by name, of settings by name; tuples as lists."""
        return {f.name: _plain(dataclasses.asdict(getattr(self, f.name))) for f in fields(self)}

    def digest(self) -> str:
        """A word for exactly these settings, the same on every machine."""
        return digest(self.as_dict())


def digest(settings: Mapping[str, Any]) -> str:
    """A word for exactly these plain values."""
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:16]


def read(path: str | Path) -> Config:
    """The settings in a TOML file, the others as they are by default; ``InputError`` naming file and setting."""
    path = Path(path)
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not TOML: {one_line(error)}") from None
    return from_dict(document, where=str(path))


def from_dict(document: Mapping[str, Any], *, where: str = "settings", base: Config | None = None) -> Config:
    """Settings from tables by name; those not named are ``base``'s.  ``InputError`` for what is unknown or misfits."""
    config = base or Config()
    tables = {f.name: getattr(config, f.name) for f in fields(config)}
    changes: dict[str, Any] = {}
    for name, table in document.items():
        if name not in tables:
            raise InputError(f"{where}: there is no table [{name}]{near(name, tables)}")
        if not isinstance(table, Mapping):
            raise InputError(f"{where}: {name} is a table of settings, found {table!r}")
        hints = typing.get_type_hints(type(tables[name]))
        values = {}
        for key, value in table.items():
            if key not in hints:
                raise InputError(f"{where}: there is no setting {name}.{key}{_near_opt(name, key)}")
            values[key] = _fit(value, hints[key], f"{where}: {name}.{key}")
        changes[name] = dataclasses.replace(tables[name], **values)
    result = dataclasses.replace(config, **changes)
    _check(result, where)
    return result


def changed(config: Config, words: Iterable[str]) -> Config:
    """``config`` with settings changed by words ``table.key=value``; the value is TOML, or else a string."""
    for word in words:
        name, equals, text = word.partition("=")
        table, dot, key = name.strip().partition(".")
        if not equals or not dot:
            raise InputError(f"--set {word}: expected TABLE.KEY=VALUE, such as optimiser.lr=0.01")
        try:
            value = tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            value = text.strip()
        nested: Any = value
        key, *deeper = key.split(".")
        if deeper:  # an entry of a table, such as model.options.width
            known = getattr(getattr(config, table, None), key, None)
            if not isinstance(known, dict) or len(deeper) != 1:
                raise InputError(f"--set {word}: {table}.{key} has no entries")
            nested = {**known, deeper[0]: value}
        config = from_dict({table: {key: nested}}, where="--set", base=config)
    return config


def write(path: str | Path, config: Config, *, comment: str = "") -> None:
    """Freeze all settings in a TOML file, after lines of ``comment``; nothing is left half written."""
    head = "".join(f"# {line}\n" for line in comment.splitlines())
    write_text(path, head + toml.dumps(config.as_dict()))


def differences(old: Config, new: Config, *, free: Collection[tuple[str, str]] = ()) -> list[str]:
    """The settings that differ, as ``table.key (old -> new)``, without those called ``free`` (table, key)."""
    before, after = old.as_dict(), new.as_dict()
    return [
        f"{table}.{key} ({toml.literal(before[table][key])} -> {toml.literal(value)})"
        for table, settings in after.items()
        for key, value in settings.items()
        if before[table][key] != value and (table, key) not in free
    ]


def near(word: str, known: Iterable[str]) -> str:
    """``; did you mean ...?`` for the nearest of some words, or all of them."""
    known = list(known)
    close = difflib.get_close_matches(word, known, n=2, cutoff=0.6)
    return f"; did you mean {' or '.join(close)}?" if close else f"; there are {', '.join(known)}"


def _near_opt(table: str, key: str) -> str:
    """Near misses of a setting, in its own table or by the same name in another."""
    own = [f.name for f in fields(_table(table))]
    elsewhere = [f"{f.name}.{key}" for f in fields(Config) if key in {g.name for g in fields(_table(f.name))}]
    if elsewhere:
        return f"; did you mean {' or '.join(elsewhere)}?"
    return near(key, own)


def _table(name: str) -> type:
    return typing.get_type_hints(Config)[name]


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, (list, tuple)) else value


def _fit(value: Any, hint: Any, where: str) -> Any:
    """``value`` as a field of type ``hint``; ``InputError`` where it is none."""
    fitted = _try(value, hint)
    if fitted is None:
        raise InputError(f"{where}: expected {describe(hint)}, found {value!r}")
    return fitted


def _try(value: Any, hint: Any) -> Any:
    """``value`` converted to ``hint``, or None."""
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return next((got for part in parts if (got := _try(value, part)) is not None), None)
    if origin is Literal:
        return value if value in parts and isinstance(value, str) else None
    if origin is tuple:
        if parts == (int, int) and isinstance(value, int) and not isinstance(value, bool):
            value = [value, value]
        if not isinstance(value, (list, tuple)):
            return None
        many = len(parts) == 2 and parts[1] is Ellipsis
        if not many and len(value) != len(parts):
            return None
        kinds = (parts[0],) * len(value) if many else parts
        items = [_try(item, kind) for item, kind in zip(value, kinds, strict=True)]
        return None if any(item is None for item in items) else tuple(items)
    if origin is dict:
        if not isinstance(value, Mapping):
            return None
        found = {key: _try(item, parts[1]) for key, item in value.items()}
        return None if any(item is None for item in found.values()) else found
    if hint is Any:
        return value
    if hint is float and isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    return value if type(value) is hint else None


def describe(hint: Any) -> str:
    """A type in words."""
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(describe(part) for part in parts)
    if origin is Literal:
        return " or ".join(parts)
    if origin is tuple:
        if len(parts) == 2 and parts[1] is Ellipsis:
            return f"a list of {describe(parts[0])}"
        return f"[{', '.join(describe(part) for part in parts)}]"
    if origin is dict:
        return "a table"
    return {int: "a whole number", float: "a number", str: "a text", bool: "true or false"}.get(hint, "a table")


def _check(config: Config, where: str) -> None:
    """Ranges that types do not tell."""
    rules: list[tuple[str, bool, str]] = [
        ("run.seed", config.run.seed >= 0, "a number from 0"),
        ("run.epochs", config.run.epochs >= 1, "a number from 1"),
        ("run.steps", config.run.steps >= 0, "a number from 0"),
        ("model.size", min(config.model.size) >= 1, "numbers from 1"),
        ("data.batch", config.data.batch >= 1, "a number from 1"),
        ("data.accumulate", config.data.accumulate >= 1, "a number from 1"),
        ("data.workers", config.data.workers >= 0, "a number from 0"),
        ("augment.stop", 0 <= config.augment.stop <= 1, "a fraction"),
        ("loss.ignore", 0 <= config.loss.ignore <= 1, "a fraction"),
        ("loss.label_smoothing", 0 <= config.loss.label_smoothing < 1, "a number from 0 and below 1"),
        ("optimiser.lr", 0 <= config.optimiser.lr < float("inf"), "a number from 0"),
        ("optimiser.momentum", 0 <= config.optimiser.momentum < 1, "a number from 0 and below 1"),
        ("optimiser.betas", all(0 <= b < 1 for b in config.optimiser.betas), "numbers from 0 and below 1"),
        ("optimiser.eps", config.optimiser.eps > 0, "a number above 0"),
        ("optimiser.weight_decay", config.optimiser.weight_decay >= 0, "a number from 0"),
        ("optimiser.lr_factors", all(v >= 0 for v in config.optimiser.lr_factors.values()), "numbers from 0"),
        ("optimiser.clip_norm", config.optimiser.clip_norm >= 0, "a number from 0"),
        ("optimiser.clip_value", config.optimiser.clip_value >= 0, "a number from 0"),
        ("schedule.warmup", config.schedule.warmup >= 0, "a number from 0"),
        ("schedule.power", config.schedule.power >= 0, "a number from 0"),
        ("schedule.floor", 0 <= config.schedule.floor <= 1, "a fraction"),
        ("schedule.every", config.schedule.every > 0, "a number above 0"),
        ("schedule.factor", config.schedule.factor >= 0, "a number from 0"),
        ("schedule.at", all(a >= 0 for a in config.schedule.at), "numbers from 0"),
        ("ema.decay", 0 <= config.ema.decay < 1, "a number from 0 and below 1"),
        ("ema.ramp", config.ema.ramp >= 0, "a number from 0"),
        ("evaluate.every", config.evaluate.every >= 1, "a number from 1"),
        ("evaluate.patience", config.evaluate.patience >= 0, "a number from 0"),
        ("evaluate.score", 0 <= config.evaluate.score <= 1, "a fraction"),
        ("evaluate.nms", 0 <= config.evaluate.nms <= 1, "a fraction"),
        ("evaluate.batch", config.evaluate.batch >= 1, "a number from 1"),
        ("keep.checkpoint", config.keep.checkpoint >= 0, "a number from 0"),
    ]
    for name, good, wanted in rules:
        table, key = name.split(".")
        if not good:
            raise InputError(f"{where}: {name}: expected {wanted}, found {getattr(getattr(config, table), key)!r}")
    if len(config.schedule.at) != len(config.schedule.factors):
        raise InputError(f"{where}: schedule.at and schedule.factors come in pairs, found "
                         f"{len(config.schedule.at)} and {len(config.schedule.factors)}")  # fmt: skip
    if config.optimiser.nesterov and not config.optimiser.momentum:
        raise InputError(f"{where}: optimiser.nesterov needs an optimiser.momentum above 0")
    if config.run.precision == "mixed" and config.run.device == "cpu":
        raise InputError(
            f"{where}: run.precision: 'mixed' is for a GPU; on the CPU float16 is slower than float32, "
            "so say 'float32', or run.device = 'cuda'"
        )
