"""`minidet train`: a detector learned from a data set, with everything that it followed from written beside it."""

from __future__ import annotations

import argparse
import json
import platform
import sys
import warnings
from pathlib import Path
from typing import Any

from minidet.commands.device import add_device_argument, check_device
from minidet.commands.load import size_argument
from minidet.errors import InputError

DESCRIPTION = """\
Train a network on a data set. Settings come from CONFIG (a TOML file), then from options, then from --set; those not
given have defaults (docs/settings.md). The folder --out gets config.toml (all settings), log.jsonl, the best and the
last weights, a checkpoint, and pictures of loss and average precision. A run that was cut short goes on with
--resume DIR, to the same weights, bit for bit, as if it had not been.
"""

EXAMPLES = """\
examples:
  minidet train --model yolov3-shapes --data shapes:2000 --size 96 --epochs 5 --out run
  minidet train --model yolov3-small --data bccd --size 320 --epochs 300 --anchors auto --out cells
  minidet train cells.toml --set optimiser.lr=0.005 --set data.batch=16
  minidet train --resume cells
"""

#: CuPy's names, of which one is installed where there is a GPU.
CUPY = ("cupy-cuda13x", "cupy-cuda12x", "cupy")
CONFIG, LOG, NAMES, VERSIONS = "config.toml", "log.jsonl", "classes.names", "versions.json"


