"""Ingest that tells what lies in a file: ``python told.py FILE FOLDER RATE``. Started again, it goes on as any ingest does.

What a simulated company says would have to be simulated anew each time, and a process that is killed often would do little else.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from deploy.ahead import Prepared
from deploy.saying import Destination
from deploy.settled import Settled
from ingest.broker import broker_settings

LENGTH_BYTES = 4


def kept(records: Iterable[Prepared], file: Path) -> Iterator[Prepared]:
    """The same; what has come by lies in ``file`` when all has."""
    encode = msgspec.msgpack.encode
    with file.open("wb") as out:
        for record in records:
            raw = encode(record)
            out.write(len(raw).to_bytes(LENGTH_BYTES, "big") + raw)
            yield record


def read(file: Path) -> Iterator[Prepared]:
    decode = msgspec.msgpack.Decoder(Prepared).decode
    with file.open("rb") as there:
        while length := there.read(LENGTH_BYTES):
            yield decode(there.read(int.from_bytes(length, "big")))


def main(file: str, folder: str, rate: str) -> None:
    with Settled(Path(folder)) as settled:
        destination = Destination.of(broker_settings(os.environ))
        destination.say(settled, "simulated", read(Path(file)), f"Saying {file}", rate=int(rate))


if __name__ == "__main__":
    main(*sys.argv[1:])
