"""The data set that the arguments of `minidet data ...` name."""

from __future__ import annotations

import argparse
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

from minidet.errors import InputError

FORMATS = ("voc", "coco", "yolo", "masks")


def add_source(parser: argparse.ArgumentParser, *, split: bool = True, policy: bool = True) -> None:
    """PATH, `--format`, `--names`, and if wished `--split` and `--policy`."""
    parser.add_argument("path", metavar="PATH", type=Path, help="the data set: a folder, or a COCO JSON file")
    parser.add_argument("--format", choices=FORMATS, help="of the data set (default: the one that lies there)")
    parser.add_argument("--names", metavar="FILE", help="names of the classes, one a line (default: the data set's)")
    if split:
        parser.add_argument("--split", metavar="NAME", help="a part of it, such as train (default: everything)")
    if policy:
        parser.add_argument(
            "--policy",
            metavar="WHAT=DO",
            action="append",
            default=[],
            help="zero_area=, inverted=, out_of_bounds=, difficult=, crowd=, unknown_class= keep, drop, error, clip or "
            "swap (see docs/data.md)",
        )


def names_of(arguments: argparse.Namespace) -> tuple[str, ...] | None:
    """The names in the file that `--names` gives."""
    from minidet.data.names import read_names

    return read_names(arguments.names) if arguments.names else None


def policy_of(words: list[str]) -> Any:
    """The policy that the words `what=do` change."""
    from minidet.data.policy import Policy

    known = [field.name for field in fields(Policy)]
    changes = {}
    for word in words:
        what, _, do = word.replace("-", "_").partition("=")
        if what not in known or not do:
            raise InputError(f"--policy {word}: WHAT=DO was expected, with one of {', '.join(known)}")
        changes[what] = do
    try:
        return Policy(**changes)
    except ValueError as error:
        raise InputError(f"--policy: {error}") from None


def read_source(arguments: argparse.Namespace, *, with_masks: bool = False, policy: Any = None) -> Any:
    """The data set; what the reader dropped or mended is said on standard error."""
    from minidet.data.formats import read_dataset
    from minidet.data.policy import summary

    dataset = read_dataset(
        arguments.path,
        format=arguments.format,
        split=getattr(arguments, "split", None),
        policy=policy or policy_of(arguments.policy),
        names=names_of(arguments),
        with_masks=with_masks,
    )
    if not len(dataset):
        raise InputError(f"{arguments.path}: a data set with pictures was expected, found none in it")
    if policy is None:
        say(*summary(dataset.remarks))
    return dataset


def say(*lines: str) -> None:
    """Lines for a person, on standard error."""
    for line in lines:
        print(f"minidet: {line}", file=sys.stderr)
