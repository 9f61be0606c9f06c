"""An event as fixed bytes: what is remembered of it until no window reaches it any more.

Little-endian: a byte or eight of bits (the labels, then which optional fields are missing), the
time in us, each field (a text as the number of its bytes), then the texts in UTF-8.
"""

import struct
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from groundplan.errors import DefinitionError
from groundplan.features.event import Event
from groundplan.features.source import Source
from groundplan.features.state.batch import Batch
from groundplan.features.state.compiled import Code

_FORMATS: Final = {"int": "q", "decimal": "q", "float": "d", "bool": "?", "str": "i"}
_TYPES: Final = {"q": "<i8", "d": "<f8", "?": "?", "i": "<i4"}
_BITS: Final = 64

_key = struct.Struct(">q").pack


class Record:
    """The bytes of the events of one source.

    Args:
        source: whose.
        number: the source's position in the feature set.

    Raises:
        DefinitionError: it has more labels and optional fields than fit 64 bits.
    """

    def __init__(self, source: Source, number: int) -> None:
        self._number = number
        self._labels = len(source.labels)
        self._kinds = tuple(source.fields.values())
        gaps = [at for at, kind in enumerate(self._kinds) if kind.optional]
        self._gaps = {at: bit for bit, at in enumerate(gaps, start=self._labels)}
        if self._labels + len(gaps) > _BITS:
            raise DefinitionError(
                f"{source.name} has {self._labels + len(gaps)} labels and optional fields, and an "
                f"online store keeps up to {_BITS}: leave out those that no feature reads"
            )
        self._texts = [at for at, kind in enumerate(self._kinds) if kind.name == "str"]
        formats = [_FORMATS[kind.name] for kind in self._kinds]
        width = 8 if self._labels + len(gaps) <= 8 else _BITS
        self._bits = width // 8
        self._struct = struct.Struct(f"<{'B' if width == 8 else 'Q'}q{''.join(formats)}")
        self._type = np.dtype(
            [("bits", f"<u{self._bits}"), ("time", "<i8")]
            + [(f"field_{at}", _TYPES[format]) for at, format in enumerate(formats)]
        )
        self.text = source.id_kind.name == "str"
        """Whether identifiers are texts."""
        self.key = keyed(self.text)
        """The bytes of an identifier."""
        self.pack: Callable[[Event], bytes] = self._pack_code()
        """The bytes of an event, without its identifier."""

    def event(self, id: int | str, packed: "bytes | memoryview") -> Event:
        """The event with an identifier and some bytes."""
        bits, time, *values = self._struct.unpack_from(packed)
        at = self._struct.size
        for position in self._texts:
            stop = at + values[position]
            values[position] = str(packed[at:stop], "utf-8")
            at = stop
        for position, bit in self._gaps.items():
            if bits >> bit & 1:
                values[position] = None
        labels = tuple(bool(bits >> bit & 1) for bit in range(self._labels))
        return Event(id, time, tuple(values), labels, self._number)

    def same(self, one: "bytes | memoryview", other: "bytes | memoryview") -> bool:
        """Whether two events are equal but for their labels."""
        wide = self._bits
        bits, more = (int.from_bytes(x[:wide], "little") >> self._labels for x in (one, other))
        return bits == more and bytes(one[wide:]) == bytes(other[wide:])

    def labelled(self, packed: "bytes | memoryview") -> bool:
        """Whether any label is known to be True."""
        return bool(int.from_bytes(packed[: self._bits], "little") & ((1 << self._labels) - 1))

    def packed(self, batch: Batch) -> list[bytes]:
        """The bytes of many events."""
        rows = np.zeros(len(batch), dtype=self._type)
        rows["time"] = batch.time
        for bit, label in enumerate(batch.labels):
            rows["bits"] |= label.astype(rows["bits"].dtype) << bit
        for position, bit in self._gaps.items():
            absent = batch.missing[position]
            if absent is not None:
                rows["bits"] |= absent.astype(rows["bits"].dtype) << bit
        texts = []
        for position, values in enumerate(batch.values):
            if position in self._texts:
                encoded = [b"" if text is None else text.encode() for text in values.tolist()]
                texts.append(encoded)
                rows[f"field_{position}"] = [len(text) for text in encoded]
            else:
                rows[f"field_{position}"] = values + 0.0 if values.dtype == float else values
        fixed = sliced(rows.view(np.uint8).reshape(len(batch), -1)) if len(batch) else []
        if not texts:
            return fixed
        return [b"".join(parts) for parts in zip(fixed, *texts, strict=True)]

    def keys(self, ids: npt.NDArray[Any]) -> list[bytes]:
        """The bytes of many identifiers."""
        return keyed_all(ids, self.text)

    def _pack_code(self) -> Callable[[Event], bytes]:
        code = Code("event")
        code.line("values, labels = event.values, event.labels")
        bits = [f"labels[{bit}] << {bit}" for bit in range(self._labels)]
        code.line(f"bits = ({' | '.join(bits)}) if labels else 0" if bits else "bits = 0")
        for position, bit in self._gaps.items():
            code.line(f"if values[{position}] is None: bits |= {1 << bit}")
        parts, texts = ["bits", "event.time"], []
        for position, kind in enumerate(self._kinds):
            value = f"values[{position}]"
            if kind.name == "str":
                given = f"({value} or '')" if kind.optional else value
                texts.append(code.local(f"{given}.encode()"))
                parts.append(f"len({texts[-1]})")
            elif kind.name == "float":
                parts.append(f"({value} or 0.0) + 0.0" if kind.optional else f"{value} + 0.0")
            else:
                parts.append(f"{value} or 0" if kind.optional else value)
        packed = f"{code.held(self._struct.pack)}({', '.join(parts)})"
        code.line(f"return {' + '.join([packed, *texts])}")
        packing: Callable[[Event], bytes] = code.made()
        return packing


def keyed(text: bool) -> Callable[[Any], bytes]:
    """What gives the bytes of an entity's or event's identifier: a text's UTF-8, 8 of an int."""
    return str.encode if text else _key


def keyed_all(values: npt.NDArray[Any], text: bool) -> list[bytes]:
    """The bytes of many identifiers."""
    if text:
        return [value.encode() for value in values.tolist()]
    return sliced(values.astype(">i8").view(np.uint8).reshape(-1, 8))


def key_order(values: npt.NDArray[Any], text: bool) -> npt.NDArray[np.intp]:
    """The order of some identifiers by their bytes; equal ones stay in order."""
    if text:  # by code points, which is the order of UTF-8
        return np.argsort(values, kind="stable")
    return np.argsort(values.astype(np.int64).view(np.uint64), kind="stable")


def sliced(table: npt.NDArray[np.uint8]) -> list[bytes]:
    """The rows of a table of bytes."""
    count, width = table.shape
    flat: Sequence[bytes] = (
        np.ascontiguousarray(table).view(np.dtype((np.void, width))).reshape(count).tolist()
    )
    return list(flat)