def add_parser(commands: Any) -> None:
    """Describe the arguments of `minidet train`."""
    parser = commands.add_parser(
        "train",
        help="train a detector on a data set",
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("config", nargs="?", metavar="CONFIG", help="settings in a TOML file")
    group = parser.add_argument_group("settings that are often given")
    group.add_argument("--model", metavar="NAME", help="the network (model.name)")
    group.add_argument("--data", metavar="PATH", help="the data set, or shapes:2000 (data.path)")
    group.add_argument("--size", type=size_argument, metavar="N|HxW", help="the network's input (model.size)")
    group.add_argument("--anchors", metavar="default|auto|W,H,...", help="the anchors (model.anchors)")
    group.add_argument("--weights", metavar="FILE", help="weights to begin from (model.weights)")
    group.add_argument("--epochs", type=int, metavar="N", help="rounds through the data (run.epochs)")
    group.add_argument("--batch", type=int, metavar="N", help="images a step (data.batch)")
    group.add_argument("--lr", type=float, metavar="R", help="the highest learning rate (optimiser.lr)")
    group.add_argument("--seed", type=int, metavar="N", help="what chance follows from (run.seed)")
    add_device_argument(group, default=None, help="where it is computed; cuda is an NVIDIA GPU (run.device)")
    group.add_argument("--set", action="append", default=[], metavar="T.K=V", help="any setting; may be repeated")
    group = parser.add_argument_group("the run")
    where = group.add_mutually_exclusive_group()
    where.add_argument("--out", metavar="DIR", help="folder of a new run (default: train-out)")
    where.add_argument("--resume", metavar="DIR", help="folder of a run that was cut short, to go on with")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Train; 0 at the end."""
    from minidet.train import assemble
    from minidet.train import config as settings

    if arguments.resume:
        folder = Path(arguments.resume)
        if not (folder / CONFIG).is_file():
            raise InputError(f"--resume {folder}: no run's folder: there is no {CONFIG} in it")
        old = settings.read(folder / CONFIG)
        config = settings.read(arguments.config) if arguments.config else old
        config = _changed(config, arguments)
        if assemble.lasting(old) != assemble.lasting(config):
            differing = ", ".join(settings.differences(old, config, free=assemble.FREE))
            raise InputError(f"--resume {folder}: the settings differ from the run's: {differing}")
    else:
        folder = Path(arguments.out or "train-out")
        config = _changed(settings.read(arguments.config) if arguments.config else settings.Config(), arguments)
        _check_new(folder)
    check_device(config.run.device, "run.device")
    splits = assemble.open_splits(config)
    parts = assemble.parts_of(config, splits)
    for remark in splits.remarks:
        warnings.warn(remark, stacklevel=1)
    return _train(config, splits, parts, folder, resume=bool(arguments.resume))


def _changed(config: Any, arguments: argparse.Namespace) -> Any:
    """Settings with the options' values in them."""
    from minidet.train import config as settings

    named = {
        ("model", "name"): arguments.model,
        ("model", "size"): arguments.size,
        ("model", "weights"): arguments.weights,
        ("model", "anchors"): _anchors(arguments.anchors),
        ("data", "path"): arguments.data,
        ("data", "batch"): arguments.batch,
        ("run", "epochs"): arguments.epochs,
        ("run", "seed"): arguments.seed,
        ("run", "device"): arguments.device,
        ("optimiser", "lr"): arguments.lr,
    }
    for (table, key), value in named.items():
        if value is not None:
            config = settings.from_dict({table: {key: value}}, where="options", base=config)
    return settings.changed(config, arguments.set)


def _anchors(text: str | None) -> Any:
    if text is None or text in ("default", "auto"):
        return text
    try:
        numbers = [float(word) for word in text.replace(",", " ").split()]
    except ValueError:
        numbers = []
    if not numbers or len(numbers) % 2:
        raise InputError(f"--anchors {text}: expected default, auto, or widths and heights: 10,13,16,30,33,23")
    return [list(pair) for pair in zip(numbers[::2], numbers[1::2], strict=True)]


def _check_new(folder: Path) -> None:
    from minidet.commands.outputs import check_folder
    from minidet.train.trainer import CHECKPOINT

    check_folder(folder, [CONFIG, LOG, NAMES, VERSIONS], [])
    if (folder / CHECKPOINT).exists() or (folder / CONFIG).exists():
        raise InputError(f"--out {folder}: holds a run already; go on with --resume {folder}, or name another folder")


def _train(config: Any, splits: Any, parts: Any, folder: Path, *, resume: bool) -> int:
    from rich.console import Console

    from minidet.files import write_text
    from minidet.train import config as settings
    from minidet.train import logs, plots
    from minidet.train.progress import progress
    from minidet.train.trainer import BEST, CHECKPOINT, LAST, Trainer

    console = Console(stderr=True)
    trainer = Trainer(parts, folder)
    if resume and (folder / CHECKPOINT).exists():
        trainer.resume()
    elif not resume:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            write_text(folder / VERSIONS, json.dumps(_versions(config.run.device), indent=2) + "\n")
            write_text(folder / NAMES, "".join(f"{name}\n" for name in splits.names))
            settings.write(folder / CONFIG, config, comment="All settings of this run; see docs/settings.md.")
        except OSError as error:
            raise InputError(f"--out {folder}: cannot be written to: {error.strerror or error}") from None
    trainer.logs.append(logs.JsonLines(folder / LOG, after=trainer.state.step))
    if config.keep.tensorboard:
        trainer.logs.append(logs.TensorBoard(folder / "tensorboard", after=trainer.state.step))

    def say(line: str) -> None:
        console.print(line, highlight=False, soft_wrap=True)

    begun = trainer.state.step
    try:
        with progress("training", parts.steps, console, done=begun) as report:
            state = trainer.run(report, say)
    finally:
        for log in trainer.logs:
            log.close()
    drawn = plots.draw(folder, logs.read(folder / LOG), splits.names) if config.keep.plots else []
    if trainer.stopped_early:
        say(f"stopped at step {state.step}: no better for {state.since_best} measurements")
    if state.score:
        _table(splits.names, state)
    for name in (CONFIG, LOG, NAMES, BEST, LAST, CHECKPOINT, *drawn):
        print(f"wrote {folder / name}", file=sys.stdout)
    return 0


def _table(names: tuple[str, ...], state: Any) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"validation, after {state.step} steps", title_justify="left", min_width=42)
    table.add_column("class")
    table.add_column("AP at IoU 0.5", justify="right")
    for name, ap in zip(names, state.score["by_class"], strict=True):
        table.add_row(name, "-" if ap is None or ap != ap else f"{ap:.4f}")
    table.add_section()
    table.add_row("mean", f"{state.score['ap50']:.4f}")
    table.add_row("mean over IoU .5 to .95", f"{state.score['ap']:.4f}")
    table.add_row(f"best (step {state.best_step})", f"{state.best:.4f}")
    Console().print(table)


def _versions(device: str) -> dict[str, str]:
    """Of what the numbers depend on."""
    from importlib.metadata import PackageNotFoundError, version

    from minidet import __version__

    found = {"minidet": __version__, "python": sys.version.split()[0], "machine": platform.machine()}
    for name in ("numpy", "numba", "pillow", *(CUPY if device == "cuda" else ())):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "none"
    return found
