"""What the load becomes when it is folded: the state of its cases, and what they say."""

from __future__ import annotations

from typing import NamedTuple

from bench.core import facts_among
from bench.load import Load
from sinks_on_kafka import Said

from deploy import config_files
from deploy.demo import EXAMPLE
from deploy.memory import collect_rarely
from streams.cases import Cases
from streams.effects import carry_out
from streams.stages import partition_of

FACTS = 1_000_000


class Folded(NamedTuple):
    """``state``: rows by key. ``facts``: the first records of facts, with the marks between."""

    state: dict[str, bytes]
    facts: list[Said]


def folded(work: Load, facts: int = FACTS, partitions: int = 4) -> Folded:
    """All of it in one fold; of its facts so many, addressed to their partitions as a worker does."""
    collect_rarely()
    configuration = config_files.load(EXAMPLE).configuration
    state: dict[str, bytes] = {}
    said: list[Said] = []
    count = 0
    cases = Cases(state, 0, lambda _: configuration)
    for batch in work.batches:
        effects = cases.batch(batch)
        carry_out(effects.changes, state)
        if count < facts:
            outputs = [output for output in effects.outputs if output.topic == "facts"]
            count += facts_among(output.value for output in outputs)
            for output in outputs:
                there = [partition_of(output.owner.encode(), partitions)] if output.owner else range(partitions)
                said += [Said("facts", partition, output.key or None, output.value) for partition in there]
    return Folded(state, said)
