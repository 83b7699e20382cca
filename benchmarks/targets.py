"""What minidet's kernels have to reach beside other programs: ``python -m benchmarks targets [ROW ...]``.

Each row is checked and timed like everything else, ours and the others' in turns, and says what was asked and whether
it is met.  A ratio is the time of the fastest of the others over ours; for memory, theirs over ours in MB.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from minidet_kernels import iou_matrix, match
from minidet_kernels.table import OPS

from .ceilings import filling
from .cfgs import STEPS
from .measure import Timing, in_turns, relative_error, threads
from .network import run_network, runs
from .operators import PEER_AGREES, DisagreementError, check
from .peers import PEERS, family, tensors
from .programs import PROGRAMS
from .sizes import SIZES, Size, _convolution, _suppression, boxes

Call = Callable[[], Any]


@dataclass(frozen=True)
class Verdict:
    """One row: what we take and what the best of the others takes, in ``unit``; their ratio, and the least asked."""

    work: str
    ours: float
    peer: str
    theirs: float
    least: float
    spread: float = 0.0
    unit: str = "ms"
    note: str = ""

    @property
    def ratio(self) -> float:
        """How many times as much the others take."""
        return self.theirs / self.ours

    @property
    def met(self) -> bool:
        """Whether the ratio is as large as asked."""
        return self.ratio >= self.least

    def as_data(self) -> dict[str, Any]:
        """All of it, as plain data."""
        return {"target": self.work, **asdict(self), "ratio": self.ratio, "met": self.met}

    def line(self) -> str:
        """One line to print."""
        word = "[green]met[/]   " if self.met else "[red]missed[/]"
        note = f"  ({self.note})" if self.note else ""
        return (
            f"{word} {self.work:<46} {self.ours:9.3f} {self.unit}, {self.peer} {self.theirs:.3f} {self.unit}: "
            f"{self.ratio:.2f} of {self.least:.3g} asked, spread {self.spread:.0%}{note}"
        )


def verdict(work: str, timings: Mapping[str, Timing], ours: str, least: float) -> Verdict:
    """``ours`` against the fastest of all the others in ``timings``; the spread is the larger of the two."""
    peer, *slower = sorted((name for name in timings if name != ours), key=lambda name: timings[name].median)
    mine, theirs = timings[ours], timings[peer]
    return Verdict(
        work,
        mine.median * 1e3,
        peer,
        theirs.median * 1e3,
        least,
        spread=max(mine.spread, theirs.spread),
        note=", ".join(f"{name} {timings[name].median * 1e3:.3f} ms" for name in slower),
    )


@dataclass(frozen=True)
class Target:
    """Some rows of the table, which are measured together."""

    name: str
    judge: Callable[[int], Iterator[Verdict]]


def _timed(ours: Call, others: Mapping[str, Call], repeats: int) -> dict[str, Timing]:
    return in_turns({"minidet": ours, **others}, repeats=repeats, longest=60.0)


def _operator(operator: str, label: str, size: Size, whose: str, least: float, repeats: int) -> Verdict:
    """An operator as it dispatches, against all settings of one program, with equal results."""
    args, options = size.draw(np.random.default_rng(0))
    ours = partial(OPS[operator], *args, **options)
    makers = {name: make for name, make in PEERS[operator].items() if family(name) == whose}
    calls = {name: call for name, make in makers.items() if (call := make(*args, **options)) is not None}
    expected = ours()
    for name, call in calls.items():
        check(f"{operator} by {name} ({label})", call(), expected, PEER_AGREES)
    del expected
    return verdict(f"{operator} {label}", _timed(ours, calls, repeats), "minidet", least)


def _nms(repeats: int) -> Iterator[Verdict]:
    for count in (10_000, 50_000):
        for clusters in (0, 50):
            label = f"{count:,} " + (f"in {clusters} clusters" if clusters else "anywhere")
            size = _suppression(count, clusters)
            yield _operator("nms", label, size, "torchvision", 20, min(repeats, 5) if count > 10_000 else repeats)


def _iou(repeats: int) -> Iterator[Verdict]:
    from torchvision.ops import box_iou

    rng, work, repeats = np.random.default_rng(0), "iou_matrix 10,000 x 10,000", max(repeats, 9)
    a, b = boxes(rng, 10_000), boxes(rng, 10_000)
    ours, theirs = partial(iou_matrix, a, b), partial(box_iou, *tensors(a, b))
    out = ours()
    _check_by_rows(work, theirs().numpy(), out)
    into = partial(iou_matrix, a, b, out=out)
    sticks = {f"writing, {n} thread{'s' * (n > 1)}": filling(n, out)[0] for n in sorted({1, threads()})}
    zeros = {"writing zeros": filling(threads(), out, 0)[0]}
    timings = _timed(into, sticks | zeros, repeats)
    # Most boxes do not meet, and some processors write zeros faster than anything else: said, but not what is asked.
    note = f"writing zeros {timings.pop('writing zeros').median * 1e3:.3f} ms"
    found = verdict(f"{work}, out=", timings, "minidet", 0.8)
    yield replace(found, note=f"{found.note}, {note}")
    del out, into, sticks, zeros  # theirs needs some GB
    yield verdict(f"{work}, new memory", _timed(ours, {"torchvision": theirs}, repeats), "minidet", 100)


def _check_by_rows(work: str, got: np.ndarray, expected: np.ndarray, rows: int = 500) -> None:
    """Compare row by row, since in float64 the whole would take some GB."""
    for start in range(0, len(expected), rows):
        part = slice(start, start + rows)
        if not (error := relative_error(got[part], expected[part])) <= PEER_AGREES:
            raise DisagreementError(f"{work} by torchvision: relative error {error:.1e}, above {PEER_AGREES:.0e}")


def labels(anchors: np.ndarray, truths: np.ndarray, high: float = 0.5, low: float = 0.4) -> np.ndarray:
    """What torchvision's Matcher tells each anchor: its truth, -1 below ``low``, -2 between; the best are kept.

    Of several best anchors of a truth the Matcher keeps all, and this the first.
    """
    truth, iou, best, _ = match(anchors, truths)
    found = np.where(iou >= high, truth, np.where(iou < low, -1, -2))
    found[best] = truth[best]
    return found


def _match(repeats: int) -> Iterator[Verdict]:
    from torchvision.models.detection._utils import Matcher
    from torchvision.ops import box_iou

    matcher = Matcher(0.5, 0.4, allow_low_quality_matches=True)
    for label, size in SIZES["match"].items():
        if label not in ("8,732 x 50", "159,882 x 100"):
            continue
        (anchors, truths), _ = size.draw(np.random.default_rng(0))
        theirs = partial(lambda a, t: matcher(box_iou(t, a)), *tensors(anchors, truths))
        ours = partial(labels, anchors, truths)
        check(f"match {label} by torchvision", theirs().numpy(), ours(), 0.0)
        others = {"torchvision": theirs}
        yield verdict(f"match {label}, with labels", _timed(ours, others, repeats), "minidet", 20)
        yield verdict(f"match {label}", _timed(partial(match, anchors, truths), others, repeats), "minidet", 20)


def _roi_align(repeats: int) -> Iterator[Verdict]:
    label = "1,000 of 256 at 200 x 304"
    for operator in ("roi_align", "roi_align_grad_x"):
        yield _operator(operator, label, SIZES[operator][label], "torchvision", 3, repeats)


#: The 3x3 convolutions of stride 1 in YOLOv3 at 416 x 416: image side, channels, filters.
LAYERS = ((416, 3, 32), (208, 32, 64), (104, 64, 128), (52, 128, 256), (26, 256, 512), (13, 512, 1024))


def _layers(repeats: int) -> Iterator[Verdict]:
    for side, channels, filters in LAYERS:
        size = _convolution("conv2d", side, channels, filters, 3, 1, 1)
        yield _operator("conv2d", f"3x3 {channels}->{filters} at {side}", size, "torch", 1, repeats)


# --- networks: not among the rows by default, since each takes a minute or more ---------------------------------------

ENGINES = ("torch", "opencv", "onnxruntime", "openvino")


def _network(name: str, least: float, repeats: int) -> Iterator[Verdict]:
    result = run_network(name, against=ENGINES, repeats=repeats, memory=False)
    rows, work = {row["name"]: row for row in result["candidates"]}, f"{name} {result['size']}"

    def against(ours: str, peer: str, least: float) -> Verdict:
        mine, theirs = rows[ours], rows[peer]
        spread = max(mine["spread"], theirs["spread"])
        return Verdict(f"{work}: {ours}", mine["ms"], peer, theirs["ms"], least, spread)

    best = result["best_of_others"]
    yield against(best["ours"], best["name"], least)
    if name == "yolov3":
        yield against("minidet", "torch", 1.0)


def _coco_eval(repeats: int) -> Iterator[Verdict]:
    from .coco_eval import Scene, compared

    for kind in ("boxes", "masks"):
        for work, mine, peer, theirs, least, spread in compared(kind, Scene(), repeats):
            yield Verdict(work, mine, peer, theirs, least, spread)


def _training_step(repeats: int) -> Iterator[Verdict]:
    from .training import run_step

    result = run_step("yolov3-tiny", size="416", against=["torch"], repeats=repeats)
    rows = {row["name"]: row for row in result["candidates"]}
    mine, theirs = rows["minidet"], rows["torch"]
    spread = max(mine["spread"], theirs["spread"])
    yield Verdict(f"{result['operator']} {result['size']}", mine["ms"], "torch", theirs["ms"], 1.0, spread)


def _memory(repeats: int) -> Iterator[Verdict]:
    ours = dict.fromkeys([runs(list(PROGRAMS)), "minidet", "minidet, im2col"])
    result = run_network("yolov3", programs=[*ours, "torch"], repeats=1)
    rows = {row["name"]: row for row in result["candidates"]}
    for name in ours:
        least = 1.0 if name == "minidet, im2col" else 1 / 1.5
        packed = rows[name].get("packed_mb", 0.0)
        note = f"{packed:.0f} MB of it packed weights" if packed else ""
        mine, theirs = rows[name]["peak_mb"], rows["torch"]["peak_mb"]
        yield Verdict(f"yolov3 peak memory: {name}", mine, "torch", theirs, least, unit="MB", note=note)


def _mask_rcnn(repeats: int) -> Iterator[Verdict]:
    from .rcnn import SIZE, compared

    timings, memory = compared(min(repeats, 5))
    work = f"mask-rcnn-r50-fpn {SIZE[0]} x {SIZE[1]}"
    yield verdict(work, timings, "minidet", 1.3)
    yield Verdict(f"{work}: peak memory", memory["minidet"], "torchvision", memory["torchvision"], 1 / 1.5, unit="MB")


TARGETS = {
    target.name: target
    for target in (
        Target("nms", _nms),
        Target("iou", _iou),
        Target("match", _match),
        Target("roi_align", _roi_align),
        Target("layers", _layers),
        Target("yolov3", partial(_network, "yolov3", 1.8)),
        Target("yolov3-tiny", partial(_network, "yolov3-tiny", 1.5)),
        Target("yolov4", partial(_network, "yolov4", 1.5)),
        Target("vgg16", partial(_network, "vgg16", 1.5)),
        Target("memory", _memory),
        Target("coco_eval", _coco_eval),
        Target("mask-rcnn", _mask_rcnn),
        *([Target("yolov3-tiny-step", _training_step)] if STEPS else []),
    )
}
#: The rows about operators.
BY_DEFAULT = ("nms", "iou", "match", "roi_align", "layers")


def chosen(names: Sequence[str]) -> list[Target]:
    """The targets of these names, or those about operators; raises ``KeyError`` for a name that there is not."""
    return [TARGETS[name] for name in names or BY_DEFAULT]
