"""The sink that Prometheus scrapes, on a real broker: whole before it is ready, and never two generations at once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from kafka import TopicPartition
from on_kafka import Installation, example
from pooled import batch, would_recommend
from sinks_on_kafka import Running, Said, hiding_it_in, indicator_said, say, value_of, wait_until
from test_prometheus import series

from deploy.sink_cli import exported_morale, shown
from deploy.topics import Topics
from ingest import topics as declared
from sinks.consumer import Follower
from sinks.prometheus import Exporter
from sinks.prometheus_sink import PrometheusSink
from sinks.record import UnusableRecord
from sinks.sealed import Sealed
from streams.configuration import Files, encode
from streams.indicators import key
from streams.norm_entry import NormEntry, NormsFile
from streams.sealed import encode as encode_batch

PARTITIONS = 3
IT = 'crossdesk_first_response_facts{department="it",window="7d"}'
HR = 'crossdesk_first_response_facts{department="hr",window="7d"}'
HR_TO_IT = 'crossdesk_pair_first_response_facts{counterpart="hr",department="it",window="7d"}'


class Sink(Running):
    """The stage, in a thread of this process."""

    def __init__(self, installation: Installation) -> None:
        self.exporter = Exporter()
        self.follower = Follower(installation.settings.client, "test")
        self.stage = PrometheusSink(
            declared.name("config"),
            lambda n: declared.name("indicators", n),
            self.follower,
            shown,
            Sealed(declared.name("sealed"), exported_morale),
            self.exporter,
        )
        super().__init__(self.stage.run)

    def until_ready(self) -> None:
        self.until(lambda: not self.stage.waiting(), "it has read all")

    def shown(self) -> dict[str, float]:
        """Of the indicators, without the stage's own."""
        own = ("crossdesk_sink_", "crossdesk_as_of_")
        return {name: number for name, number in series(self.exporter).items() if not name.startswith(own)}


@pytest.fixture
def sink(installation: Installation) -> Iterator[Sink]:
    found = Sink(installation)
    yield found
    found.stop.set()
    if found.thread.ident is not None:
        found.thread.join(30)
    found.follower.close()


def configured(version: int, files: Files) -> Said:
    return Said("config", 0, str(version).encode(), encode(files.model_copy(update={"version": version})))


def test_it_is_ready_when_it_has_read_all_that_was_there_and_shows_nothing_before(
    installation: Installation, sink: Sink
) -> None:
    many = [value_of(department="it", value=float(n), offset=n) for n in range(20_000)]
    say(installation, [configured(1, example().files), *map(indicator_said, many)])
    assert sink.stage.waiting() == f"{declared.name('config')} is being read from its beginning; 0 offsets are left"
    sink.thread.start()
    seen = []
    while why := sink.stage.waiting():
        seen.append(sink.shown())
        assert "is being read from its beginning" in why
    assert {} in seen
    assert all(values in ({}, {IT: 19_999}) for values in seen), "an old value is no value"
    assert sink.shown() == {IT: 19_999}
    say(installation, [indicator_said(value_of(value=7.0, offset=20_000))])
    sink.until(lambda: sink.shown() == {IT: 7}, "it follows")


def test_a_value_that_is_older_than_another_changes_nothing(installation: Installation, sink: Sink) -> None:
    say(installation, [indicator_said(value_of(value=8.0, offset=8)), indicator_said(value_of(value=7.0, offset=7))])
    sink.thread.start()
    sink.until_ready()
    assert sink.shown() == {IT: 8}
    say(installation, [indicator_said(value_of(value=6.0, offset=6)), indicator_said(value_of(department="hr"))])
    sink.until(lambda: HR in sink.shown(), "it follows")
    assert sink.shown()[IT] == 8


def test_what_is_taken_out_of_the_topic_vanishes_before_and_after_it_is_ready(
    installation: Installation, sink: Sink
) -> None:
    it, hr = value_of(), value_of(department="hr")
    say(installation, [*map(indicator_said, (it, hr)), Said("indicators", 0, key(hr), None)])
    sink.thread.start()
    sink.until_ready()
    assert sink.shown() == {IT: 1}
    say(installation, [indicator_said(hr), Said("indicators", 0, key(it), None)])
    sink.until(lambda: sink.shown() == {HR: 1}, "one came, the other went")


