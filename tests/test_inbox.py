"""Files of a source: each is taken in once, and stays where it is until all that it tells is durable."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread

import pytest

from ingest.broker import BrokerUnavailable
from ingest.connectors.hr_file import HrFile
from ingest.directory import Directory
from ingest.identity import Identity, People
from ingest.inbox import REFUSED, TAKEN, Inbox
from ingest.intake import Intake

HEADER = "person,department,from,to,site\n"


class Log:
    def __init__(self) -> None:
        self.said: list[tuple[str, str]] = []
        self.away = False

    def say(self, topic: str, key: str, value: bytes) -> None:  # noqa: ARG002
        self.said.append((topic, key))

    def settle(self) -> None:
        if self.away:
            raise BrokerUnavailable("no broker answers")


class There:
    def __init__(self, folder: Path) -> None:
        self.folder, self.log = folder, Log()
        connector = HrFile.model_validate({"source": "hr"})
        people, persons = People(Identity(b"k" * 32, "k1"), "hr"), Directory()

        @contextmanager
        def way() -> Iterator[Intake]:
            yield Intake(connector, people, self.log, persons, lambda _: None)

        self.stop = Event()
        self.inbox = Inbox(folder, way, source="hr", every=0.05, stop=self.stop, still=2.0)

    def write(self, name: str, text: str) -> Path:
        file = self.folder / name
        file.write_text(text)
        os.utime(file, (time.time() - 60, time.time() - 60))
        return file

    def names(self, where: str) -> list[str]:
        return sorted(file.name.partition("-")[2] for file in (self.folder / where).glob("*"))


@pytest.fixture
def there(tmp_path: Path) -> There:
    return There(tmp_path)


def test_a_file_is_taken_in_and_put_aside(there: There) -> None:
    there.write("people.csv", HEADER + "a@example.com,Finance,2025-01-01,,\n")
    there.inbox.look(time.time())
    assert [topic for topic, _ in there.log.said] == ["directory"]
    assert there.names(TAKEN) == ["people.csv"]
    there.inbox.look(time.time())
    assert len(there.log.said) == 1


def test_what_is_still_written_waits(there: There) -> None:
    there.write("people.csv", HEADER)
    there.write(".hidden.csv", HEADER)
    os.utime(there.folder / "people.csv")
    there.inbox.look(time.time())
    assert (there.folder / "people.csv").exists()
    there.inbox.look(time.time() + 3)
    assert not (there.folder / "people.csv").exists()
    assert (there.folder / ".hidden.csv").exists()


def test_a_file_stays_until_the_broker_has_acknowledged_it(there: There) -> None:
    file = there.write("people.csv", HEADER + "a@example.com,Finance,2025-01-01,,\n")
    there.log.away = True
    with pytest.raises(BrokerUnavailable):
        there.inbox.look(time.time())
    assert file.exists()
    there.log.away = False
    there.inbox.look(time.time())
    assert there.names(TAKEN) == ["people.csv"]


def test_a_file_of_which_nothing_can_be_used_is_refused_with_its_reason(
    there: There, caplog: pytest.LogCaptureFixture
) -> None:
    there.write("people.csv", "who,where\na,b\n")
    there.write("later.csv", HEADER + "a@example.com,Finance,2025-01-01,,\n")
    there.inbox.look(time.time())
    assert there.names(REFUSED) == ["people.csv"]
    assert "nothing was taken in: " in caplog.text
    assert there.names(TAKEN) == ["later.csv"]


def test_two_files_of_one_name_are_both_kept(there: There) -> None:
    for department in ("Finance", "Legal"):
        there.write("people.csv", HEADER + f"a@example.com,{department},2025-01-01,,\n")
        there.inbox.look(time.time())
    assert there.names(TAKEN) == ["people.csv", "people.csv"]


def test_a_folder_that_is_gone_is_told_once(there: There, caplog: pytest.LogCaptureFixture) -> None:
    there.inbox.folder = there.folder / "nowhere"
    thread = Thread(target=there.inbox.run)
    thread.start()
    while there.inbox.standing.failures < 3:
        time.sleep(0.01)
    there.stop.set()
    thread.join(5)
    assert "nowhere" in there.inbox.standing.failing
    assert caplog.text.count("nowhere") == 1
