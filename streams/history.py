"""How the moments of one case are kept: a tail beside the head, and sealed segments of older ones under their own keys.

A case of 10,000 moments costs per moment what one of ten costs: an ordinary record touches the head and the tail
only. Which ids a sealed segment holds stands in small buckets, so that a duplicate is known without reading segments.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import msgspec
from msgspec import Raw, Struct

from streams.fold import Head
from streams.timeline import FIRST, Moment, Order

TAIL = 32
BUCKETS = 64
NIL = Raw(b"\xc0")

Get = Callable[[str], bytes | None]
Put = Callable[[str, bytes | None], None]

_encoder = msgspec.msgpack.Encoder()
_moments = msgspec.msgpack.Decoder(list[Moment])
_head = msgspec.msgpack.Decoder(Head)


class _Last(Struct, array_like=True, gc=False):
    """The first field of a head."""

    last: Order


_last = msgspec.msgpack.Decoder(_Last)


class Segment(Struct, array_like=True, gc=False):
    """``base``: the head before these moments; ``last``: the order up to which it reaches."""

    base: Raw
    last: Order
    count: int
    moments: bytes


_segment = msgspec.msgpack.Decoder(Segment)


class Log(Struct, array_like=True, gc=False):
    """The moments of a case, in order. ``base`` is the head before the ``count`` moments of ``tail``; nil: the beginning.

    ``editions``: which edition of the segments is in force from which number on. A rewrite makes a new edition beside the
    old one, so that a crash between two writes never leaves a row with segments that are not its own. It is named after the
    record that caused it, so that a worker that lost its partition and wakes up late cannot overwrite what it does not know.
    """

    base: Raw = NIL
    count: int = 0
    tail: bytes = b""
    segments: int = 0
    editions: tuple[tuple[int, int], ...] = ((0, 0),)


def pack(moments: Iterable[Moment]) -> bytes:
    return b"".join(map(_encoder.encode, moments))


def unpack(packed: bytes, count: int) -> list[Moment]:
    return _moments.decode(b"\xdc" + count.to_bytes(2) + packed)


def head_of(base: Raw) -> Head | None:
    """The head stored in ``base``; None: the beginning."""
    return None if bytes(base) == b"\xc0" else _head.decode(base)


def _reaches(base: Raw) -> Order:
    return FIRST if bytes(base) == b"\xc0" else _last.decode(base).last


class History:
    """Access to the log of one case. ``get`` and ``put`` reach the rows beside the case's own. ``version``: the offset of the
    record in hand; ``obsolete``: keys to delete once the row of the case is written, as good as gone by now.
    """

    __slots__ = ("_get", "_put", "case_id", "log", "obsolete", "version")

    def __init__(self, case_id: str, log: Log, get: Get, put: Put) -> None:
        self.case_id, self.log, self._get, self._put = case_id, log, get, put
        self.version = 0
        self.obsolete: dict[str, None] = {}

    def get(self, key: str) -> bytes | None:
        return None if key in self.obsolete else self._get(key)

    def put(self, key: str, value: bytes) -> None:
        self.obsolete.pop(key, None)
        self._put(key, value)

    def append(self, m: Moment, head: Head) -> None:
        """``m`` came last, and ``head`` is after it. A full tail is sealed."""
        log = self.log
        log.tail += _encoder.encode(m)
        log.count += 1
        if log.count >= TAIL:
            self.seal(log.segments, log.base, unpack(log.tail, log.count))
            log.segments += 1
            log.base, log.tail, log.count = Raw(_encoder.encode(head)), b"", 0

    def seal(self, number: int, base: Raw, moments: Sequence[Moment]) -> None:
        segment = Segment(base, _reaches(base), len(moments), pack(moments))
        self.put(self._segment_key(number), _encoder.encode(segment))
        buckets: dict[str, list[bytes]] = {}
        for m in moments:
            buckets.setdefault(self._bucket_key(m.id), []).append(m.id)
        for key, ids in buckets.items():
            known = self.get(key) or b""
            new = [i for i in ids if i not in known]
            if new:
                self.put(key, known + b"".join(new))

    def find(self, id: bytes) -> Moment | None:
        """The moment of that id, if the case has it."""
        log = self.log
        if id in log.tail:
            for m in unpack(log.tail, log.count):
                if m.id == id:
                    return m
        if log.segments and id in (self.get(self._bucket_key(id)) or b""):
            for number in range(log.segments):
                segment = self._read(number)
                if id in segment.moments:
                    for m in unpack(segment.moments, segment.count):
                        if m.id == id:
                            return m
        return None

    def locate(self, order: Order) -> int:
        """The number of the last segment whose base lies before ``order``; ``log.segments`` is the tail."""
        log = self.log
        if not log.segments or _reaches(log.base) < order:
            return log.segments
        low, high = 0, log.segments
        while high - low > 1:
            middle = (low + high) // 2
            if self._read(middle).last < order:
                low = middle
            else:
                high = middle
        return low

    def load(self, first: int = 0) -> tuple[Raw, list[Moment]]:
        """The base of segment ``first``, and all moments from there on."""
        moments: list[Moment] = []
        base: Raw | None = None
        for number in range(first, self.log.segments):
            segment = self._read(number)
            base = segment.base if base is None else base
            moments += unpack(segment.moments, segment.count)
        moments += unpack(self.log.tail, self.log.count)
        return self.log.base if base is None else base, moments

    def rewrite(self, first: int, chunks: Sequence[tuple[Raw, Sequence[Moment]]]) -> None:
        """Replace all from segment ``first`` on: all chunks but the last are sealed, the last is the tail."""
        log = self.log
        if log.segments > first:
            self.obsolete.update((self._segment_key(number), None) for number in range(first, log.segments))
            log.editions = (*(e for e in log.editions if e[0] < first), (first, self._next_edition()))
        for number, (base, moments) in enumerate(chunks[:-1], first):
            self.seal(number, base, moments)
        base, moments = chunks[-1]
        log.segments = first + len(chunks) - 1
        log.base, log.tail, log.count = base, pack(moments), len(moments)

    def forget(self) -> None:
        """Remove everything but the row of the case itself."""
        log = self.log
        if log.segments:
            self.obsolete.update((self._segment_key(number), None) for number in range(log.segments))
            self.obsolete.update((self._bucket_key(bytes((bucket,))), None) for bucket in range(BUCKETS))
        log.base, log.tail, log.count, log.segments = NIL, b"", 0, 0
        log.editions = ((0, self._next_edition()),)

    def _next_edition(self) -> int:
        """Up to 256 for one record: a watermark may release many moments at once."""
        return max(max(edition for _, edition in self.log.editions) + 1, self.version << 8)

    def _read(self, number: int) -> Segment:
        stored = self.get(self._segment_key(number))
        if stored is None:
            raise LookupError(f"segment {number} of case {self.case_id} is not in the state: recovery was incomplete")
        return _segment.decode(stored)

    def _segment_key(self, number: int) -> str:
        edition = next(e for first, e in reversed(self.log.editions) if first <= number)
        return f"{self.case_id}\x00s{edition}.{number}"

    def _bucket_key(self, id: bytes) -> str:
        return f"{self.case_id}\x00i{id[0] % BUCKETS}"