def test_a_department_vanishes_and_comes_back_with_the_configuration(installation: Installation, sink: Sink) -> None:
    files = example().files
    only_hr = files.company.model_copy(
        update={"departments": tuple(d for d in files.company.departments if d.id == "hr"), "groups": (), "people": ()}
    )
    without_it = Files(version=2, company=only_hr)
    say(installation, [configured(1, files), *(indicator_said(value_of(department=d)) for d in ("it", "hr", "spies"))])
    say(installation, [indicator_said(value_of(department="_unowned"))])
    sink.thread.start()
    sink.until_ready()
    unowned = IT.replace("it", "_unowned")
    assert sink.shown().keys() == {IT, HR, unowned}, "what no configuration names is not shown"
    say(installation, [configured(2, without_it)])
    sink.until(lambda: sink.shown().keys() == {HR, unowned}, "it is no more")
    say(installation, [configured(3, files)])
    sink.until(lambda: IT in sink.shown(), "it is back, though nothing was said of it meanwhile")


def test_who_hides_from_a_date_on_vanishes_on_that_date(installation: Installation, sink: Sink) -> None:
    files = hiding_it_in(8)
    say(installation, [configured(1, files), *(indicator_said(value_of(department=d)) for d in ("it", "hr", "legal"))])
    sink.thread.start()
    sink.until_ready()
    assert sink.shown().keys() == {IT, HR}
    sink.until(lambda: sink.shown().keys() == {HR}, "legal lies beside it now, and it would give legal away")


def test_a_pair_is_shown_that_has_a_norm_of_its_own(installation: Installation, sink: Sink) -> None:
    files = example().files
    pairs = [value_of(department="it", counterpart=giver) for giver in ("hr", "finance")]
    promise = NormsFile(norms=(NormEntry.model_validate({"department": "it", "acceptance": {"hr": "2h", "*": "8h"}}),))
    say(installation, [configured(1, files.model_copy(update={"norms": {}})), *map(indicator_said, pairs)])
    sink.thread.start()
    sink.until_ready()
    assert sink.shown() == {}
    say(installation, [configured(2, files.model_copy(update={"norms": {"it": promise}}))])
    sink.until(lambda: sink.shown() == {HR_TO_IT: 1}, "one of them was promised something")


def test_another_generation_takes_the_place_of_the_one_before_between_two_scrapes(
    installation: Installation, sink: Sink
) -> None:
    with Topics(installation.settings, list(declared.topics(2)), PARTITIONS) as topics:
        topics.apply()
    departments = [f"d{n}" for n in range(2_000)]
    names = [IT.replace("it", department) for department in departments]

    def of_generation(value: float) -> list[Said]:
        values = (value_of(department=d, value=value, offset=int(100 / value)) for d in departments)
        return [indicator_said(v, n % PARTITIONS) for n, v in enumerate(values)]

    say(installation, of_generation(1.0), generation=1)
    say(installation, of_generation(2.0), generation=2)
    sink.thread.start()
    sink.until_ready()
    assert sink.shown() == dict.fromkeys(names, 1)
    before: set[float] = {1}
    for current, value in (("2", 2), ("1", 1)):
        seen: list[set[float]] = []
        say(installation, [Said("config", 0, b"generation", current.encode())])

        def turned_over(seen: list[set[float]] = seen, value: int = value) -> bool:
            found = sink.shown()
            assert found.keys() == set(names), "no gap"
            seen.append(set(found.values()))
            return seen[-1] == {value}

        sink.until(turned_over, f"generation {current} is shown")
        assert all(values in (before, {value}) for values in seen), "no mixture"
        assert series(sink.exporter)["crossdesk_sink_generation"] == int(current)
        say(installation, [indicator_said(value_of(department="d0", value=9.0, offset=500))], generation=int(current))
        sink.until(lambda: sink.shown()[names[0]] == 9, "it is followed")
        before = {value, 9}


