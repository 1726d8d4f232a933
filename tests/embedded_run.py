"""One embedded run, in a process of its own that a test may kill: simulates DAYS days into FOLDER, a little at a time."""

from __future__ import annotations

import sys
from pathlib import Path

from deploy import config_files
from deploy.demo import EXAMPLE
from deploy.embedded import Embedded
from ingest.connectors.simulated import simulate


def main(folder: Path, days: int) -> None:
    with Embedded(folder) as embedded:
        embedded.apply(config_files.load(EXAMPLE).configuration.files)
        for progress in embedded.accept("simulated", simulate(3, days), size=400):
            embedded.flush()
            print(progress.records, flush=True)
        embedded.flush()
        assert embedded.store is not None
        embedded.store.write_indicators(embedded.indicators())
    print("done", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
