"""`minidet cuda`: the CUDA kernels that there are, and a compiler's word on anybody's own; no GPU is needed."""

from __future__ import annotations

import argparse
from typing import Any

from minidet.commands import cuda_check, cuda_list

PARTS = (cuda_list, cuda_check)

DESCRIPTION = """\
List the CUDA kernels, with the reason for which each is refused on this machine; compile a file of your own for any
generation of GPUs, and see what its kernels take of registers and memory. See docs/cuda_kernels.md.
"""

EXAMPLES = """\
examples:
  minidet cuda list                                     every operator's kernels, and why they do not run here
  minidet cuda list conv2d --kernels                    the kernels themselves, with their registers
  minidet cuda check mine.cu                            compile it for sm_75, 80, 90a, 100a and 120a
  minidet cuda check mine.cu --arch 90a -D TILE=16 --instance 'tile<float, 16>'
"""


def add_parser(commands: Any) -> None:
    """Describe the arguments of `minidet cuda`."""
    parser = commands.add_parser(
        "cuda",
        help="list CUDA kernels; compile your own and see their registers, without a GPU",
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parts = parser.add_subparsers(title="what to do", metavar="WHAT", parser_class=type(parser), required=True)
    for part in PARTS:
        part.add_parser(parts)
