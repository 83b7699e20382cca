"""Laws that hold of an operator whatever its conventions are: two calls whose answers follow from each other.

No reference is needed, so a law can be asked of anything, and what breaks one is a fault in every dialect; the few laws
that a convention suspends say which.  Each law is a function from ``call`` (inputs to an answer) and inputs to two
answers that must be the same.
"""

from .ask import LAWS, LawVerdict, laws
from .law import Both, Call, Law

__all__ = ["LAWS", "Both", "Call", "Law", "LawVerdict", "laws"]
