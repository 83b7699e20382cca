"""The tables that `minidet eval` prints, from the document that `--json` prints."""

from __future__ import annotations

from typing import Any

#: Headings that are not the names in the document.
HEADINGS = {
    "detections": "found",
    "ap": "AP",
    "ap50": "AP50",
    "ap75": "AP75",
    "ar": "AR",
    "precision": "prec.",
    "f1": "F1",
}


def print_tables(document: dict[str, Any]) -> None:
    """The numbers by rules, a row for each class, and precision, recall and F1 at one score."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console(highlight=False)
    data, rules, counts = document["data"], document["rules"], document.get("counts")
    changes = "".join(f", {change}" for change in rules["changes"])
    kind = "" if document["kind"] == "boxes" else f"{document['kind']}  "
    heading = f"{data['path']}  {data['images']} images  {kind}rules: {rules['name']}{changes}"
    console.print(heading, markup=False, soft_wrap=True)
    if n := document["dropped"]:
        console.print(f"{n} truth{' was' if n == 1 else 's were'} dropped, without area", soft_wrap=True)
    for kind in ("AP", "AR"):  # twelve columns are too wide for many a terminal
        table = Table()
        numbers = {name: value for name, value in document["numbers"].items() if name.startswith(kind)}
        for name in numbers:
            table.add_column(name, justify="right", no_wrap=True)
        table.add_row(*(_figure(value) for value in numbers.values()))
        console.print(table)
    table = Table()
    table.add_column("class", overflow="fold")
    columns = ("truths", "detections", "ap", "ap50", *(("precision", "recall", "f1") if counts else ("ap75", "ar")))
    for name in columns:
        table.add_column(HEADINGS.get(name, name), justify="right", no_wrap=True)
    for row in document["classes"]:
        if row["truths"] or row["detections"]:
            table.add_row(escape(row["name"]), *(_figure(row[name]) for name in columns))
    console.print(table)
    if counts is None:
        return
    if counts["score"] is None:
        console.print("no detection is right at any score", soft_wrap=True)
        return
    console.print(
        f"at IoU {document['iou']:g} and a score of at least {counts['score']:.4g}: precision "
        f"{_figure(counts['precision'])}, recall {_figure(counts['recall'])}, F1 {_figure(counts['f1'])} "
        f"({counts['right']} right, {counts['wrong']} wrong, {counts['missed']} missed)",
        soft_wrap=True,
    )


def _figure(value: float | int | None) -> str:
    """A count as it is, a share with four places (rounded), a dash where there is none."""
    if value is None:
        return "-"
    return str(value) if isinstance(value, int) else f"{value:.4f}"
