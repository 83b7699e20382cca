"""A run's parts made from its settings."""

from __future__ import annotations

import dataclasses
import hashlib
import inspect
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from .. import models
from ..autograd import Tensor
from ..data.anchors import box_sizes, kmeans_anchors
from ..data.augment import from_config
from ..data.augment.config import PRESETS
from ..data.augment.training_sizes import TrainingSizes
from ..data.dataset import Dataset
from ..data.sample import Transform
from ..data.shapes import ShapesDataset
from ..errors import InputError, one_line
from ..weights import safetensors
from . import schedule
from .config import Config, digest, near
from .ema import Ema
from .feed import Feed, drawn, fixed, learnable, truths_of
from .measure import Score, measure
from .measure_regions import measure_regions
from .mixed import LossScaler, Masters, supported
from .multibox import MultiboxLoss
from .optim import SGD, Adam, AdamW, Optimiser, named_groups
from .rcnn import rcnn_loss
from .region_truths import RegionTruths
from .trainer import Parts
from .yolo import YoloLoss
from .yolo_assign import YoloGrid


@dataclass(frozen=True)
class Splits:
    """The images to learn from and those to measure on, the names of the classes, and remarks of the reader."""

    names: tuple[str, ...]
    train: Dataset
    val: Dataset | None
    remarks: tuple[str, ...] = ()
    val_dropped: int = 0


