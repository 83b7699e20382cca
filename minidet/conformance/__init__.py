"""Conformance: which conventions an implementation follows, found by running it.

Implementations of one operator differ by choices that have names here.  A `Convention` lists the values that are found
in the wild, each with its source; a *dialect* gives each convention of an operator one value.  For every dialect a
reference written for reading, in rational arithmetic where something is decided, gives the answer; a few inputs are
kept that tell the values apart.  ``fingerprint`` runs those inputs on a target, which may be anybody's, in a process of
its own, and reports the values that agree with all that was seen.

==================  ============================================================================================
``conventions``     the names, their values and who uses them: data, read from ``data/*.toml``
``operators``       per operator: how a target is called, the reference, the distinguishing inputs
``exact``           intersection over union of rational boxes, and thresholds compared in a given precision
``target, program`` somebody's function, model or program, in a process that may crash, hang, print or spoil its inputs
``pipe, recorded``  a program that stays; answers put beside inputs that were written as files
``fingerprint``     from answers to conventions
``check, draw``     a search for an input on which a target departs from a dialect, shrunk and explained
``laws``            what holds in every dialect, asked without a reference
``predicates``      words for inputs, by which they are left out of a search
``ledger``          known divergences, each with a reason, a date and an input that is replayed
``suite, html``     all of it for one target or many, whatever they do; as text, JSON and a page
``testing``         all of it as tests of pytest
==================  ============================================================================================
"""

from .check import Counterexample, Verdict, check
from .conventions import Convention, Value, conventions, profiles
from .definition import definition
from .fingerprint import Fingerprint, fingerprint
from .laws import LAWS, Law, LawVerdict, laws
from .operators import OPERATORS, Operator, Vector
from .program import Program
from .target import Outcome, Target

__all__ = [
    "LAWS",
    "OPERATORS",
    "Convention",
    "Counterexample",
    "Fingerprint",
    "Law",
    "LawVerdict",
    "Operator",
    "Outcome",
    "Program",
    "Target",
    "Value",
    "Vector",
    "Verdict",
    "check",
    "conventions",
    "definition",
    "fingerprint",
    "laws",
    "profiles",
]
