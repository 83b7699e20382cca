"""How results are printed."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table

HEADINGS = ("", "ms", "spread", "x ours", "GFLOP/s", "of GEMM", "GB/s", "of write", "MB peak", "packed", "error")


def _cells(row: dict[str, Any], chosen: bool) -> list[str]:
    def cell(key: str, form: str) -> str:
        return form.format(row[key]) if row.get(key) else ""

    return [
        f"[green]{row['name']}" if chosen else row["name"],
        f"{row['ms']:.3f}" if row["ms"] < 10 else f"{row['ms']:.1f}",
        f"{row['spread']:.0%}",
        f"{row['ratio']:.2f}",
        cell("gflops", "{:.1f}"),
        cell("share_of_gemm", "{:.0%}"),
        cell("gb_s", "{:.1f}"),
        cell("share_of_write", "{:.0%}"),
        cell("peak_mb", "{:.0f}"),
        cell("packed_mb", "{:.0f}"),
        f"{row['error']:.0e}" if row["error"] else "0",
    ]


def print_result(console: Console, result: dict[str, Any]) -> None:
    """One operator at one size, or one network; columns without an entry are left out."""
    ceiling = f"matrix product: {result['gemm_gflops']:.0f} GFLOP/s"
    if result.get("write_gb_s"):
        ceiling += f"; writing: {result['write_gb_s']:.1f} GB/s"
    work = f"  {result['gflop']:.2f} GFLOP" if result.get("gflop") else ""
    title = f"{result['operator']}  {result['size']}{work}  ({ceiling})"
    rows = [_cells(row, row["name"] == result["runs"]) for row in result["candidates"]]
    kept = [i for i in range(len(HEADINGS)) if any(row[i] for row in rows)]
    table = Table(title=title, title_justify="left", title_style="bold")
    for i in kept:
        table.add_column(HEADINGS[i], justify="right" if i else "left", no_wrap=True)
    for row in rows:
        table.add_row(*(row[i] for i in kept))
    console.print(table)
    for name, why in result["refused"].items():
        console.print(f"  {name}: {why}", highlight=False)
    profile = result.get("profile", {})
    for name, seconds in profile.items():
        console.print(f"  {seconds / sum(profile.values()):6.1%} {seconds * 1e3:7.1f} ms  {name}", highlight=False)
    if best := result.get("best_of_others"):
        console.print(
            f"  best of the others: {best['name']}, {best['ms']:.1f} ms; {best['ours']} is "
            f"{best['times_as_fast']:.2f} times as fast",
            highlight=False,
        )