@pytest.mark.parametrize(
    ("topic", "key", "reason"),
    [
        ("indicators", b"key", "Expected `array` of at least length 7, got 1"),
        ("config", b"three", "b'three' is no number"),
    ],
    ids=["indicators", "config"],
)
def test_a_record_that_cannot_be_read_is_named(
    installation: Installation, sink: Sink, topic: str, key: bytes, reason: str
) -> None:
    say(installation, [Said(topic, 0, key, b"\x91\xa1x")])
    sink.thread.start()
    wait_until(lambda: sink.failed is not None, "it has stopped")
    assert isinstance(sink.failed, UnusableRecord)
    assert f"{declared.name(topic)}, partition 0, offset 0: {reason}" in str(sink.failed)


# -- morale
MORALE = 'crossdesk_morale_enps_points{department="it",window="91d"}'


def sealed_said(week: int = 0, **fields: Any) -> Said:
    one = batch("it", week=week, items=would_recommend(5, 2, 10), **fields)
    return Said("sealed", 0, one.id, encode_batch(one))


def test_what_was_sealed_is_shown_before_it_is_ready_and_follows(installation: Installation, sink: Sink) -> None:
    say(installation, [configured(1, example().files), indicator_said(value_of()), *[sealed_said()] * 2])
    sink.thread.start()
    sink.until_ready()
    assert sink.shown()[MORALE] == pytest.approx(30)
    assert sink.shown()['crossdesk_morale_enps_answers{department="it",window="91d"}'] == 10, (
        "once, however often it was said"
    )
    say(installation, [sealed_said(1, wave="summer", site="north")])
    sink.until(lambda: sink.shown()['crossdesk_morale_enps_answers{department="it",window="91d"}'] == 20, "it follows")


def test_whoever_is_started_again_says_the_same_morale(installation: Installation, sink: Sink) -> None:
    say(installation, [configured(1, example().files), indicator_said(value_of()), *map(sealed_said, range(3))])
    sink.thread.start()
    sink.until_ready()
    again = Sink(installation)
    again.thread.start()
    again.until_ready()
    assert again.shown() == sink.shown()
    assert MORALE in again.shown()
    again.stop.set()
    again.thread.join(30)
    again.follower.close()


def test_morale_vanishes_with_its_department_and_stands_under_the_newest_tree(
    installation: Installation, sink: Sink
) -> None:
    files = example().files
    say(installation, [configured(1, files), indicator_said(value_of()), sealed_said()])
    sink.thread.start()
    sink.until_ready()
    assert MORALE in sink.shown()
    gone = [d for d in files.company.departments if d.id != "it"]
    company = files.company.model_copy(update={"departments": tuple(gone), "groups": ()})
    say(installation, [configured(2, files.model_copy(update={"company": company}))])
    sink.until(lambda: MORALE not in sink.shown(), "it is gone")
    say(installation, [configured(3, files)])
    sink.until(lambda: MORALE in sink.shown(), "it is back")


def test_a_sealed_record_that_cannot_be_read_stops_it_and_shows_nothing_of_it(
    installation: Installation, sink: Sink
) -> None:
    say(installation, [configured(1, example().files), Said("sealed", 0, b"x", b"no batch")])
    sink.thread.start()
    sink.thread.join(30)
    assert isinstance(sink.failed, UnusableRecord)
    assert "no batch" not in str(sink.failed)


def test_a_broker_that_does_not_say_yet_who_leads_a_partition_is_asked_again(
    installation: Installation, sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after it came back: the client learns who leads its partitions one after the other."""
    say(installation, [indicator_said(value_of())])
    sink.thread.start()
    sink.until_ready()
    cluster = sink.follower._consumer._manager.cluster
    leader = cluster.leader_for_partition
    unled = TopicPartition(declared.name("sealed"), 0)
    with monkeypatch.context() as patched:
        patched.setattr(cluster, "leader_for_partition", lambda p: None if p == unled else leader(p))
        sink.until(lambda: bool(sink.follower.answers.missing(2.0)), "it says that there is no answer")
    sink.until(lambda: not sink.follower.answers.missing(2.0), "it goes on")
    say(installation, [indicator_said(value_of(department="hr"))])
    sink.until(lambda: HR in sink.shown(), "it follows")
