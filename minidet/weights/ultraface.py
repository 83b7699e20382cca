"""UltraFace's published weights under our names: those of PyTorch and ONNX, and those of Caffe.

The ``.pth``, ``.npz`` and ``.onnx`` files have the names of the authors' modules.  The layers of the ``.caffemodel``
are called by the numbers that the trace had which it was made of, and batch norm was folded into its convolutions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from .foreign import Layout, State

NAMES = ("face",)


def _separable(theirs: str, ours: str) -> dict[str, str]:
    """A separable convolution with batch norm: a sequence of convolution, norm, ReLU, twice."""
    parts = {0: "depthwise.conv", 1: "depthwise.bn", 3: "pointwise.conv", 4: "pointwise.bn"}
    return {f"{theirs}.{number}": f"{ours}.{part}" for number, part in parts.items()}


def _plain(theirs: str, ours: str) -> dict[str, str]:
    return {f"{theirs}.0": f"{ours}.depthwise", f"{theirs}.2": f"{ours}.pointwise"}


def _blocks(*, rfb: bool) -> Iterator[tuple[int, str]]:
    """The separable blocks of the backbone: the authors' number and our name."""
    for number in range(1, 13):
        stage, first = ("stage8", 1) if number < 8 else ("stage16", 8) if number < 11 else ("stage32", 11)
        if number != 7 or not rfb:
            yield number, f"{stage}.{number - first}"


def _torch(*, rfb: bool) -> dict[str, str]:
    table = {"base_net.0.0": "stem.conv", "base_net.0.1": "stem.bn", "extras.0.0": "reduce"}
    table |= _plain("extras.0.2", "stage64")
    for number, ours in _blocks(rfb=rfb):
        table |= _separable(f"base_net.{number}", ours)
    if rfb:
        theirs = {f"branch{b}.{i}": f"branches.{b}.{i}" for b, n in enumerate((3, 3, 4)) for i in range(n)}
        for name, ours in (theirs | {"ConvLinear": "merge", "shortcut": "shortcut"}).items():
            table |= {f"base_net.7.{name}.{part}": f"stage8.6.{ours}.{part}" for part in ("conv", "bn")}
    for name, ours in (("classification_headers", "logits"), ("regression_headers", "locations")):
        table |= {f"{name}.3": f"{ours}.3"}
        for number in range(3):
            table |= _plain(f"{name}.{number}", f"{ours}.{number}")
    return table


#: The authors' names of layers to ours.
SLIM: Mapping[str, str] = _torch(rfb=False)
RFB: Mapping[str, str] = _torch(rfb=True)


def _caffe(numbers: str, *, rfb: bool) -> dict[str, str]:
    """The table of Caffe's layers: the convolutions, in the order in which the trace ran."""
    order = ["stem.conv"]
    blocks = dict(_blocks(rfb=rfb))
    for number in range(1, 13):
        if number in blocks:
            order += [f"{blocks[number]}.{part}.conv" for part in ("depthwise", "pointwise")]
        else:
            inside = [f"branches.{b}.{i}" for b, n in enumerate((3, 3, 4)) for i in range(n)]
            order += [f"stage8.6.{name}.conv" for name in (*inside, "merge", "shortcut")]
        if number in (7, 10, 12):
            at = (7, 10, 12).index(number)
            order += [f"{head}.{at}.{part}" for head in ("logits", "locations") for part in ("depthwise", "pointwise")]
    order += ["reduce", "stage64.depthwise", "stage64.pointwise", "logits.3", "locations.3"]
    return dict(zip(numbers.split(), order, strict=True))


SLIM_CAFFE: Mapping[str, str] = _caffe(
    """185 188 191 194 197 200 203 206 209 212 215 218 221 224 227 230 232 244 246
    258 261 264 267 270 273 276 278 290 292 304 307 310 313 316 318 330 332 344 346 348 350 362""",
    rfb=False,
)
RFB_CAFFE: Mapping[str, str] = _caffe(
    """245 248 251 254 257 260 263 266 269 272 275 278 281 284 286 289 291 293 296 298 300 303 306 309 311
    315 317 329 331 343 346 349 352 355 358 361 363 375 377 389 392 395 398 401 403 415 417 429 431 433 435 447""",
    rfb=True,
)


def _told(state: State) -> dict[str, Any]:
    """The classes, by a bias of the logits: each cell of the last map has three boxes."""
    bias = state.get("classification_headers.3.bias")
    classes = 1 if bias is None or bias.size < 6 else bias.size // 3 - 1
    return {"classes": classes, "options": {}} | ({"names": NAMES} if classes == 1 else {})


def _told_folded(state: State) -> dict[str, Any]:
    return {"classes": 1, "names": NAMES, "options": {"folded": True}}


def _layout(theirs: str, table: Mapping[str, str]) -> Layout:
    ignored = ("num_batches_tracked",)  # how often training has seen a batch: of no use to anything
    return Layout(f"UltraFace's {theirs}", frozenset({f"ultraface-{theirs.lower()}"}), table, _told, ignored)


def _caffe_layout(theirs: str, table: Mapping[str, str]) -> Layout:
    return Layout(f"UltraFace's {theirs} in Caffe", frozenset({f"ultraface-{theirs.lower()}"}), table, _told_folded)


SLIM_LAYOUT, RFB_LAYOUT = _layout("slim-320", SLIM), _layout("RFB-320", RFB)
SLIM_CAFFE_LAYOUT, RFB_CAFFE_LAYOUT = _caffe_layout("slim-320", SLIM_CAFFE), _caffe_layout("RFB-320", RFB_CAFFE)
