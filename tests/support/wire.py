"""Messages of Protocol Buffers byte by byte, to be read by minidet: this knows neither its tables nor the library.

https://protobuf.dev/programming-guides/encoding: a field is its number and kind as a varint, then its value.
"""

from __future__ import annotations

import struct


def varint(n: int) -> bytes:
    """Seven bits a byte, the lowest first; negative numbers are those of 64 bits."""
    n &= 2**64 - 1
    out = bytearray()
    while n > 127:
        out.append(n & 127 | 128)
        n >>= 7
    return bytes(out + bytes([n]))


def whole(number: int, value: int) -> bytes:
    """A field of an integer, a bool or an enumeration."""
    return varint(number << 3) + varint(value)


def some(number: int, value: bytes | str) -> bytes:
    """A field of bytes, text, or a message."""
    raw = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(raw)) + raw


def packed(number: int, kind: str, values: list[float]) -> bytes:
    """A list in one field: ``f`` float, ``d`` double, ``v`` varints."""
    if kind == "v":
        return some(number, b"".join(varint(int(v)) for v in values))
    return some(number, struct.pack(f"<{len(values)}{kind}", *values))


def each(number: int, kind: str, values: list[float]) -> bytes:
    """A list as one field for each value."""
    wire = {"f": 5, "d": 1, "v": 0}[kind]
    pack = varint if kind == "v" else lambda v: struct.pack(f"<{kind}", v)
    return b"".join(varint(number << 3 | wire) + pack(v) for v in values)
