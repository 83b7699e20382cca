"""A plane laid out so that the pixels under one tap, of all outputs, are one run of numbers side by side.

Give the padded plane P*Q pixels at every ``(row % stride, column % stride)``, its phases:

    phases (sh, sw, P, Q)       phases[a, b, i, j] = padded[i sh + a, j sw + b]

The pixels under tap (u, v) of all outputs then begin in phase (u d % sh, v d % sw) at (u d // sh, v d // sw), and lie
side by side, if the output too is given rows of Q.  The Q - ow numbers at the end of such a row are of no meaning.
"""

from __future__ import annotations

from numba import njit

# Numba's functions are typed by what they are called with.
# mypy: disable-error-code="no-untyped-def"


@njit(cache=True)
def copy(row, out):
    for j in range(len(out)):
        out[j] = row[j]


@njit(cache=True)
def every(row, out, step, count):
    """Every so many pixels of a row, side by side.  A step that is written out is compiled to vectors."""
    if step == 1:
        for j in range(count):
            out[j] = row[j]
    elif step == 2:
        for j in range(count):
            out[j] = row[2 * j]
    else:
        for j in range(count):
            out[j] = row[step * j]


@njit(cache=True)
def split(plane, phases, p):
    """Lay out a plane (H, W) by its phases, with zeros for the padding."""
    H, W = plane.shape
    sh, sw, P, _ = phases.shape
    for r in range(sh * P):
        a, i = r % sh, r // sh
        for b in range(sw):
            out = phases[a, b, i]
            if r < p[0] or r >= p[0] + H:
                out[:] = 0
            else:
                first = (b - p[1]) % sw  # the first column of this phase
                begin, count = (first + p[1]) // sw, max(0, (W - first + sw - 1) // sw)
                out[:begin] = 0
                every(plane[r - p[0], first:], out[begin:], sw, count)
                out[begin + count :] = 0


@njit(cache=True)
def join(phases, plane, p):
    """The inverse of ``split``: the padding is dropped."""
    H, W = plane.shape
    sh, sw = phases.shape[:2]
    for r in range(H):
        a, i = (r + p[0]) % sh, (r + p[0]) // sh
        if sw == 1:
            copy(phases[a, 0, i, p[1] : p[1] + W], plane[r])
        else:
            for b in range(sw):
                first = (b - p[1]) % sw
                row, out = plane[r, first:], phases[a, b, i, (first + p[1]) // sw :]
                for j in range((W - first + sw - 1) // sw):
                    row[j * sw] = out[j]


@njit(cache=True)
def start(u, v, s, d, P, Q):
    """Where the pixels under tap (u, v) begin in the phases of a plane, read as one row of numbers."""
    u, v = u * d[0], v * d[1]
    return ((u % s[0] * s[1] + v % s[1]) * P + u // s[0]) * Q + v // s[1]
