"""A whole run as one page of HTML that needs nothing else: no script, no file beside it, nothing from elsewhere.

All text that comes from a target, a file or an argument is escaped here, and only here: `_Page.tag` escapes its text.
"""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from .fingerprint import Fingerprint
from .report_suite import coverage, details, title, told_of, values_of
from .suite import Judged, Report

STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; margin: 2em auto; max-width: 75em; padding: 0 1em; color: #222; }
table { border-collapse: collapse; margin: .7em 0 1.4em; }
td, th { border: 1px solid #ccc; padding: .25em .6em; text-align: left; vertical-align: top; }
th { background: #f2f2f4; }
pre { background: #f6f6f8; border: 1px solid #ddd; padding: .7em; overflow-x: auto; font-size: 13px; }
.good { background: #dff2df; } .soft { background: #fdf3d0; } .bad { background: #f9dcdc; } .none { color: #777; }
"""
CLASSES = {
    "conforms": "good", "unspecified": "good", "conforms to a variant": "soft", "not tested": "none",
    "told": "good", "alike": "soft", "unknown": "bad", "not asked": "none",
}  # fmt: skip


def page(report: Report) -> str:
    """The page, whole."""
    body = [_tag("h1", "Conformance")]
    ways = ", ".join(f"{name} {version}" for name, version in report.versions.items())
    body.append(_tag("p", f"{ways}; seed {report.seed}, {report.examples} inputs drawn for each target."))
    if report.interrupted:
        body.append(_tag("p", "The run was interrupted.", "bad"))
    body += [_tag("h2", "Verdicts"), _verdicts(report)]
    if report.missing:
        body.append(_tag("p", f"Not tested, as no target was given: {', '.join(report.missing)}."))
    body += [_tag("h2", "Conventions"), _tag("p", "What each target follows. Green: its answers tell the value; "
             "yellow: several values explain them, "
             "which cannot be told apart on this target; red: no known value does; a dash: no input was asked that "
             "would tell.")]  # fmt: skip
    for name in dict.fromkeys(one.operator.name for one in report.judged if one.fingerprint is not None):
        some = [one for one in report.judged if one.operator.name == name and one.fingerprint is not None]
        body += [_tag("h3", name), _matrix(some)]
    body.append(_tag("h2", "Details"))
    for one in report.judged:
        body.append(_details(one))
    head = '<meta charset="utf-8"><meta name="viewport" content="width=device-width">' + _tag("title", "Conformance")
    head = f'<html lang="en"><head>{head}<style>{STYLE}</style></head>'
    return f"<!DOCTYPE html>\n{head}\n<body>\n{''.join(body)}</body></html>\n"


def _tag(name: str, text: str, kind: str = "") -> str:
    """An element with text, which is escaped."""
    return _wrap(name, escape(text, quote=True), kind)


def _wrap(name: str, inner: str, kind: str = "") -> str:
    """An element of elements."""
    of = f' class="{kind}"' if kind else ""
    return f"<{name}{of}>{inner}</{name}>\n"


def _row(cells: Iterable[str]) -> str:
    return _wrap("tr", "".join(cells))


def _verdicts(report: Report) -> str:
    head = [
        _tag("th", text) for text in ("operator", "target", "as", "verdict", "why", "inputs", "left out", "seconds")
    ]
    rows = [_row(head)]
    for one in report.judged:
        verdict = one.verdict
        rows.append(_row([
            _tag("td", one.operator.name),
            _tag("td", title(one)),
            _tag("td", one.asked.profile or "inferred"),
            _tag("td", one.word, _class(one.word)),
            _tag("td", one.reason),
            _tag("td", "" if one.fingerprint is None else told_of(one.fingerprint)),
            _tag("td", "" if verdict is None else str(verdict.tried)),
            _tag("td", "" if verdict is None else str(sum(verdict.left_out.values()))),
            _tag("td", f"{one.seconds:.1f}"),
        ]))  # fmt: skip
    return _wrap("table", "".join(rows))


def _matrix(some: list[Judged]) -> str:
    """A row for each convention of an operator, a column for each target."""
    rows = [_row([_tag("th", "convention"), _tag("th", "about"), *(_tag("th", title(one)) for one in some)])]
    for name, convention in some[0].operator.conventions.items():
        cells = [_tag("td", convention.full_name), _tag("td", convention.about)]
        cells += [_cell(one.fingerprint, name) for one in some if one.fingerprint is not None]
        rows.append(_row(cells))
    return _wrap("table", "".join(rows))


def _cell(found: Fingerprint, name: str) -> str:
    how = coverage(found)[name]
    return _tag("td", "-" if how == "not asked" else values_of(found, name), _class(how))


def _details(one: Judged) -> str:
    inner = [_tag("h3", f"{one.operator.name}: {title(one)}")]
    inner.append(_tag("p", f"{one.word}{': ' + one.reason if one.reason else ''}", _class(one.word)))
    if said := list(details(one)):
        inner.append(_tag("pre", "\n".join(said)))
    if one.laws:
        rows = [_row([_tag("th", "law"), _tag("th", "says"), _tag("th", "")])]
        for law in one.laws:
            kind = "good" if law.word == "holds" else "none" if law.word in ("suspended", "not asked") else "bad"
            rows.append(_row([_tag("td", law.law.name), _tag("td", law.law.says), _tag("td", law.word, kind)]))
        inner.append(_wrap("table", "".join(rows)))
    for replay in one.replays:
        known = replay.known
        link = known.link
        shown = f' <a href="{escape(link, quote=True)}">{escape(link)}</a>' if link.startswith("https://") else ""
        inner.append(f"<p>{escape(f'{known.where}: {replay.said}. {known.reason}')}{shown}</p>\n")
    inner += [_tag("pre", failure) for failure in one.failures]
    if one.versions:
        inner.append(_tag("p", ", ".join(f"{name} {version}" for name, version in one.versions.items()), "none"))
    return _wrap("section", "".join(inner))


def _class(word: str) -> str:
    return CLASSES.get(word, "bad")
