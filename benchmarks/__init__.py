"""Benchmarks: check, then time, every implementation of an operator, or a whole network, beside other programs.

    python -m benchmarks                       # every operator, its implementations among themselves
    python -m benchmarks conv2d --against torch
    python -m benchmarks yolov3 --against torch,opencv --json yolov3.json

Nothing is timed that was not checked in the same run.  The candidates take turns (so a busy moment hits all of them),
and what is printed are medians, their spread, and ratios of medians.  A matrix product is timed in the same turns: the
share of its speed says more than GFLOP/s do, which belong to one machine.
"""
