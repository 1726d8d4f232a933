"""`crossdesk sink clickhouse` that dies between an insert and the commit: after as many inserts of facts as DIES_AFTER says."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from deploy.sink_cli import run_clickhouse
from ingest.broker import broker_settings
from ingest.environment import read
from sinks.clickhouse import ClickHouse, connect
from sinks.settings import ENVIRONMENT, SinkSettings

left = int(os.environ["DIES_AFTER"])


class Dying:
    def __init__(self, store: ClickHouse) -> None:
        self.store = store

    def write_facts(self, facts: Sequence[bytes]) -> None:
        global left
        self.store.write_facts(facts)
        left -= 1
        if not left:
            os._exit(9)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)


def connected(dsn: str, generation: int) -> Any:
    return Dying(connect(dsn, generation))


if __name__ == "__main__":
    run_clickhouse(read(SinkSettings, ENVIRONMENT, os.environ), broker_settings(os.environ), connected)
