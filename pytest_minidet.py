"""The plugin of pytest that comes with minidet: the fixture ``conforms`` and its options.

    def test_nms(conforms):
        conforms("nms", mine.nms, profile="torchvision-cpu")

Nothing of minidet is imported before a test asks for the fixture.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """How much is searched, for all tests that do not say it themselves."""
    group = parser.getgroup("minidet", "conformance of operators (minidet)")
    group.addoption("--conform-examples", type=int, default=None, metavar="N", help="inputs to draw for each target")
    group.addoption("--conform-seed", type=int, default=None, metavar="N", help="of the draws")


@pytest.fixture
def conforms(request: pytest.FixtureRequest) -> Callable[..., None]:
    """``conforms("nms", mine.nms, ...)``, the arguments of `minidet.conformance.testing.Suite`; fails with all that is
    wrong, each as code.
    """

    def ask(op: str, target: str | Callable[..., Any], **options: Any) -> None:
        __tracebackhide__ = True
        from minidet.conformance.testing import Suite

        for name in ("examples", "seed"):
            given = request.config.getoption(f"--conform-{name}")
            if given is not None:
                options.setdefault(name, given)
        suite = Suite(op, target, **options)
        said = suite.wrong() or suite.untested()
        if said:
            pytest.fail(said, pytrace=False)

    return ask
