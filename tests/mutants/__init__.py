"""Planted bugs: each must make a test fail.  ``python -m tests.mutants`` (or ``make mutants``) plants them one by one.

The bugs are data, in the ``.toml`` files beside this one::

    [[mutant]]
    what = "the last row of windows is left out"
    file = "kernels/minidet_kernels/pooling/__init__.py"
    old = '''text that occurs exactly once in the file'''
    new = '''what stands there instead'''
    tests = ["tests/kernels/test_pooling.py::test_name"]       # what must fail

A bug that survives says that a property is not tested; a text that no longer occurs says that the bug must be planted
anew.  Both are errors.
"""
