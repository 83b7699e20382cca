"""The one exception the command line turns into a line of text.

Everything that a user can get wrong (a file, an option, a name) raises `InputError` or a subclass. It is a
`ValueError`, so a library caller needs to know nothing new; the command line prints its one line and leaves with
status 2, while any other exception is a fault of the program and keeps its traceback.
"""

from __future__ import annotations


class InputError(ValueError):
    """What was given is wrong; the message is one line that says what, where, what was expected and what was found."""


def one_line(message: object) -> str:
    """`message` with every run of white space, line breaks included, made one blank."""
    return " ".join(str(message).split())
