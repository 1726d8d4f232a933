"""What the compiler learns from: a simulated company, folded by the core in a folder.

``python -m deploy.native.training FOLDER``. Cases that are folded later go the same ways through the code.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import islice

import streams

DAYS, CASES_A_DAY, BATCH = 10, 300, 1_000


def main(folder: str) -> None:
    streams.__path__.insert(0, f"{folder}/streams")  # before anything of it is imported
    from deploy import config_files
    from deploy.demo import EXAMPLE
    from streams.cases import Cases
    from streams.effects import carry_out

    configuration = config_files.load(EXAMPLE).configuration
    rows: dict[str, bytes] = {}
    cases = Cases(rows, 0, lambda _: configuration)
    for batch in batches():
        carry_out(cases.batch(batch).changes, rows)


def batches() -> Iterator[list[tuple[int, bytes]]]:
    """Encoded records, numbered."""
    from ingest import event as e
    from ingest.connectors.simulated import simulate

    records = enumerate([e.config_mark(1, e.instant(0)), *simulate(1, DAYS, cases_per_day=CASES_A_DAY)])
    while batch := [(offset, e.encode(record)) for offset, record in islice(records, BATCH)]:
        yield batch


if __name__ == "__main__":
    main(*sys.argv[1:])
