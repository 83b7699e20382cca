"""Golden vectors: inputs with all their right answers, as files that any language reads.

``generate`` computes them from the references, never by running an implementation; ``write`` puts them into a folder,
``load`` reads one, and holds every number against the hashes in it; ``replay`` runs a target on them.

A folder has ``index.json``, and for each operator ``NAME.json`` and ``NAME.npz`` (an archive of ``.npy`` files, not
compressed).  Each case of ``NAME.json`` names its inputs, and its answers: which arrays, for which values of the
conventions, within how much, which profiles give it, and further answers that are right as well.
"""

from .build import Golden, generate
from .files import digest, load, write
from .replay import Replayed, replay

__all__ = ["Golden", "Replayed", "digest", "generate", "load", "replay", "write"]
