"""How good detections are."""

from .average_precision import Evaluation, Found, Truth, average_precision, evaluate, match

__all__ = ["Evaluation", "Found", "Truth", "average_precision", "evaluate", "match"]
