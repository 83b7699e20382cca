"""XML as a tree that knows its lines; document types and entities, which can make a small file huge, are refused."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from xml.parsers import expat

from ..policy import Defect, Judge
from .text import read_bytes


@dataclass
class Node:
    """An element: its tag, the line it begins in, its text (that before its first child), and its children."""

    tag: str
    line: int
    text: str = ""
    children: list[Node] = field(default_factory=list)

    def find(self, tag: str) -> Node | None:
        """The first child with that tag."""
        return next((child for child in self.children if child.tag == tag), None)

    def all(self, tag: str) -> list[Node]:
        """Every child with that tag."""
        return [child for child in self.children if child.tag == tag]


def read_xml(path: Path, file: str, judge: Judge) -> Node | None:
    """The root element of the file ``path``; None after the judge has been told why not."""
    content = read_bytes(path, file, judge)
    if content is None:
        return None
    parser = expat.ParserCreate()
    top = Node("", 0)
    stack = [top]

    def start(tag: str, _: dict[str, str]) -> None:
        node = Node(tag, parser.CurrentLineNumber)
        stack[-1].children.append(node)
        stack.append(node)
        if len(stack) > 64:
            raise RefusedError("elements are nested more than 64 deep")

    def end(_: str) -> None:
        node = stack.pop()
        node.text = node.text.strip()

    def characters(text: str) -> None:
        if not stack[-1].children:
            stack[-1].text += text

    def doctype(*_: object) -> None:
        raise RefusedError("a document type (<!DOCTYPE ...>) has no place in annotations")

    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler, parser.StartDoctypeDeclHandler = characters, doctype
    parser.buffer_text = True
    try:
        parser.Parse(content, True)
    except expat.ExpatError as error:
        judge(Defect("malformed", file, error.lineno, f"malformed XML: {expat.ErrorString(error.code)}"))
        return None
    except RefusedError as error:
        judge(Defect("malformed", file, parser.CurrentLineNumber, f"malformed XML: {error}"))
        return None
    except (ValueError, LookupError) as error:  # an encoding that is not known
        judge(Defect("malformed", file, parser.CurrentLineNumber, f"malformed XML: {error}"))
        return None
    return top.children[0]


class RefusedError(Exception):
    """Well-formed, and still not wanted."""
