"""The options of the command line."""

from __future__ import annotations

import argparse
from pathlib import Path

from . import __doc__ as about
from .cfgs import NETWORKS, STEPS
from .gpu_work import sizes as gpu_sizes
from .network import _size
from .sizes import SIZES
from .targets import TARGETS, chosen

#: The programs of others that can be named after ``--against``.
AGAINST = ("torch", "torchvision", "opencv", "onnxruntime", "openvino", "pycocotools")
#: Rows of the table of targets that can be asked for by their name alone.
ALONE = ("coco_eval",)
#: The word that asks for the table of targets.
WORD = "targets"
STANDARD_OUTPUT = Path("-")


def parser() -> argparse.ArgumentParser:
    """What the command line takes."""
    made = argparse.ArgumentParser(
        prog="python -m benchmarks", description=about, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.add_argument(
        "what",
        nargs="*",
        help=f"operators, or networks ({', '.join([*NETWORKS, *STEPS])}), or {', '.join(ALONE)}, or "
        f"'{WORD}' and some of {', '.join(TARGETS)}; by default every operator",
    )
    made.add_argument("--against", default="", help=f"other programs, comma-separated: {', '.join(AGAINST)}")
    made.add_argument("--repeats", type=int, default=7, help="turns of each candidate (default %(default)s)")
    made.add_argument(
        "--sizes", "--size", nargs="+", default=[], metavar="SIZE",
        help="an operator's: parts of the sizes' labels; a network's: N or HxW",
    )  # fmt: skip
    made.add_argument(
        "--device", choices=("cpu", "cuda"), default="cpu",
        help="operators, or 'targets', on the CPU or on an NVIDIA GPU (default %(default)s)",
    )  # fmt: skip
    made.add_argument("--no-memory", action="store_true", help="a network: leave out the peak of memory")
    made.add_argument(
        "--json", nargs="?", type=Path, const=STANDARD_OUTPUT, metavar="FILE",
        help="write machine, versions, commit and figures to FILE, or to standard output (give it last then)",
    )  # fmt: skip
    return made


class Options:
    """The checked options; whatever is wrong with them ends the program with a line and status 2."""

    def __init__(self, argv: list[str] | None = None) -> None:
        made = parser()
        given = made.parse_args(argv)
        self.repeats: int = given.repeats
        self.device: str = given.device
        self.all_targets: bool = given.what == [WORD]
        self.memory: bool = not given.no_memory
        self.json: Path | None = given.json
        self.sizes: list[str] = given.sizes
        self.against = [name for name in given.against.split(",") if name]
        wanted, rows = ([], given.what[1:]) if given.what[:1] == [WORD] else (given.what, [])
        alone, wanted = [n for n in wanted if n in ALONE], [n for n in wanted if n not in ALONE]
        if unknown := [name for name in rows if name not in TARGETS]:
            made.error(f"{WORD}: unknown: {', '.join(unknown)}; there are {', '.join(TARGETS)}")
        self.targets = chosen([*rows, *alone]) if given.what[:1] == [WORD] or alone else []
        self.networks = [name for name in wanted if name in (*NETWORKS, *STEPS)]
        operators = [name for name in wanted if name not in self.networks]
        self.operators = operators or ([] if given.what else list(SIZES))

        if self.device == "cuda" and (self.networks or (self.targets and not self.all_targets)):
            made.error(f"--device cuda: takes operators, or '{WORD}' alone, not {' '.join(given.what)}")
        if self.repeats < 1:
            made.error(f"--repeats {self.repeats}: expected at least 1")
        if unknown := [name for name in self.against if name not in AGAINST]:
            made.error(f"--against: unknown: {', '.join(unknown)}; there are {', '.join(AGAINST)}")
        if unknown := [name for name in self.operators if name not in SIZES]:
            made.error(
                f"unknown: {', '.join(unknown)}; there are {', '.join([*SIZES, *NETWORKS, *STEPS, *ALONE, WORD])}"
            )
        if self.networks and (wrong := [size for size in self.sizes if not _is_image_size(size)]):
            made.error(f"--sizes {wrong[0]}: a network takes N or HxW, in pixels")
        labels = [label for name in operators for label in (gpu_sizes(name) if self.device == "cuda" else SIZES[name])]
        if labels and self.sizes and not any(size in label for size in self.sizes for label in labels):
            made.error(f"--sizes {' '.join(self.sizes)}: none of {'; '.join(labels)}")


def _is_image_size(text: str) -> bool:
    try:
        return min(_size(text)) > 0
    except ValueError:
        return False
