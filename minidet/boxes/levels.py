"""Which level of a feature pyramid a box is pooled from, by the rule of each implementation."""

from __future__ import annotations

from minidet_kernels.arrays import Array, namespace

from .convert import _columns

RULES = ("torchvision", "detectron2", "matterport")
SIDES = ("exclusive", "inclusive")


def fpn_level(
    boxes: Array,
    *,
    lowest: int = 2,
    highest: int = 5,
    rule: str = "torchvision",
    side: str = "exclusive",
    canonical_size: float = 224.0,
    canonical_level: int = 4,
) -> Array:
    """The level (..., ) as int64, ``lowest`` to ``highest``, of boxes xyxy (..., 4) in pixels, float32 or float64.

    A box of area s**2 = ``canonical_size``**2 belongs to ``canonical_level``, and each doubling of s is one level up
    (Lin et al., Feature Pyramid Networks, equation 1).  The rules differ at the edges between levels:

    * ``"torchvision"``: floor(4 + log2(s / 224) + 1e-6)
    * ``"detectron2"``: floor(4 + log2(s / 224 + 1e-8))
    * ``"matterport"``: round(4 + log2(s / 224)), halves to even, as TensorFlow rounds; s in pixels, as in
      boxes normalised by the image and 224 divided by the square root of its area

    ``side="inclusive"`` counts the last pixel: x2 - x1 + 1.  A box without area, or inverted, is of the lowest level.
    The rule is computed in the dtype of the boxes, where 1e-8 beside 1 is nothing in float32.

    Raises ``ValueError`` for NaN or infinite boxes, an unknown rule, or levels in the wrong order; ``TypeError`` for
    other dtypes.
    """
    x1, y1, x2, y2 = _columns(boxes, "fpn_level")
    xp, real = namespace(boxes), boxes.dtype.type
    for name, value, allowed in (("rule", rule, RULES), ("side", side, SIDES)):
        if value not in allowed:
            raise ValueError(f"fpn_level: {name} is one of {', '.join(map(repr, allowed))}, not {value!r}")
    if not (lowest <= highest and canonical_size > 0):
        raise ValueError(
            f"fpn_level: levels {lowest} to {highest} with canonical_size {canonical_size}; "
            "lowest <= highest and a positive size are expected"
        )
    if not bool(xp.isfinite(boxes).all()):
        raise ValueError("fpn_level: every number of the boxes must be finite")
    one = real(side == "inclusive")
    w, h = xp.maximum(x2 - x1 + one, 0), xp.maximum(y2 - y1 + one, 0)
    with xp.errstate(divide="ignore", over="ignore"):  # log2 of 0 is minus infinity: the lowest level
        s = xp.sqrt(w) * xp.sqrt(h) if bool(xp.isinf(w * h).any()) else xp.sqrt(w * h)
        ratio = s / real(canonical_size)
        if rule == "torchvision":
            level = xp.floor(real(canonical_level) + xp.log2(ratio) + real(1e-6))
        elif rule == "detectron2":
            level = xp.floor(real(canonical_level) + xp.log2(ratio + real(1e-8)))
        else:
            level = xp.rint(real(canonical_level) + xp.log2(ratio))
    return xp.clip(level, lowest, highest).astype(xp.int64)
