"""The command line: `minidet COMMAND ...`, also `python -m minidet`.

Standard output carries results and nothing else; messages and progress go to standard error. Exit status: 0 when all
went well; 1 when the demo found or learned too little or `data check` found errors; 2 when what was given is wrong,
with exactly one line on standard error and nothing written; 130 after Ctrl-C; 141 when the reader of standard output
went away.
Anything else is a fault of the program, with its traceback.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn

from minidet_kernels.compiling import LOGGER
from minidet_kernels.threads import MOST

import minidet
from minidet.commands import conform, cuda, data, demo, detect, explain, facts, plan, train, warm
from minidet.commands import eval as evaluation
from minidet.errors import InputError, one_line

COMMANDS = (detect, explain, train, evaluation, data, facts, plan, demo, warm, cuda, conform)

EXAMPLES = """\
examples:
  minidet demo                                    find shapes in pictures drawn just now, save a picture
  minidet facts yolov3 --size 416                 layers, shapes, parameters, operations
  minidet plan yolov3 --size 416                  how an inference plan computes it, step by step
  minidet detect dog.jpg --cfg net.cfg --weights net.weights --out found
  minidet explain a.jpg --model mask-rcnn-r50-fpn --weights x.pth --out stages
                                                  every stage of an R-CNN as a picture
  minidet eval --data cells --split val --detections found.json
                                                  average precision by rules that are named
  minidet data check cells                        every defect of a data set, with file and line
  minidet warm                                    compile every kernel ahead, as for an image of a container
  minidet cuda check mine.cu                      compile a CUDA kernel of your own: registers, spills
  minidet conform fingerprint torchvision.ops:nms --op nms
                                                  which conventions somebody's function follows
  minidet COMMAND --help                          all about one command
"""


class Parser(argparse.ArgumentParser):
    """An argument parser whose complaint is one line, like every other."""

    def error(self, message: str) -> NoReturn:
        """Raise instead of printing the usage, which takes several lines."""
        raise InputError(f"{one_line(message)} (see {self.prog} --help)")


def parser() -> Parser:
    """The parser of all commands. Each sets `run`, a function from the parsed arguments to an exit status."""
    top = Parser(
        prog="minidet",
        description="Detect objects in images, with nothing hidden.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"minidet {minidet.__version__}")
    commands = top.add_subparsers(title="commands", metavar="COMMAND", parser_class=Parser)
    for command in COMMANDS:
        command.add_parser(commands)
    for one in _every(top):  # before the command's name, or after it
        one.add_argument(
            "--threads",
            type=_threads_argument,
            default=argparse.SUPPRESS,
            metavar="N",
            help="threads to compute with (default: MINIDET_THREADS, or one for each processor)",
        )
    return top


def _every(top: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """The parser, and those of its commands, and of theirs."""
    yield top
    for action in top._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name in {id(child): name for name, child in action.choices.items()}.values():  # not each alias
                yield from _every(action.choices[name])


def _threads_argument(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= MOST:
        raise argparse.ArgumentTypeError(f"expected a number from 1 to {MOST}, found {text!r}")
    return int(text)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line `argv` (the process's own when left out) and return its exit status."""
    late: list[str] = []
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a file name may hold what no encoding has
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("default", UserWarning)  # what a file or an option is warned of, not NumPy's remarks
            warnings.showwarning = _collector(late)
            with _remarks(late):
                status = _run(argv)
            sys.stdout.flush()
    except InputError as error:
        _say(one_line(error))
        return 2
    except KeyboardInterrupt:
        _say("interrupted")
        return 130
    except (MemoryError, RuntimeError) as error:
        from minidet.commands.device import gpu_trouble

        said = gpu_trouble(error) or (f"ran out of memory: {one_line(error)}" if isinstance(error, MemoryError) else "")
        if not said:
            raise  # a fault of the program
        _say(said)
        return 2
    except (BrokenPipeError, SystemExit):  # rich turns the first into the second
        # Whoever read our output has left; keep the interpreter from complaining when it flushes on its way out.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    for line in late:
        _say(line)
    return status


def _run(argv: Sequence[str] | None) -> int:
    top = parser()
    try:
        arguments = top.parse_args(argv)
    except SystemExit as stop:  # --help and --version have printed what was asked for
        return int(stop.code or 0)
    run: Callable[[argparse.Namespace], int] | None = getattr(arguments, "run", None)
    if run is None:
        top.print_help()
        return 0
    try:
        if threads := getattr(arguments, "threads", None):
            minidet.set_threads(threads)
        minidet.get_threads()  # what the environment says
    except ValueError as error:
        raise InputError(one_line(error)) from None
    return run(arguments)


@contextmanager
def _remarks(late: list[str]) -> Iterator[None]:
    """Show what the library logs: at once to someone who is looking, else at the end, and not after an error.

    So standard error holds exactly one line when what was given is wrong, whatever had to be compiled before.
    """
    import logging

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            message = one_line(record.getMessage())
            if sys.stderr.isatty():
                _say(message)
            else:
                late.append(message)

    logger, handler = logging.getLogger(LOGGER), Handler()
    logger.addHandler(handler)
    propagate, logger.propagate = logger.propagate, False
    try:
        yield
    finally:
        logger.propagate = propagate
        logger.removeHandler(handler)


def _collector(lines: list[str]) -> Callable[..., None]:
    """A `warnings.showwarning` that keeps each message for the end; after an error there is only its own line."""

    def keep(message: Warning | str, category: type[Warning], *_: Any) -> None:
        lines.append(f"warning: {one_line(message)}")

    return keep


def _say(message: str) -> None:
    print(f"minidet: {message}", file=sys.stderr)
