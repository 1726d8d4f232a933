"""Quix Streams: count the events of each case in its state, which it keeps in RocksDB and in a changelog. Its defaults."""

from __future__ import annotations

from typing import Any

from bench.peers.task import Clock, asked
from quixstreams import Application, message_context


def main() -> None:
    task = asked()
    clock = Clock(task)
    app = Application(
        broker_address=task.broker,
        consumer_group=task.group,
        auto_offset_reset="earliest",
        state_dir=task.folder,
        loglevel="WARNING",
    )

    def count(_: Any, key: bytes | None, __: int, ___: Any, state: Any) -> None:
        if key is not None:
            state.set("count", state.get("count", 0) + 1)
        if clock.reaches(message_context().offset, event=key is not None):
            app.stop()

    app.dataframe(app.topic(task.topic, value_deserializer="json")).update(count, stateful=True, metadata=True)
    app.run()  # has flushed and committed when it returns
    clock.answer()


if __name__ == "__main__":
    main()
