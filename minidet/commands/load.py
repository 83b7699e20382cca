"""Arguments that several commands share, and the network that they name."""

from __future__ import annotations

import argparse
import json
import re
import warnings
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from minidet.commands.device import add_device_argument, check_device
from minidet.data.names import default_names, read_names
from minidet.errors import InputError, one_line

DIALECTS = ("alexeyab", "pjreddie-cpu", "opencv")


def size_argument(text: str) -> tuple[int, int]:
    """`N` or `HxW` in pixels as (h, w)."""
    match = re.fullmatch(r"([0-9]{1,5})(?:x([0-9]{1,5}))?", text)
    h, w = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
    if h < 1 or w < 1:
        raise argparse.ArgumentTypeError(f"expected N or HxW in pixels, found {text!r}")
    return h, w


def fraction_argument(text: str) -> float:
    """A number from 0 to 1."""
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not 0.0 <= value <= 1.0:  # NaN fails too
        raise argparse.ArgumentTypeError(f"expected a number from 0 to 1, found {text!r}")
    return value


def add_model_arguments(parser: argparse.ArgumentParser, *, required: bool = True) -> None:
    """`--cfg` or `--model`, `--weights`, `--names`, `--size`, `--epsilon`, `--device`; it may be `required`."""
    group = parser.add_argument_group("the network")
    which = group.add_mutually_exclusive_group(required=required)
    which.add_argument("--cfg", metavar="FILE", help="Darknet cfg to build the network from")
    which.add_argument(
        "--model",
        metavar="NAME",
        help="a network by name, such as yolov3, yolov3-tiny, yolov3-spp; or one that comes with its weights: shapes, "
        "blood-cells, shapes-ssd, blood-cells-ssd, shapes-mask-rcnn",
    )
    group.add_argument(
        "--weights",
        metavar="FILE",
        help="its weights: Darknet's, .safetensors, or those of another program, "
        "such as torchvision's ssd300_vgg16 in a .pth file (see docs/command_line.md)",
    )
    group.add_argument(
        "--names",
        metavar="FILE",
        help="names of its classes, one a line (default: COCO's for 80 classes, VOC's for 20, else numbers)",
    )
    group.add_argument(
        "--size", metavar="N|HxW", type=size_argument, help="input size, height first (default: the network's own)"
    )
    group.add_argument(
        "--epsilon",
        metavar="DIALECT",
        choices=DIALECTS,
        default=DIALECTS[0],
        help=f"batch norm's epsilon as in: {', '.join(DIALECTS)} (default: %(default)s)",
    )
    add_device_argument(group)


def load_detector(arguments: argparse.Namespace) -> tuple[Any, tuple[str, ...]]:
    """The network that the arguments name, its weights read, in inference mode, on the device; its classes' names.

    A `--model` whose weights come with the package (`minidet.weights.shipped`) needs no `--weights`.  Raises
    `InputError` for a file that is missing or wrong, a name that is unknown, a network that finds no boxes or does not
    take colour images, and a number of names that differs from its classes.
    """
    from minidet import nn

    check_device(arguments.device)
    arguments = _with_weights(arguments)
    names = read_names(arguments.names) if arguments.names else None
    foreign = None if arguments.cfg else _foreign(arguments)
    told = {} if arguments.cfg else foreign.told() if foreign else _told(arguments)
    if names is None and "names" in told:
        names = tuple(told["names"])
    with nn.init.skipped():
        model = _from_cfg(arguments) if arguments.cfg else _by_name(arguments, len(names) if names else 80, told)
    if names is None:
        names = default_names(model.classes)
    elif len(names) != model.classes:
        network = arguments.cfg or arguments.model
        raise InputError(
            f"{arguments.names}: expected {model.classes} names, one for each class of {network}, found {len(names)}"
        )
    if foreign:
        foreign.fill(model)
    else:
        _load_weights(model, arguments.weights)
    return model.to(arguments.device).eval(), names


def _with_weights(arguments: argparse.Namespace) -> argparse.Namespace:
    """The arguments with `--weights`, and the network's own name where `--model` is one of shipped weights."""
    from minidet.weights.shipped import checked, registry

    if arguments.cfg or arguments.model not in registry():
        if not arguments.weights:
            network, ships = arguments.cfg or arguments.model, ", ".join(registry())
            raise InputError(f"--weights FILE is needed for {network}; {ships} come with theirs")
        return arguments
    entry = registry()[arguments.model]
    weights = arguments.weights or str(checked(entry))
    return argparse.Namespace(**{**vars(arguments), "model": entry.model, "weights": weights})


