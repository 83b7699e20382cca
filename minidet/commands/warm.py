"""`minidet warm`: compile every kernel ahead, once for this machine."""

from __future__ import annotations

import argparse
import sys
import time
from typing import Any

from minidet.errors import InputError, one_line

DESCRIPTION = """\
Compile every kernel now, in several processes, rather than at the first call of each. What is compiled is kept on disk
(in NUMBA_CACHE_DIR, else beside the sources, else in the user's cache), so later runs start at once: run this while
building an image of a container, or before measuring.
"""


def add_parser(commands: Any) -> None:
    """Describe the arguments of `minidet warm`."""
    parser = commands.add_parser("warm", help="compile every kernel ahead", description=DESCRIPTION)
    parser.add_argument(
        "--dtypes",
        choices=("float32", "float64", "both"),
        default="both",
        help="for arrays of this dtype; detection needs float32 alone (default: %(default)s)",
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Compile, with a bar on standard error; say where it is kept on standard output."""
    from minidet_kernels import compiling, warm

    from minidet.metrics import warming
    from minidet.train.progress import progress

    dtypes = ("float32", "float64") if arguments.dtypes == "both" else (arguments.dtypes,)
    start = time.perf_counter()
    try:
        kernels = len(warm.compiled())
        with progress("compiling", kernels + len(warming.KINDS)) as report:
            count = warm.warm(dtypes, report=lambda done, total, name: report(done, name))
            for done, name in enumerate(warming.warm(), 1):
                report(kernels + done, name)
    except RuntimeError as error:
        raise InputError(one_line(error)) from None
    seconds = time.perf_counter() - start
    done_of = f"{count} implementations and the evaluation"
    print(f"{done_of} compiled or found in {seconds:.0f} s, kept in {compiling.folder()}")
    sys.stdout.flush()
    return 0
