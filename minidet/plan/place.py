"""Where the maps of a plan live: which buffer, which of its channels, and how wide its border of zeros is.

Maps that are joined are written side by side in the first place, into the buffer of the result, so that joining costs
nothing; a part of a map is the same memory.  Buffers of equal size are used again once nobody reads them any more.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from minidet_kernels.convolution.packed import COLUMNS, NONE, Border, Map, whole

from .fuse import Convolution, Enlarge, Join, MaxPool, Node, Part, Plain
from .trace import Trace, Value, leaves


@dataclass(eq=False)
class ToMap(Node):
    """An array laid out as a map."""

    @property
    def title(self) -> str:
        """What it does."""
        return "array to map"


@dataclass(eq=False)
class ToArray(Node):
    """A map laid out as an array."""

    @property
    def title(self) -> str:
        """What it does."""
        return "map to array"


def steps(trace: Trace, nodes: list[Node]) -> list[Node]:
    """The nodes, with arrays laid out as maps and back where the one is there and the other is wanted."""
    maps, arrays, found = set[Value](), {trace.input}, list[Node]()

    def want(value: Value, have: set[Value], kind: type[ToMap] | type[ToArray]) -> None:
        if value not in have:
            found.append(kind([], [value], value))
            have.add(value)

    for node in nodes:
        plain = isinstance(node, Plain)
        for value in node.inputs:
            want(value, *((arrays, ToArray) if plain else (maps, ToMap)))
        found.append(node)
        (arrays if plain else maps).add(node.output)
    for value in leaves(trace.outputs):
        want(value, arrays, ToArray)
    return found


@dataclass(eq=False)
class Room:
    """The memory of one or more maps: (N, height, width) pixels of some channels."""

    shape: tuple[int, int, int]
    channels: int
    border: Border = NONE
    first: int = 1 << 60  # the first step that writes here and the last one that reads
    last: int = -1
    buffer: int = -1


@dataclass
class Places:
    """For each map its room and its first channel there; and the sizes of the buffers that rooms are given."""

    home: dict[Value, tuple[Room, int]] = field(default_factory=dict)
    buffers: list[tuple[tuple[int, int, int], int, Border]] = field(default_factory=list)

    def maps(self) -> dict[Value, Map]:
        """New buffers, and every map in them."""
        made = [Map.empty((*shape, channels), border) for shape, channels, border in self.buffers]
        return {
            value: made[room.buffer].channels(first, value.shape[1], min(whole(value.shape[1]), room.channels - first))
            for value, (room, first) in self.home.items()
        }

    @property
    def nbytes(self) -> int:
        """The memory of the buffers."""
        return sum(4 * n * (b.top + h + b.bottom) * (b.left + w + b.right) * c for (n, h, w), c, b in self.buffers)


def place(found: list[Node], borders: dict[Convolution, Border]) -> Places:
    """Give every map of the steps a place; ``borders`` is what each convolution reads around its input."""
    places = Places()
    for node in reversed(found):  # from the outermost join inwards
        if isinstance(node, Join):
            _join(places, node, {n.output: n for n in found if not isinstance(n, (Plain, ToArray))})
    for node in found:
        if isinstance(node, Part):
            room, first = places.home[node.inputs[0]]
            places.home[node.output] = room, first + node.first
        elif not isinstance(node, (Plain, ToArray)) and node.output not in places.home:
            places.home[node.output] = _room(node.output, found), 0
    _live(places, found, borders)
    _share(places)
    return places


def _room(value: Value, found: list[Node]) -> Room:
    n, c, h, w = value.shape
    readers = [node for node in found if value in node.inputs and not isinstance(node, ToMap)]
    # the pixels of a narrow input lie side by side: a window's row is then one run
    narrow = c < COLUMNS // 2 and all(
        isinstance(node, Convolution) and node.kind == "windows" and node.residual is not value for node in readers
    )
    written = any(node.output is value and isinstance(node, ToMap) for node in found)
    return Room((n, h, w), c if narrow and written else whole(c))


def _join(places: Places, node: Join, makers: dict[Value, Node]) -> None:
    """Let the parts be written where the whole is, if they can be; the others are copied there."""
    n, c, h, w = node.output.shape
    room, first = places.home.setdefault(node.output, (Room((n, h, w), whole(c)), 0))
    for value in node.inputs:
        channels, last = value.shape[1], first + value.shape[1] == room.channels or value is node.inputs[-1]
        fits = first % COLUMNS == 0 and (channels % COLUMNS == 0 or (last and room.channels == whole(c)))
        makes = not isinstance(makers[value], Part)
        if fits and makes and value not in places.home and node.inputs.count(value) == 1:
            places.home[value] = room, first
        first += channels


def _live(places: Places, found: list[Node], borders: dict[Convolution, Border]) -> None:
    """When each room is written first and read last, and the border that its readers need."""
    for index, node in enumerate(found):
        reads = [] if isinstance(node, (Plain, ToMap)) else node.inputs
        writes = [] if isinstance(node, (Plain, ToArray)) else [node.output]
        for value in [*reads, *writes]:
            room, _ = places.home[value]
            room.first, room.last = min(room.first, index), max(room.last, index)
        if isinstance(node, Convolution):
            room, _ = places.home[node.inputs[0]]
            room.border = room.border.around(borders[node])


def _share(places: Places) -> None:
    """A buffer for each room: one of its size that is free by then, or another."""
    rooms = sorted({id(room): room for room, _ in places.home.values()}.values(), key=lambda room: room.first)
    free_from: list[int] = []
    for room in rooms:
        size = room.shape, room.channels, room.border
        free = [k for k, other in enumerate(places.buffers) if other == size and free_from[k] < room.first]
        if free:
            room.buffer = free[0]
        else:
            room.buffer = len(places.buffers)
            places.buffers.append(size)
            free_from.append(-1)
        free_from[room.buffer] = room.last


__all__ = ["Enlarge", "MaxPool", "Places", "ToArray", "ToMap", "place", "steps"]
