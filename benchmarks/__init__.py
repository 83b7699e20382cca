"""Benchmarks: check, then time, every implementation of an operator, or a whole network, beside other programs.

    python -m benchmarks                       # every operator, its implementations among themselves
    python -m benchmarks conv2d --against torch
    python -m benchmarks yolov3 --against torch,opencv,onnxruntime,openvino --json yolov3.json
    python -m benchmarks targets nms iou       # what was asked of these, and whether it is met

Nothing is timed that was not checked in the same run.  The candidates take turns (so a busy moment hits all of them),
and what is printed are medians, their spread, and ratios of medians.  A matrix product is timed in the same turns, and
writing to memory where bytes count: the share of their speed says more than GFLOP/s and GB/s, which belong to one
machine.
"""