def _foreign(arguments: argparse.Namespace) -> Any:
    """The weights as another program wrote them, for the network `--model`; None for Darknet's and our own."""
    from minidet.models import NAMES
    from minidet.weights.foreign import recognised

    return recognised(arguments.weights, arguments.model) if arguments.model in NAMES else None


def _load_weights(model: Any, path: str) -> None:
    """Fill `model` from a safetensors file, known by its ending, or from Darknet weights."""
    from minidet.weights import darknet, safetensors

    if not path.endswith(".safetensors"):
        darknet.load(model, path)
        return
    try:
        safetensors.load(path, model)
    except (OSError, ValueError) as error:
        raise InputError(one_line(error)) from None


def _from_cfg(arguments: argparse.Namespace) -> Any:
    from minidet.darknet.network import DarknetNetwork

    model = DarknetNetwork(arguments.cfg, size=arguments.size, epsilon=arguments.epsilon)
    if model.classifier:
        raise InputError(f"{arguments.cfg}: expected a detector, found a classifier (no [yolo] or [region] section)")
    if model.channels != 3:
        raise InputError(
            f"{arguments.cfg}: expected a network for colour images, found one for {model.channels} channels"
        )
    kinds = [layer.section for layer in model.layers if layer.section.text("nms_kind", "default") != "default"]
    if kinds and arguments.nms_kind == "iou":
        told = "is not followed; boxes are suppressed by plain IoU, and as it says with --nms-kind cfg"
        warnings.warn(str(kinds[0].error(told, "nms_kind")), stacklevel=2)
    return model


def _by_name(arguments: argparse.Namespace, classes: int, told: Mapping[str, Any]) -> Any:
    from minidet import models

    options = {"classes": told.get("classes", classes), **told.get("options", {})}
    if "epsilon" in models.options(arguments.model):
        options = {"epsilon": arguments.epsilon, **options}
    elif arguments.epsilon != DIALECTS[0]:
        raise InputError(f"--epsilon {arguments.epsilon}: {arguments.model} has no batch norm of Darknet's")
    if size := arguments.size or told.get("size"):
        options["size"] = size
    try:
        model: Any = models.build(arguments.model, **options)
        if "anchors" in told:
            pairs = [tuple((float(w), float(h)) for w, h in head) for head in told["anchors"]]
            model.heads = tuple(replace(head, anchors=own) for head, own in zip(model.heads, pairs, strict=True))
        if "placement" in told:
            model.placement = told["placement"]
    except (TypeError, ValueError, AttributeError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{arguments.weights}: what it says of the network fits none: {one_line(error)}") from None
    return model


#: What weights say of their network as JSON.
_TOLD = ("names", "anchors", "options")


def _told(arguments: argparse.Namespace) -> dict[str, Any]:
    """What weights that `minidet train` wrote say of their network: its size, names, anchors and options."""
    from minidet.weights import safetensors

    path = arguments.weights
    if not path.endswith(".safetensors"):
        return {}
    words = safetensors.metadata(path)
    if words.get("model", arguments.model) != arguments.model:
        raise InputError(f"{path}: weights of {words['model']!r}; give --model {words['model']}")
    try:
        told: dict[str, Any] = {key: json.loads(words[key]) for key in _TOLD if key in words}
        if "size" in words:
            told["size"] = size_argument(words["size"])
    except (ValueError, argparse.ArgumentTypeError) as error:
        raise InputError(f"{path}: what it says of the network cannot be read: {one_line(error)}") from None
    return told | {key: words[key] for key in ("placement",) if key in words}


def plan_of(model: Any) -> Any:
    """An inference plan of a network whose weights will not change; `None`, with a warning, where there can be none.

    Plans are for the CPU: on a GPU a network is computed layer by layer, and nothing is said.
    """
    from minidet_kernels.arrays import library

    from minidet.plan import Plan, PlanError

    if any(library(p.data) != "numpy" for p in model.parameters()):
        return None
    if hasattr(model, "found"):
        from minidet.models.rcnn.planned import PlannedRCNN

        return PlannedRCNN(model, weights="frozen")
    plan = Plan(model, weights="frozen")
    try:
        plan.prepare((1, 3, *model.size))
    except PlanError as error:
        warnings.warn(f"no plan of this network, so layer by layer: {one_line(error)}", stacklevel=2)
        return None
    return plan
