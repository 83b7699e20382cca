"""Darknet's cfg files: read, checked, built into networks, written.

``DarknetNetwork("yolov3.cfg")`` builds a network; ``minidet.weights.darknet.load`` fills it.
"""

from ..models.dialect import EPSILONS
from .cfg import Cfg, CfgError, CfgWarning, Option, Section, format_cfg, parse_cfg, read_cfg, write_cfg
from .network import DarknetNetwork
from .schema import check

__all__ = [
    "EPSILONS",
    "Cfg",
    "CfgError",
    "CfgWarning",
    "DarknetNetwork",
    "Option",
    "Section",
    "check",
    "format_cfg",
    "parse_cfg",
    "read_cfg",
    "write_cfg",
]
