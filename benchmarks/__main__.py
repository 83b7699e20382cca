"""The command line: ``python -m benchmarks [OPERATOR ... | NETWORK] [--against torch,opencv] [--json FILE]``."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import minidet_kernels as _kernels  # noqa: F401  before NumPy, as in `minidet` itself: it says how BLAS threads wait
from rich.console import Console
from rich.table import Table

from . import __doc__ as about
from .measure import machine
from .operators import DisagreementError, run, wrong_order
from .sizes import SIZES

NETWORKS = ("yolov3", "yolov3-tiny", "yolov3-spp")
STEPS = ("yolov3-tiny-step", "yolov3-step")


def print_result(console: Console, result: dict[str, Any]) -> None:
    """One operator at one size, or one network."""
    title = f"{result['operator']}  {result['size']}  (matrix product: {result['gemm_gflops']:.0f} GFLOP/s)"
    table = Table(title=title, title_justify="left", title_style="bold")
    for heading in ("", "ms", "spread", "x ours", "GFLOP/s", "of GEMM", "MB peak", "error"):
        table.add_column(heading, justify="left" if not heading else "right", no_wrap=True)
    for row in result["candidates"]:
        name = f"[green]{row['name']}" if row["name"] == result["runs"] else row["name"]
        gflops, share, peak = row.get("gflops"), row.get("share_of_gemm"), row.get("peak_mb")
        table.add_row(
            name,
            f"{row['ms']:.3f}" if row["ms"] < 10 else f"{row['ms']:.1f}",
            f"{row['spread']:.0%}",
            f"{row['ratio']:.2f}",
            f"{gflops:.1f}" if gflops else "",
            f"{share:.0%}" if share else "",
            f"{peak:.0f}" if peak else "",
            f"{row['error']:.0e}" if row["error"] else "0",
        )
    console.print(table)
    for name, why in result["refused"].items():
        console.print(f"  {name}: {why}", highlight=False)
    profile = result.get("profile", {})
    for name, seconds in profile.items():
        console.print(f"  {seconds / sum(profile.values()):6.1%} {seconds * 1e3:7.1f} ms  {name}", highlight=False)


def main(argv: list[str] | None = None) -> int:
    """Run the benchmarks; 1 when a result or a listed order is wrong or too much memory is used, 2 for misuse."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=about, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    networks_and_steps = ", ".join([*NETWORKS, *STEPS])
    parser.add_argument("what", nargs="*", help=f"operators, or of {networks_and_steps} (default: every operator)")
    parser.add_argument("--against", default="", help="other programs, comma-separated: torch, opencv")
    parser.add_argument("--repeats", type=int, default=7, help="turns of each candidate (default %(default)s)")
    parser.add_argument("--size", default="", help="an operator: part of a size's label; a network: N or HxW")
    parser.add_argument("--json", type=Path, help="write machine, versions, commit and figures to this file")
    options = parser.parse_args(argv)
    against = [name for name in options.against.split(",") if name]
    networks = [name for name in options.what if name in (*NETWORKS, *STEPS)]
    operators = [name for name in options.what if name not in networks] or ([] if networks else list(SIZES))
    if unknown := [name for name in operators if name not in SIZES] + [
        n for n in against if n not in ("torch", "opencv")
    ]:
        parser.error(
            f"unknown: {', '.join(unknown)}; there are {', '.join(SIZES)}, {networks_and_steps}; torch, opencv"
        )

    results: list[dict[str, Any]] = []
    problems: list[str] = []
    console = Console()
    console.width = max(console.width, 110)  # a table that is cut has no use
    about_machine = machine()
    console.print(", ".join(f"{k} {v}" for k, v in about_machine.items() if v), highlight=False)
    try:
        for result in run(operators, sizes=options.size, against=against, repeats=options.repeats):
            results.append(result)
            print_result(console, result)
        if suspects := wrong_order(results):  # measured again, since a busy moment can upset the order
            names = [name for name in operators if any(line.startswith(f"{name}:") for line in suspects)]
            again = list(run(names, sizes=options.size, repeats=options.repeats))
            confirmed = {line.partition(" but takes")[0] for line in wrong_order(again)}
            problems += [line for line in suspects if line.partition(" but takes")[0] in confirmed]
        for name in networks:
            from .network import over_limits, run_network
            from .training import run_step

            measure, of = (run_step, name.removesuffix("-step")) if name in STEPS else (run_network, name)
            result = measure(of, size=options.size or "416", against=against, repeats=options.repeats)
            results.append(result)
            print_result(console, result)
            problems += over_limits(result)
    except DisagreementError as error:
        problems.append(f"not timed: {error}")
    if options.json:
        document = {"machine": about_machine, "results": results, "problems": problems}
        options.json.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    for line in problems:
        print(line, file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
