"""The stage that takes in, as a process, on a real broker, with a sandbox for a source: nothing is lost, doubled, or plain."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from random import Random

import pytest
import yaml
from cryptography.fernet import Fernet
from on_kafka import Installation, Process, ended
from sandbox_client import connector_of

from deploy.sandbox.engine import VENDORS, Sandbox
from deploy.sandbox.faults import Faults
from ingest import event as e
from ingest.api import Budget, HttpApi
from ingest.connector import Rejected
from ingest.identity import Identity, People

PARTITIONS = 2
KEY = "a key of the tests, no secret"
IDENTITY = Identity(KEY.encode(), "k1")
PATIENCE = 240.0

every = pytest.mark.parametrize("vendor", sorted(VENDORS))


class Intake:
    """``crossdesk ingest`` beside one sandbox."""

    def __init__(self, installation: Installation, sandbox: Sandbox, folder: Path) -> None:
        self.installation, self.sandbox, self.folder = installation, sandbox, folder
        self.log = folder / "ingest.log"
        self.starts = 0
        self.write()
        (folder / "pseudonyms.key").write_text(KEY)
        (folder / "answers.key").write_bytes(Fernet.generate_key())

    def write(self, **changed: object) -> None:
        """The files that it reads. ``changed``: fields of the source."""
        secrets = {"secret": self.sandbox.secret, "hooks": self.sandbox.hook_secret}
        for name, text in secrets.items():
            (self.folder / name).write_text(text + "\n")
        source = {
            "name": self.sandbox.source,
            "connector": self.sandbox.vendor.name,
            "url": self.sandbox.url,
            "secret_file": str(self.folder / "secret"),
            "hook_secret_files": [str(self.folder / "hooks")],
            "every": "1s",
            "requests_per_minute": "1000000",
            "settings": {k: v for k, v in self.sandbox.settings.items() if k != "source"},
            **changed,
        }
        (self.folder / "sources.yaml").write_text(yaml.safe_dump({"sources": [source]}))

    @property
    def environment(self) -> dict[str, str]:
        return {
            **self.installation.environment,
            "CROSSDESK_INGEST_SOURCES": str(self.folder / "sources.yaml"),
            "CROSSDESK_INGEST_KEY_FILE": str(self.folder / "pseudonyms.key"),
            "CROSSDESK_INGEST_ANSWERS": str(self.folder / "answers"),
            "CROSSDESK_INGEST_ANSWERS_KEY_FILE": str(self.folder / "answers.key"),
            "CROSSDESK_INGEST_HEALTH_PORT": "0",
            "CROSSDESK_INGEST_HOOKS_PORT": "0",
        }

    def start(self) -> Process:
        self.starts += 1
        return Process(["ingest"], self.environment, self.folder / f"ingest-{self.starts}.log")

    @contextmanager
    def running(self) -> Iterator[Process]:
        process = self.start()
        with ended(process):
            yield process.wait_until_ready()

    # -- what is there
    def said(self) -> dict[str, e.Record]:
        """The events by their ids; of one id all are the same."""
        found: dict[str, e.Record] = {}
        for records in self.installation.held("events").values():
            for _, raw in records:
                record = e.decode(raw or b"")
                if not isinstance(record, e.Mark):
                    assert found.setdefault(record.id, record) == record
        return found

    def marks(self) -> list[e.Watermark]:
        """Of one partition."""
        return [
            record
            for _, raw in self.installation.held("events")[0]
            if isinstance(record := e.decode(raw or b""), e.Watermark)
        ]

    def wait(self, what: Callable[[], object], why: str, seconds: float = PATIENCE) -> None:
        until = time.monotonic() + seconds
        while not what():
            assert time.monotonic() < until, f"{why} did not happen in {seconds:.0f} s"
            time.sleep(0.2)

    def wait_until_known(self) -> None:
        """Until a watermark says that all there is by now has been said."""
        self.wait(
            lambda: self.marks() and self.sandbox.now - self.marks()[-1].data.until < timedelta(minutes=10), "the end"
        )


def all_of(sandbox: Sandbox) -> dict[str, e.Record]:
    """What the whole feed means, without a fault and without crossdesk in between."""
    connector, people = connector_of(sandbox), People(IDENTITY, sandbox.source)
    headers = connector.authorization(sandbox.secret)
    found: dict[str, e.Record] = {}
    with HttpApi(sandbox.url, headers, Budget(60_000_000), lambda _: False) as api:
        for page in connector.fetch(api, "", sandbox.now):
            for document in page.documents:
                for made in connector.parse(document, people):
                    assert not isinstance(made, Rejected)
                    if isinstance(made, e.CaseEvent):
                        found[made.id] = made
    return found


@pytest.fixture
def intake(installation: Installation, tmp_path: Path) -> Callable[[Sandbox], Intake]:
    return lambda sandbox: Intake(installation, sandbox, tmp_path)


def test_killed_at_any_moment_of_a_backfill_nothing_is_missing(
    intake: Callable[[Sandbox], Intake], sample: Callable[[int, int], int], tally: Callable[[str, int], None]
) -> None:
    kills, random = sample(100, 5), Random(7)
    faults = Faults(slow=0.02, seconds=0.1, errors=0.002, cut=0.001)
    with Sandbox("zendesk", seed=7, days=sample(80, 20), faults=faults) as sandbox:
        sandbox.advance(timedelta(minutes=10))
        there = intake(sandbox)
        there.write(requests_per_minute=str(sample(4_000, 30_000)))
        for _ in range(kills):
            process = there.start()
            time.sleep(random.uniform(1.0, 5.0))
            process.kill()
        early = len(there.said())
        there.write()
        with there.running():
            there.wait_until_known()
        sandbox.faults.slow = sandbox.faults.errors = sandbox.faults.cut = 0.0
        wanted = all_of(sandbox)
        assert early < len(wanted), "it was over before it was killed often enough"
        assert there.said() == wanted
        tally("kill -9 of an intake in a backfill", kills)


@every
def test_with_webhooks_dropped_and_doubled_one_poll_makes_it_whole(
    intake: Callable[[Sandbox], Intake], vendor: str
) -> None:
    faults = Faults(drop=0.03, double=0.03, late=0.05)
    days = 3
    with Sandbox(vendor, seed=5, days=days, at=None, faults=faults) as sandbox:
        end = sandbox.now
        there = intake(sandbox)
        sandbox.advance(timedelta(days=-days))
        there.write(every="3s")
        with there.running() as process:
            process.wait_until_said("webhooks are taken at")
            port = re.findall(r"taken at [\d.]+:(\d+)/hooks", process.said())[-1]
            calls = dropped = 0
            while sandbox.now < end:
                sandbox.advance(timedelta(hours=8))
                sent = sandbox.send_hooks(f"http://127.0.0.1:{port}/hooks/{sandbox.source}")
                assert sent.refused == 0
                calls, dropped = calls + sent.calls, dropped + sent.dropped
            assert calls > 500
            assert dropped > 10
            sandbox.advance(timedelta(minutes=30))
            there.wait_until_known()
            answered = process.asked("/metrics")[1]
        said, wanted = there.said(), all_of(sandbox)
        assert {id: said.get(id) for id in wanted} == wanted
        gone = {record.subject for record in said.values() if isinstance(record, e.Deleted)}
        more = [record for id, record in said.items() if id not in wanted]
        assert all(record.subject in gone for record in more), (
            "only what is deleted has more to it than the source still tells"
        )
        assert re.search(r'crossdesk_ingest_hooks_total\{code="202",source="\w+"\} \d+', answered)
