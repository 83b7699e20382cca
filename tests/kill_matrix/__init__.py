"""Every convention and many bugs as targets of the suite: which of them does it kill, and how.

    python -m tests.kill_matrix [OPERATOR ...] [--json FILE] [--markdown FILE]

A mutant is the reference with one convention flipped, or an implementation with a plain bug (``conformance/bugs``).  It
is killed where it departs from profile ``minidet`` on one of 200 drawn inputs, those that `minidet.conformance.check`
draws; or, for what the draws leave out (NaN, inverted boxes), on a telling input.
"""
