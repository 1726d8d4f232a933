"""Who loses anything, or counts anything twice, when processes die: ``make chaos ARGS="--seconds 600"``.

A simulated company is said to a real broker, measured by two workers and stored by the ClickHouse sink. Every 20 seconds a random
one of the four processes is killed as a power cut would, and started again. When everything has been done, the facts in
ClickHouse are compared with those of an embedded run that nobody disturbed, row for row, but for versions.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from clickhouse_process import ClickHouseServer
from on_kafka import Installation, Process, ended, example, worker
from told import kept

from deploy.ahead import prepare
from deploy.demo import Demo
from deploy.embedded import Embedded
from deploy.kafka.broker import Broker
from ingest import topics as declared
from sinks.clickhouse import ClickHouse, connect

PARTITIONS = 4
EVERY_SECONDS = 20.0
RATE = 1_200
RECORDS_A_DAY = 1_150
"""Of the example company, at the least."""
PARTS = 16
SAID = "simulated.msgpack"
TELLING = Path(__file__).with_name("told.py")
DRAIN_SECONDS = 600.0
ROWS = """
SELECT fact_id, toString(sipHash128(tuple(* EXCEPT (version)))) FROM facts WHERE cityHash64(fact_id) % {parts:UInt8} = {part:UInt8}
"""


class Outcome(NamedTuple):
    """``processed``: of all events that were said, the share that workers had done when the killing ended."""

    kills: int
    facts: int
    differ: int
    processed: float

    def __str__(self) -> str:
        return f"chaos: {self.kills} kills, {self.facts:,} facts, {self.differ:,} differ"


def chaos(
    folder: Path, seconds: float, seed: int, rate: int = RATE, say: Callable[[str], None] = lambda _: None
) -> Outcome:
    """``folder`` holds everything; nothing of it runs afterwards. ``rate``: records a second."""
    days = max(2, int(seconds * rate / RECORDS_A_DAY))
    say(f"the undisturbed run: {days} days")
    undisturbed(folder, days)
    prefix = declared.PREFIX
    with Broker(folder / "kafka") as broker, ClickHouseServer(folder / "clickhouse") as server:
        installation = Installation(broker, prefix, PARTITIONS)
        installation.configure()
        started = starters(installation, server, folder, rate)
        processes = {name: start() for name, start in started.items()}
        kills, processed = 0, 0.0
        try:
            rnd, end = random.Random(seed), time.monotonic() + seconds
            processes["sink"].wait_until_ready()
            while (left := end - time.monotonic()) > 0:
                time.sleep(min(EVERY_SECONDS, left))
                alive = [name for name, process in processes.items() if process.process.poll() is None]
                if time.monotonic() < end:
                    name = rnd.choice(alive)
                    say(f"kill -9 {name}")
                    processes[name].kill()
                    kills += 1
                for name in started.keys() - {n for n in alive if processes[n].process.poll() is None}:
                    if name != "ingest" or processes[name].process.returncode:
                        processes[name] = started[name]()
            done = sum(committed for committed, _ in installation.reached("events"))
            say("draining")
            if processes["ingest"].process.wait(DRAIN_SECONDS):
                raise RuntimeError(f"ingest failed:\n{processes['ingest'].said()}")
            installation.drain(DRAIN_SECONDS)
            processed = done / sum(end for _, end in installation.reached("events"))
            installation.drain_sink(DRAIN_SECONDS)
            for name in ("worker-0", "worker-1", "sink"):
                if processes[name].stop(20):
                    raise RuntimeError(f"{name} did not end well:\n{processes[name].said()}")
        finally:
            with ended(*processes.values()):
                pass
        say("comparing")
        facts, differ = compared(server, folder / "undisturbed")
    return Outcome(kills, facts, differ, processed)


def starters(
    installation: Installation, server: ClickHouseServer, folder: Path, rate: int
) -> dict[str, Callable[[], Process]]:
    """How each of the four is started, also again."""
    sink = {
        **installation.environment,
        "CROSSDESK_SINKS_CLICKHOUSE_DSN": server.dsn(),
        "CROSSDESK_SINKS_INSTANCE": "sink",
        "CROSSDESK_SINKS_HEALTH_PORT": "0",
    }
    what = [str(folder / SAID), str(folder / "said"), str(rate)]
    return {
        "ingest": lambda: Process(what, installation.environment, folder / "ingest.log", [str(TELLING)]),
        "worker-0": lambda: worker(installation, folder / "worker-0.log", "worker-0"),
        "worker-1": lambda: worker(installation, folder / "worker-1.log", "worker-1"),
        "sink": lambda: Process(["sink", "clickhouse"], sink, folder / "sink.log"),
    }


def undisturbed(folder: Path, days: int) -> None:
    """What is said comes to lie in a file, and is measured where nobody kills anything."""
    with Embedded(folder / "undisturbed") as embedded:
        embedded.apply(example().files)
        simulated = Demo(1, days)
        said = kept(map(prepare, simulated.source(folder)()), folder / SAID)
        for _ in embedded.accept(simulated.name, said):
            pass
        embedded.flush()


def compared(server: ClickHouseServer, undisturbed: Path) -> tuple[int, int]:
    """Facts of the undisturbed run, and how many differ, are missing, or should not be there."""
    with ClickHouseServer(undisturbed) as other:
        found, wanted = connect(server.dsn()), connect(other.dsn())
        try:
            facts = differ = 0
            for a, b in zip(rows(found), rows(wanted), strict=True):
                facts += len(b)
                differ += len({id for id, _ in a ^ b})
        finally:
            found.close()
            wanted.close()
    return facts, differ


def rows(store: ClickHouse) -> Iterator[set[tuple[str, str]]]:
    for part in range(PARTS):
        yield {(str(id), str(said)) for id, said in store.query(ROWS, {"parts": PARTS, "part": part}).rows}


def main() -> int:
    parser = argparse.ArgumentParser(prog="make chaos", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--rate", type=int, default=RATE, help="records a second")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--data", type=Path, help="a folder that is kept afterwards")
    options = parser.parse_args()
    began = time.monotonic()

    def say(what: str) -> None:
        print(f"{time.monotonic() - began:6.0f} s  {what}", file=sys.stderr)

    with TemporaryDirectory(prefix="crossdesk-chaos-") as temporary:
        outcome = chaos(options.data or Path(temporary), options.seconds, options.seed, options.rate, say)
    print(f"{outcome.processed:.0%} of the events had been processed when the killing ended")
    print(outcome)
    return os.EX_OK if outcome.kills and outcome.facts and not outcome.differ else 1


if __name__ == "__main__":
    sys.exit(main())
