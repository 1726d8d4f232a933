"""Fold some days of the simulated company with the core that is there: ``python -m core STATE OUT``; STATE may be empty.

Prints which core it was. OUT becomes a digest of all effects of the batches, and the state after them.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

from bench.load import load

import streams
from deploy import config_files
from deploy.demo import EXAMPLE
from streams import fold
from streams.cases import Cases
from streams.effects import carry_out

DAYS, PER_DAY, HALF = 12, 40, 3
"""The first half of the batches, or what follows on a state."""


def main(before: str, out: str) -> None:
    configuration = config_files.load(EXAMPLE).configuration
    batches = load(PER_DAY, DAYS, 600).batches
    state: dict[str, bytes] = {}
    if before:
        state = {key: bytes.fromhex(row) for key, row in json.loads(Path(before).read_text())["state"].items()}
    cases, said, records = Cases(state, 0, lambda _: configuration), hashlib.blake2b(), 0
    for batch in batches[HALF:] if before else batches[:HALF]:
        effects = cases.batch(batch)
        for output in effects.outputs:
            said.update(repr((output.topic, output.owner, output.value, output.key)).encode())
        said.update(repr(list(effects.changes.items())).encode())
        carry_out(effects.changes, state)
        records += len(batch)
    found = {
        "format": fold.FORMAT,
        "records": records,
        "said": said.hexdigest(),
        "state": {key: row.hex() for key, row in state.items()},
    }
    Path(out).write_text(json.dumps(found))
    print("interpreted" if streams.COMPILED is None else "compiled")


if __name__ == "__main__":
    main(*sys.argv[1:])
