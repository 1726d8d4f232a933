"""The configuration on a real broker: versions, the current generation, the marks; and how far the sources are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from on_kafka import Installation, example

from deploy import watermarks
from deploy.cli import main
from deploy.configurations import Configurations
from deploy.folder import Stopped
from deploy.succession import Refused
from deploy.topic_reader import Stretch, TopicReader
from deploy.watermarks import least_watermark
from ingest import event as e
from ingest import topics as declared
from ingest.publish import Publisher
from streams.configuration import Configuration, Files, encode

PARTITIONS = 3
NOW = 1_780_000_000_000_000

COMPANY = """\
organisation: Test
zone: UTC
hours: {mon-fri: "09:00-17:00"}
sources: [desk]
departments: [{id: it, name: IT}]
groups: [{source: desk, group: Network, department: it}]
"""
NORMS = "norms: [{department: it, first_response: 4bh}]\n"


@pytest.fixture
def configurations(installation: Installation) -> Iterator[Configurations]:
    with Configurations(installation.settings) as found:
        yield found


@pytest.fixture
def reader(installation: Installation) -> Iterator[TopicReader]:
    with TopicReader(installation.settings) as found:
        yield found


@pytest.fixture
def company(tmp_path: Path) -> Path:
    folder = tmp_path / "company"
    folder.mkdir()
    (folder / "company.yaml").write_text(COMPANY)
    (folder / "norms.yaml").write_text(NORMS)
    return folder


Crossdesk = Callable[..., Result]


@pytest.fixture
def crossdesk(installation: Installation) -> Crossdesk:
    def run(*words: str | Path) -> Result:
        return CliRunner(env=installation.environment).invoke(main, list(map(str, words)))

    return run


def named(organisation: str) -> Files:
    files = example().files
    return files.model_copy(update={"company": files.company.model_copy(update={"organisation": organisation})})


def marks(installation: Installation) -> dict[int, list[int]]:
    """Partition -> the versions whose marks are in it."""
    events = {p: [e.decode(v) for _, v in records if v] for p, records in installation.held("events").items()}
    return {p: [m.data.version for m in there if isinstance(m, e.ConfigMark)] for p, there in events.items()}


def watermark(source: str, until: int) -> bytes:
    return e.encode(e.watermark(source, e.instant(until)))


# -- versions and generations


def test_nothing_is_in_force_at_first_and_the_first_generation_is_current(configurations: Configurations) -> None:
    held = configurations.read()
    assert (held.versions, held.newest, held.generation) == ({}, None, 1)


def test_each_version_is_kept_whole_and_marked_in_every_partition(
    configurations: Configurations, installation: Installation
) -> None:
    assert configurations.apply(example().files) == (1, [])
    assert configurations.apply(named("Other")) == (2, [])
    held = configurations.read()
    assert held.versions == {1: encode(example().files), 2: encode(named("Other").model_copy(update={"version": 2}))}
    assert held.newest is not None
    assert held.newest.files.company.organisation == "Other"
    assert marks(installation) == {p: [1, 2] for p in range(PARTITIONS)}


def test_the_same_files_are_the_same_version_and_only_marked_again(
    configurations: Configurations, installation: Installation
) -> None:
    """Whoever added the version may have been killed before its marks."""
    configurations.add(example().files)
    assert marks(installation) == {p: [] for p in range(PARTITIONS)}
    assert configurations.apply(example().files) == (1, [])
    assert list(configurations.read().versions) == [1]
    assert marks(installation) == {p: [1] for p in range(PARTITIONS)}


def test_of_two_who_add_a_version_at_once_the_first_is_in_force(
    configurations: Configurations, installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = configurations._reader.stretches

    def meanwhile(topic: str) -> dict[int, Stretch]:
        """Another adds it just after this one has looked."""
        found = before(topic)
        monkeypatch.setattr(configurations._reader, "stretches", before)
        with Configurations(installation.settings) as other:
            other.add(named("First"))
        return found

    monkeypatch.setattr(configurations._reader, "stretches", meanwhile)
    with pytest.raises(Stopped, match="somebody else has put version 1 in force at the same moment"):
        configurations.add(named("Second"))
    newest = configurations.read().newest
    assert newest is not None
    assert newest.files.company.organisation == "First"


def test_a_generation_becomes_current(configurations: Configurations) -> None:
    configurations.apply(example().files)
    configurations.set_generation(2)
    assert configurations.read().generation == 2
    configurations.set_generation(1)
    held = configurations.read()
    assert (held.generation, list(held.versions)) == (1, [1])


def test_what_was_judged_stays_judged(configurations: Configurations, installation: Installation) -> None:
    old = example().files
    assert configurations.apply(old)[0] == 1
    configurations._publisher.say("events", "", watermark("helpdesk", NOW))
    configurations._publisher.settle()
    (file, norms), *_ = old.norms.items()
    with pytest.raises(Refused, match="what was judged stays judged"):
        configurations.apply(old.model_copy(update={"norms": {file: norms.model_copy(update={"norms": ()})}}))
    assert list(configurations.read().versions) == [1]
    assert marks(installation) == {p: [1] for p in range(PARTITIONS)}


# -- how far the sources are


def say(installation: Installation, partition: int, *values: bytes, key: bytes | None = None) -> None:
    for value in values:
        installation.put("events", partition, key, value)


def test_no_watermark_yet(reader: TopicReader, installation: Installation) -> None:
    assert least_watermark(reader, frozenset({"a"})) is None
    assert least_watermark(reader, frozenset()) is None
    say(installation, 0, watermark("a", 5))
    assert least_watermark(reader, frozenset({"a"})) is None, "not in every partition"


def test_the_least_over_partitions_and_sources(reader: TopicReader, installation: Installation) -> None:
    reached = {"a": (7, 30, 20), "b": (90, 80, 10)}
    for source, untils in reached.items():
        for partition, until in enumerate(untils):
            say(installation, partition, watermark(source, 1), watermark(source, until))
    assert least_watermark(reader, frozenset({"a"})) == 7
    assert least_watermark(reader, frozenset({"b"})) == 7, "a is met on the way"
    assert least_watermark(reader, frozenset()) == 7
    assert least_watermark(reader, frozenset({"a", "never heard of"})) == 7


def test_a_mark_is_found_far_from_the_end_and_only_as_much_is_read_as_needed(
    reader: TopicReader, installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watermarks, "FIRST_STEP", 10)
    with Publisher(installation.settings) as publisher:
        for until in (1, 2, 3):
            for n in range(300):
                publisher.say("events", f"desk/{n}", b"no event")
            publisher.say("events", "", watermark("desk", until))
        for n in range(300):
            publisher.say("events", f"desk/{n}", b"no event")
        publisher.settle()
    read: list[tuple[int, int]] = []
    one = reader.read

    def counted(topic: str, partition: int, stretch: Stretch) -> Iterator[object]:
        for record in one(topic, partition, stretch):
            read.append((partition, record.offset))
            yield record

    monkeypatch.setattr(reader, "read", counted)
    assert least_watermark(reader, frozenset({"desk"})) == 3
    held = sum(stretch.end for stretch in reader.stretches("events").values())
    assert 300 < len(read) < 0.7 * held
    assert len(read) == len(set(read)), "nothing is read twice"


def test_an_unreadable_record_and_a_case_do_not_count(reader: TopicReader, installation: Installation) -> None:
    for partition in range(PARTITIONS):
        say(installation, partition, watermark("desk", 5), b"\xff", b"{}")
        say(installation, partition, watermark("desk", 9), key=b"desk/1")
    assert least_watermark(reader, frozenset({"desk"})) == 5


def test_who_was_replaced_and_says_less_a_little_later_moves_nothing_back(
    reader: TopicReader, installation: Installation
) -> None:
    for partition in range(PARTITIONS):
        say(installation, partition, watermark("desk", 9), watermark("desk", 5))
    assert least_watermark(reader, frozenset({"desk"})) == 9


# -- the command


def test_apply_puts_files_in_force_on_kafka(crossdesk: Crossdesk, company: Path, installation: Installation) -> None:
    servers = installation.settings.bootstrap_servers
    assert f"version 1 is in force in {servers}" in crossdesk("apply", company, "--kafka").output
    assert f"version 1 says the same and stays in force in {servers}" in crossdesk("apply", company, "--kafka").output
    (company / "company.yaml").write_text(COMPANY.replace("name: IT", "name: Infotech"))
    assert f"version 2 is in force in {servers}" in crossdesk("apply", company, "--kafka").output
    assert marks(installation) == {p: [1, 1, 2] for p in range(PARTITIONS)}


def test_apply_names_file_line_and_mend_of_what_would_change_the_past(
    crossdesk: Crossdesk, company: Path, installation: Installation
) -> None:
    crossdesk("apply", company, "--kafka")
    with Publisher(installation.settings) as publisher:
        publisher.say("events", "", watermark("desk", NOW))
        publisher.settle()
    (company / "norms.yaml").write_text(NORMS.replace("4bh", "1bm"))
    refused = crossdesk("apply", company, "--kafka")
    assert refused.exit_code == 1
    assert f"{company}/norms.yaml:1: the norms of 'it' change" in refused.stderr
    later = e.instant(NOW) + timedelta(days=2)
    addition = f", {{department: it, first_response: 1bh, valid_from: {later.date()}}}]"
    (company / "norms.yaml").write_text(NORMS.replace("]", addition))
    assert "version 2 is in force" in crossdesk("apply", company, "--kafka").output


def test_apply_to_kafka_and_to_a_folder_at_once_is_refused(crossdesk: Crossdesk, company: Path) -> None:
    refused = crossdesk("apply", company, "--kafka", "--data", company)
    assert refused.exit_code == 2
    assert "leave one of them out" in refused.stderr


def test_nothing_is_put_in_force_without_topics(
    crossdesk: Crossdesk, company: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(declared, "PREFIX", "not-there")
    refused = crossdesk("apply", company, "--kafka")
    assert refused.exit_code == 1
    assert "not-there.events: is not there. `crossdesk topics check` says all" in refused.stderr


def test_a_configuration_comes_back_as_it_was(configurations: Configurations) -> None:
    configurations.apply(example().files)
    (record,) = configurations.read().versions.values()
    assert Configuration.decode(record).files == example().files
