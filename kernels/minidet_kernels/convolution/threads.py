"""Where the kernels of this room find ``start_quietly``."""

from ..threads import start_quietly

__all__ = ["start_quietly"]
