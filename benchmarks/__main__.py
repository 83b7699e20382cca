"""The command line: ``python -m benchmarks [OPERATOR ... | NETWORK ... | targets [ROW ...]] [OPTIONS]``."""

from __future__ import annotations

import json
import sys
from typing import Any

import minidet_kernels as _kernels  # noqa: F401  before NumPy, as in `minidet` itself: it says how BLAS threads wait
from rich.console import Console

from .ceilings import ceilings, told
from .cfgs import STEPS
from .measure import machine
from .network import over_limits, run_network
from .operators import DisagreementError, run, wrong_order
from .options import STANDARD_OUTPUT, Options
from .report import print_result

Results = list[dict[str, Any]]


def _operators(options: Options, console: Console, results: Results) -> list[str]:
    """Measure operators into ``results``; returns the results that disagree and the listed orders that are wrong."""
    disagree = []
    for name in options.operators:
        try:
            for result in run([name], sizes=options.sizes, against=options.against, repeats=options.repeats):
                results.append(result)
                print_result(console, result)
        except DisagreementError as error:  # the other operators can be measured all the same
            disagree.append(f"not timed: {error}")
    suspects = wrong_order(results)
    if not suspects:
        return disagree
    # Measured again, since a busy moment can upset the order.
    names = [name for name in options.operators if any(line.startswith(f"{name}:") for line in suspects)]
    again = list(run(names, sizes=options.sizes, repeats=options.repeats))
    confirmed = {line.partition(" but takes")[0] for line in wrong_order(again)}
    return disagree + [line for line in suspects if line.partition(" but takes")[0] in confirmed]


def _networks(options: Options, console: Console, results: Results) -> list[str]:
    """Measure networks into ``results``; returns the limits that are exceeded."""
    problems = []
    for name in options.networks:
        for size in options.sizes or [""]:
            how = {"against": options.against, "repeats": options.repeats}
            try:
                if name in STEPS:
                    from .training import run_step

                    result = run_step(name.removesuffix("-step"), size=size or "416", **how)
                else:
                    result = run_network(name, size=size, memory=options.memory, **how)
            except DisagreementError as error:
                problems.append(f"not timed: {error}")
                continue
            results.append(result)
            print_result(console, result)
            problems += over_limits(result)
    return problems


def _targets(options: Options, console: Console, results: Results) -> list[str]:
    """Measure rows of the table of targets into ``results``; returns those that are missed."""
    problems = []
    for target in options.targets:
        try:
            for verdict in target.judge(options.repeats):
                console.print(verdict.line(), highlight=False, soft_wrap=True)
                results.append(verdict.as_data())
                if not verdict.met:
                    problems.append(
                        f"target missed: {verdict.work}: {verdict.ratio:.2f} instead of {verdict.least:.3g}"
                    )
        except DisagreementError as error:
            problems.append(f"not timed: {error}")
    return problems


def main(argv: list[str] | None = None) -> int:
    """Run the benchmarks; 1 when a result or a listed order is wrong or a limit or target is missed, 2 for misuse."""
    options = Options(argv)
    if options.device == "cuda":
        from .gpu import main as on_a_gpu

        return on_a_gpu(
            options.operators, targets=options.all_targets, wanted=options.sizes, against=options.against,
            repeats=options.repeats, where=options.json,
        )  # fmt: skip
    to_stdout = options.json == STANDARD_OUTPUT
    console = Console(stderr=to_stdout)
    console.width = max(console.width, 130)  # a table that is cut has no use
    about_machine, limits = machine(), ceilings()
    console.print(", ".join(f"{k} {v}" for k, v in about_machine.items() if v), highlight=False)
    console.print(told(limits), highlight=False)
    results: Results = []
    problems: list[str] = []
    for measure in (_operators, _networks, _targets):
        problems += measure(options, console, results)
    document = {"machine": about_machine, "ceilings": limits, "results": results, "problems": problems}
    text = json.dumps(document, indent=1) + "\n"
    if to_stdout:
        sys.stdout.write(text)
    elif options.json:
        options.json.write_text(text, encoding="utf-8")
    for line in problems:
        print(line, file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
