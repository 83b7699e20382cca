"""Parity of networks: another framework's activations against ours, layer by layer."""

from .dump import Recording, dump, read, record
from .judge import Parity, Row, judged, parity

__all__ = ["Parity", "Recording", "Row", "dump", "judged", "parity", "read", "record"]