def parts_of(config: Config, splits: Splits) -> Parts:
    """Everything that a run needs; ``InputError`` for settings that do not fit each other or the data."""
    model = network(config, splits)
    accumulate = config.data.accumulate
    feed = Feed(
        learnable(splits.train, difficult=config.data.difficult), sizes(config, model), config.data.batch,
        seed=config.run.seed, transform=transform(config), placement=config.data.placement,
        workers=config.data.workers, truths=RegionTruths.from_objects if two_stages(model) else truths_of,
    )  # fmt: skip
    steps = config.run.steps or max(1, config.run.epochs * feed.per_epoch // accumulate)
    feed = dataclasses.replace(feed, stop=round((1 - config.augment.stop) * steps * accumulate))
    masters = None
    if config.run.precision == "mixed":
        masters = Masters(model)
        if reason := supported(model):
            raise InputError(f"run.precision: no float16 on this device yet: {reason}; say 'float32'")
    kept: Any = masters or model
    every = config.evaluate.every * feed.per_epoch
    val = splits.val
    if config.evaluate.best.startswith("mask") and not learns_masks(config):
        raise InputError(f"evaluate.best: {config.model.name} has no masks; say 'ap50' or 'ap'")
    options = dataclasses.asdict(config.evaluate)
    options = {name: options[name] for name in ("score", "nms", "labels", "batch")}

    def measured(model: Any) -> Score:
        assert val is not None
        if two_stages(model):
            return measure_regions(model, val, dropped=splits.val_dropped, batch=config.evaluate.batch)
        return measure(model, val, placement=config.data.placement, dropped=splits.val_dropped, **options)

    return Parts(
        model=model,
        loss=loss(config, model),
        feed=feed,
        optimiser=optimiser(config, kept),
        rate=rate(config, steps),
        steps=steps,
        accumulate=accumulate,
        masters=masters,
        scaler=LossScaler() if masters is not None else None,
        ema=Ema(kept, decay=config.ema.decay, ramp=config.ema.ramp) if config.ema.decay else None,
        measure=measured if val is not None and len(val) else None,
        measure_at=lambda step: step * accumulate // every > (step - 1) * accumulate // every,
        clip_norm=config.optimiser.clip_norm,
        clip_value=config.optimiser.clip_value,
        patience=config.evaluate.patience,
        best_by=config.evaluate.best,
        checkpoint_every=config.keep.checkpoint,
        about=about(config, model, splits),
        identity={"settings": lasting(config), "data": fingerprint(splits)},
        forward=(lambda x: x) if two_stages(model) else None,  # the loss runs the network
    )


def two_stages(model: Any) -> bool:
    """Whether it is an R-CNN, which looks a second time at what it proposed."""
    return hasattr(model, "roi_heads")


def learns_masks(config: Config) -> bool:
    """Whether the network has masks to be learned."""
    return bool(config.model.options.get("masks", config.model.name.startswith("mask-rcnn")))


def sizes(config: Config, model: Any) -> Callable[[int], tuple[int, int]]:
    """The input's size at each batch: the network's own, or random squares."""
    if not config.data.sides:
        return fixed(model.size)
    low, high = config.data.sides
    every = 10 * config.data.accumulate
    try:
        return TrainingSizes(low, high, multiple=model.stride, every=every, seed=config.run.seed).at
    except ValueError as error:
        raise InputError(f"data.sides: {one_line(error)}") from None


def open_splits(config: Config) -> Splits:
    """The data that the settings name; ``InputError`` where it cannot be read."""
    path = config.data.path
    if not path:
        raise InputError("data.path: a data set is needed: --data PATH, or --data shapes:2000 for drawn scenes")
    if path.startswith("shapes:"):
        return _shapes(path, config)
    from ..data.formats import read_dataset
    from ..data.policy import summary

    form = None if config.data.format == "auto" else config.data.format
    learned = learns_masks(config)
    masks = learned or "CopyPaste(" in repr(
        transform(config)
    )  # nothing else looks at masks, and to draw them takes long
    train = read_dataset(path, format=form, split=config.data.train or None, with_masks=masks)
    if not len(train):
        raise InputError(f"{path}: the split {config.data.train!r} has no images")
    remarks = [f"{config.data.train}: {line}" for line in summary(train.remarks)]
    if not config.data.val:
        return Splits(train.names, train, None, tuple(remarks))
    val = read_dataset(path, format=form, split=config.data.val, names=train.names, with_masks=learned)
    remarks += [f"{config.data.val}: {line}" for line in summary(val.remarks)]
    dropped = sum(r.defect.kind == "zero-area" and r.action == "dropped" for r in val.remarks)
    return Splits(train.names, train, val, tuple(remarks), dropped)


def _shapes(path: str, config: Config) -> Splits:
    counts = path.split(":")[1:]
    if len(counts) > 2 or not all(c.isdecimal() and int(c) > 0 for c in counts):
        raise InputError(f"data.path: expected shapes:TRAIN or shapes:TRAIN:VAL, numbers of scenes, found {path!r}")
    train, val = int(counts[0]), int(counts[1]) if len(counts) == 2 else 300
    side, seed, masks = max(config.model.size), 2 * config.run.seed, learns_masks(config)
    return Splits(
        ShapesDataset.names,
        drawn(ShapesDataset(train, seed=seed, size=side), masks=masks),
        drawn(ShapesDataset(val, seed=seed + 1, size=side), masks=masks) if config.data.val else None,
    )


def network(config: Config, splits: Splits) -> Any:
    """The model, its anchors as the settings say, with the weights that it is to begin from."""
    options = dict(config.model.options)
    try:
        model: Any = models.build(
            config.model.name, classes=len(splits.names), size=config.model.size, rng=config.run.seed, **options
        )
    except TypeError as error:
        raise InputError(f"model.options: {config.model.name} takes no such option: {one_line(error)}") from None
    if not getattr(model, "heads", None):
        raise InputError(f"model.name: {config.model.name} is no detector with YOLO or SSD heads")
    if config.model.anchors != "default":
        if two_stages(model):
            raise InputError(
                f"model.anchors: {config.model.name} has one size a level; give model.options anchors = [...]"
            )
        if hasattr(model, "boxes"):
            raise InputError(f"model.anchors: {config.model.name} has priors; give model.options sizes = [...]")
        chosen = anchors_by_kmeans(config, splits, model) if config.model.anchors == "auto" else config.model.anchors
        model.heads = with_anchors(model.heads, chosen)
    if config.model.weights:
        begin_from(model, Path(config.model.weights))
    return model.to(config.run.device) if config.run.device != "cpu" else model


def with_anchors(heads: Sequence[Any], anchors: Sequence[tuple[float, float]]) -> tuple[Any, ...]:
    """The heads with other anchors, as many as before: the largest for the first head, by area.

    Within a head they go from small to large, as in YOLOv3's cfgs.
    """
    counts = [len(head.anchors) for head in heads]
    if len(anchors) != sum(counts):
        raise InputError(f"model.anchors: expected {sum(counts)} pairs, {' + '.join(map(str, counts))} for the heads, "
                         f"found {len(anchors)}")  # fmt: skip
    if not all(w > 0 and h > 0 for w, h in anchors):
        raise InputError(f"model.anchors: expected widths and heights above 0, found {list(anchors)}")
    order = sorted(((float(w), float(h)) for w, h in anchors), key=lambda a: (a[0] * a[1], a))
    changed = []
    for head, count in zip(heads, counts, strict=True):
        order, own = order[:-count], order[-count:]
        changed.append(dataclasses.replace(head, anchors=tuple(own)))
    return tuple(changed)


def anchors_by_kmeans(config: Config, splits: Splits, model: Any) -> tuple[tuple[float, float], ...]:
    """As many anchors as the model has, for the boxes of the training split as they come on the network's input."""
    sizes = box_sizes(splits.train, model.size, placement=config.data.placement)
    found = kmeans_anchors(sizes, sum(len(head.anchors) for head in model.heads), seed=config.run.seed)
    return tuple((round(float(w), 2), round(float(h), 2)) for w, h in found.sizes)


def begin_from(model: Any, path: Path) -> None:
    """Take from a safetensors file every tensor of the same name and shape; ``InputError`` when there is none."""
    given = safetensors.load(path)
    mine = model.state_dict()
    fitting = {name: a for name, a in given.items() if name in mine and mine[name].shape == a.shape}
    if not fitting:
        raise InputError(f"{path}: none of its {len(given)} tensors has a name and shape of this network")
    model.load_state_dict({name: a.astype(mine[name].dtype) for name, a in fitting.items()}, strict=False)


def transform(config: Config) -> Transform | None:
    """The augmentation; None for none."""
    a = config.augment
    if a.steps:
        return from_config(a.steps, "augment.steps")
    if a.preset == "none":
        return None
    if a.preset not in PRESETS:
        raise InputError(f"augment.preset: {a.preset!r} is not known{near(a.preset, ['none', *PRESETS])}")
    sized = "size" in inspect.signature(PRESETS[a.preset]).parameters
    size = {"size": config.model.size} if sized else {}
    return from_config([{"name": a.preset, **size, **a.options}], "augment")


def loss(config: Config, model: Any) -> Callable[[Any, Sequence[Any], tuple[int, int]], Tensor]:
    """The loss as a function of head maps (for an R-CNN, of images), truths, and the size of the input."""
    options = dict(config.loss.options)
    if (hasattr(model, "boxes") or two_stages(model)) and config.loss.label_smoothing:
        raise InputError("loss.label_smoothing: the losses of SSDs and R-CNNs have none; leave it out")
    if two_stages(model):
        return rcnn_loss(model, seed=config.run.seed, **options)
    if config.loss.label_smoothing:
        options["label_smoothing"] = config.loss.label_smoothing
    grid = None if hasattr(model, "boxes") else YoloGrid.of(model)

    @cache
    def for_size(size: tuple[int, int]) -> YoloLoss | MultiboxLoss:
        try:
            if grid is None:
                return MultiboxLoss(model.boxes, size, **options)
            return YoloLoss(dataclasses.replace(grid, size=size), ignore=config.loss.ignore, **options)
        except (TypeError, ValueError) as error:
            raise InputError(f"loss.options: {one_line(error)}") from None

    for_size(model.size)  # complains now, not at the first batch
    return lambda heads, truths, size: for_size(size)(heads, truths)


def optimiser(config: Config, model: Any) -> Optimiser:
    """The rule, with its groups of parameters."""
    o = config.optimiser
    try:
        groups = named_groups(model, weight_decay=o.weight_decay, no_decay=o.no_decay, lr_factors=o.lr_factors)
    except ValueError as error:
        raise InputError(f"optimiser: {one_line(error)}") from None
    if o.kind == "sgd":
        return SGD(groups, lr=o.lr, momentum=o.momentum, nesterov=o.nesterov)
    return (AdamW if o.kind == "adamw" else Adam)(groups, lr=o.lr, betas=o.betas, eps=o.eps)


def rate(config: Config, steps: int) -> Callable[[int], float]:
    """The learning rate of each step."""
    s, lr = config.schedule, config.optimiser.lr

    def count(x: float) -> int:
        return round(x * steps) if x < 1 else round(x)

    warmup = min(count(s.warmup), steps - 1)
    rest = max(steps - warmup, 1)

    def after(step: int) -> float:
        if s.kind == "cosine":
            return schedule.cosine(step, lr=lr, total=rest, floor=s.floor * lr)
        if s.kind == "linear":
            return schedule.linear(step, lr=lr, total=rest, floor=s.floor * lr)
        if s.kind == "step":
            return schedule.step_decay(step + warmup, lr=lr, every=max(count(s.every), 1), factor=s.factor)
        if s.kind == "multi-step":
            return schedule.multi_step(step + warmup, lr=lr, at=[count(a) for a in s.at], factors=s.factors)
        return schedule.constant(step, lr=lr)

    return lambda step: schedule.warmed(step, after=after, warmup=warmup, power=s.power)


#: Settings (table, key) that change nothing of what is computed, and may differ on resuming.  The data itself must not.
FREE = {("data", "path"), ("data", "workers"), ("keep", "checkpoint"), ("keep", "plots"), ("keep", "tensorboard")}


def lasting(config: Config) -> dict[str, dict[str, Any]]:
    """The settings that a resumed run must share."""
    return {
        table: {key: value for key, value in settings.items() if (table, key) not in FREE}
        for table, settings in config.as_dict().items()
    }


def fingerprint(splits: Splits) -> str:
    """A word for the data: names, images, boxes of both splits."""
    found = hashlib.sha256(json.dumps(splits.names).encode())
    for dataset in (splits.train, splits.val):
        found.update(f"\n{len(dataset) if dataset is not None else None}\n".encode())
        for record in dataset or ():
            found.update(record.path.encode())
            found.update(np.ascontiguousarray(record.objects.boxes).tobytes())
            found.update(np.ascontiguousarray(record.objects.labels).tobytes())
    return found.hexdigest()[:16]


def about(config: Config, model: Any, splits: Splits) -> dict[str, str]:
    """What weights are of, for their metadata: enough to build the network again."""
    return {
        "model": config.model.name,
        "size": f"{model.size[0]}x{model.size[1]}",
        "names": json.dumps(list(splits.names)),
        **(
            {}
            if hasattr(model, "boxes") or two_stages(model)
            else {"anchors": json.dumps([[list(a) for a in h.anchors] for h in model.heads])}
        ),
        "options": json.dumps(config.model.options),
        "placement": config.data.placement,
        "settings": digest(lasting(config)),
    }
