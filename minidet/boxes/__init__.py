"""Geometry of boxes, on arrays: no tensors here."""
