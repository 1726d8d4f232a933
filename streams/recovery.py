"""Faust's recovery of tables, of which only what was read to the end is said to be recovered.

- Faust counts what it takes from its queue before it applies it, whatever it is. A fetch of before a rebalance may wait for room in
  that queue and come out of it in the next recovery, which would end with nothing read of what lies before; and what comes of a
  partition that is another's by now is counted for the one before it. Here a batch counts when it has been applied.
- After a rebalance in the middle of a recovery Faust goes on as if all had been read, and tells the tables so, of the partitions
  that they have since. Here it tells them nothing: the next recovery begins.
"""

from __future__ import annotations

import logging
from time import monotonic
from typing import Any

from faust.tables import manager, recovery
from mode import Service

from streams.transport import Batch

log = logging.getLogger("crossdesk.streams")


class Recovery(recovery.Recovery):
    app: Any
    tp_to_table: Any
    actives_for_table: Any

    def _set_recovery_started(self) -> None:
        super()._set_recovery_started()
        self.signal_recovery_end.clear()  # before anything can be fetched

    @Service.task
    async def _slurp_changelogs(self) -> None:
        """From the queue to what is applied nobody else has a turn."""
        queue = self.tables.changelog_queue
        while not self.should_stop:
            event: Any = await queue.get()
            batch: Batch = event.message.value
            try:
                self.read(batch)
            except Exception as error:  # Faust only warns of errors here
                log.exception("%s cannot be recovered", batch.tp.topic)
                await self.app.crash(error)
                raise

    def read(self, batch: Batch) -> None:
        """What was fetched before a seek or an assignment comes again, and what is not ours any more is nothing to us."""
        tp, last = batch.tp, batch.next_offset - 1
        if batch.reseeked or tp not in self.active_tps:
            return
        self._active_events_received_at[tp] = self._last_flush_at = monotonic()
        seen = self.active_offsets.get(tp)
        if seen is None or last > seen:
            self.tp_to_table[tp].read(batch)
            self.active_offsets[tp] = last
        if self.in_recovery and not self.need_recovery():
            self._set_recovery_ended()
            self.signal_recovery_end.set()

    async def on_recovery_completed(self, generation_id: int = 0) -> None:
        if generation_id != self.app.consumer_generation_id:
            return
        for table, partitions in self.actives_for_table.items():
            table.recovered(partitions)
        await super().on_recovery_completed(generation_id)


class Tables(manager.TableManager):
    _recovery: Recovery | None

    @property
    def recovery(self) -> Recovery:
        if self._recovery is None:
            self._recovery = Recovery(self.app, self, beacon=self.beacon, loop=self.loop)
        return self._recovery
