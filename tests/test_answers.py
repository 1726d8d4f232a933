"""Answers wait encrypted for the end of their week, leave all at once in random order, and nothing tells who answered when."""

from __future__ import annotations

import os
import random
import resource
import secrets
import shutil
import sqlite3
import struct
import subprocess
import sys
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import pytest
from answers_to_kill import BEGINS, answer_of, lines_of
from cryptography.fernet import Fernet
from msgspec.structs import replace
from on_kafka import Installation

from ingest.answers.keys import BadKeys, Keys, Unopened
from ingest.answers.store import AnswersError, AnswersLocked, AnswerStore, WrongKey
from ingest.broker import BrokerUnavailable
from ingest.connectors.survey_file import SurveyFile
from ingest.event import PUBLISHED, Answered, ConfigMark, Rated, Record, Watermark, decode, watermark
from ingest.feedback import FLOOR, answered, rated
from ingest.identity import Identity, People
from ingest.intake import Answer, Intake
from ingest.publish import Publisher

PARTITIONS = 3
KEY = Fernet.generate_key().decode()
MONDAY = datetime(2026, 11, 23, tzinfo=UTC)
WEEK = timedelta(days=7)
NEXT = MONDAY + WEEK
IDENTITY = Identity(b"a key of the tests", "t")
SURVEY, DESK = People(IDENTITY, "survey"), People(IDENTITY, "desk")
HERE = Path(__file__).parent


class Said:
    """A sink that remembers, and of ``marks`` how many records were durable before; after ``breaks_after`` records it is away."""

    def __init__(self) -> None:
        self.records: list[tuple[str, str, bytes]] = []
        self.marks: list[tuple[int, Record]] = []
        self.settled = self.durable = 0
        self.breaks_after: int | None = None
        self.at_settle: Callable[[], object] = lambda: None

    def say(self, topic: str, key: str, value: bytes) -> None:
        if self.breaks_after is not None and len(self.records) >= self.breaks_after:
            raise BrokerUnavailable("away")
        if key == PUBLISHED:
            assert topic == "feedback"
            self.marks.append((self.durable, decode(value)))
        else:
            self.records.append((topic, key, value))

    def settle(self) -> None:
        self.at_settle()
        self.settled += 1
        self.durable = len(self.records)

    @property
    def published(self) -> list[tuple[int, datetime]]:
        """The weeks that were said to be published, and behind how many records."""
        return [(durable, mark.data.until) for durable, mark in self.marks if isinstance(mark, Watermark)]

    @property
    def ids(self) -> list[str]:
        return [decode(value).id for _, _, value in self.records]


def answer(number: int, at: datetime = MONDAY, *, score: int = 7, department: str = "finance") -> Answered:
    items = {"reliability": score, "enps": 9}
    return answered(SURVEY, f"person {number}", at, items=items, about="it", department=department)


def several(n: int, at: datetime = MONDAY) -> list[Answer]:
    return [answer(number, at) for number in range(n)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "answers" / "waiting.sqlite3"


@pytest.fixture
def store(path: Path) -> Iterator[AnswerStore]:
    """One that has seen a week begin."""
    with AnswerStore(path, Keys(KEY)) as opened:
        opened.publish(MONDAY, Said())
        yield opened


def published(store: AnswerStore, now: datetime) -> list[str]:
    said = Said()
    store.publish(now, said)
    return said.ids


# -- a week


def test_answers_leave_when_their_week_is_over_all_at_once_and_are_gone(store: AnswerStore) -> None:
    kept = several(8, MONDAY + timedelta(days=3, hours=5))
    for one in kept:
        store.keep(one)
    said = Said()
    for now in (MONDAY + timedelta(days=3), NEXT - timedelta(seconds=1)):
        assert store.publish(now, said) == 0
    assert store.publish(NEXT, said) == 8
    assert sorted(said.ids) == sorted(one.id for one in kept)
    assert sorted(map(repr, (decode(value) for _, _, value in said.records))) == sorted(map(repr, kept))
    assert said.published == [(8, NEXT)]
    assert store.publish(NEXT, said) == 0
    assert said.settled == 2
    assert store.publish(NEXT + WEEK, said) == 0
    assert len(said.records) == 8
    assert store._one("SELECT count(*) FROM answers") == 0


def test_the_answers_of_the_week_that_has_begun_stay(store: AnswerStore) -> None:
    store.keep_all(several(5))
    store.keep_all(several(6, NEXT))
    assert len(published(store, NEXT + timedelta(hours=2))) == 5
    assert len(published(store, NEXT + WEEK)) == 6


def test_after_a_stop_of_several_weeks_all_that_is_due_leaves_together(path: Path) -> None:
    with AnswerStore(path, Keys(KEY)) as store:
        published(store, MONDAY)
        store.keep_all(several(5))
        store.keep_all(several(5, NEXT))
    with AnswerStore(path, Keys(KEY)) as store:
        said = Said()
        assert store.publish(MONDAY + 4 * WEEK, said) == 10
    assert {decode(value).time for _, _, value in said.records} == {MONDAY, NEXT}
    assert said.published == [(10, MONDAY + 4 * WEEK)]


def test_what_a_source_tells_of_former_weeks_to_a_new_store_leaves_when_the_week_changes(path: Path) -> None:
    with AnswerStore(path, Keys(KEY)) as store:
        store.keep_all(several(6, MONDAY - 20 * WEEK))
        assert published(store, MONDAY + timedelta(days=1)) == []
        assert published(store, MONDAY + timedelta(days=2)) == []
        assert len(published(store, NEXT)) == 6
        assert store.counts.late == 0


def test_the_key_is_the_department_or_the_source(store: AnswerStore) -> None:
    store.keep_all([answer(n, department=["finance", ""][n % 2]) for n in range(6)])
    said = Said()
    store.publish(NEXT, said)
    assert Counter((topic, key) for topic, key, _ in said.records) == {
        ("feedback", "finance"): 3,
        ("feedback", "survey"): 3,
    }


def test_of_two_answers_of_a_person_the_last_stands(store: AnswerStore) -> None:
    store.keep_all(several(6))
    store.keep_all([answer(2, score=1), answer(2, score=3)])
    said = Said()
    assert store.publish(NEXT, said) == 6
    told = {one.id: one for one in (decode(value) for _, _, value in said.records)}
    last = told[answer(2).id]
    assert isinstance(last, Answered)
    assert last.data.items["reliability"] == 3


def test_who_is_late_leaves_with_the_next_week_and_who_was_published_is_not_heard_again(store: AnswerStore) -> None:
    store.keep_all(several(6))
    published(store, NEXT)
    store.keep_all([answer(1, score=0), answer(77), answer(77, score=1)])
    store.keep_all(several(5, NEXT))
    assert published(store, NEXT + timedelta(days=2)) == []
    assert (store.counts.late, store.counts.repeated) == (0, 0), "they move when the week changes"
    ids = published(store, NEXT + WEEK)
    assert sorted(ids) == sorted([answer(77).id, *(one.id for one in several(5, NEXT))])
    assert (store.counts.published, store.counts.late, store.counts.repeated) == (12, 1, 1)


def test_what_was_published_is_known_for_35_days(store: AnswerStore) -> None:
    first = several(5)
    store.keep_all(first)
    published(store, NEXT)
    for week in range(1, 7):
        store.keep_all([*first, *several(5, NEXT + (week - 1) * WEEK)])
        assert len(published(store, NEXT + week * WEEK)) == 5
    store.keep_all(first)
    assert sorted(published(store, NEXT + 7 * WEEK)) == sorted(one.id for one in first), "it is forgotten in the end"


def test_fewer_than_five_persons_wait_for_the_next_week(store: AnswerStore) -> None:
    few = several(FLOOR - 1)
    twice = replace(few[0], id="00000000-0000-5000-8000-000000000000")
    store.keep_all([*few, twice])
    assert published(store, NEXT) == []
    assert store.counts.waiting == FLOOR
    store.keep(answer(99))
    assert published(store, NEXT + timedelta(days=1)) == [], "who would leave now would be seen to be the fifth"
    assert len(published(store, NEXT + WEEK)) == FLOOR + 1
    assert store.counts.waiting == 0


def test_a_clock_that_was_wrong_delays_and_loses_nothing(store: AnswerStore) -> None:
    store.keep_all(several(6))
    assert len(published(store, datetime(2099, 1, 1, tzinfo=UTC))) == 6
    store.keep_all(several(6, NEXT))
    assert published(store, NEXT) == []
    assert published(store, NEXT - timedelta(seconds=1)) == [], "put back over a Monday"
    assert published(store, NEXT) == []
    assert len(published(store, NEXT + WEEK)) == 6


def test_an_answer_that_says_more_than_its_week_is_made_coarse(store: AnswerStore) -> None:
    exact = MONDAY + timedelta(days=2, hours=11, seconds=7)
    store.keep_all(
        [replace(one, time=exact, observedtime=exact, sequence=n, who="x") for n, one in enumerate(several(5))]
    )
    said = Said()
    store.publish(NEXT, said)
    assert sorted(map(repr, (decode(value) for _, _, value in said.records))) == sorted(map(repr, several(5)))


def test_answers_and_ratings_come_through_the_intake(store: AnswerStore) -> None:
    file = ["who,team,Keeps promises,day\n", *(f"p{n}@example.com,finance,{n % 5 + 1},2026-11-24\n" for n in range(6))]
    connector = SurveyFile.model_validate(
        {
            "source": "pulse",
            "items": {"Keeps promises": {"item": "reliability", "worst": 1, "best": 5}},
            "person": "who",
            "department": "team",
            "about": None,
            "wave": None,
            "site": None,
            "day": {"column": "day", "format": "%Y-%m-%d"},
        }
    )
    said = Said()
    intake = Intake(connector, People(IDENTITY, "pulse"), said, lambda _: (), store.keep_all)
    intake.take(connector.filed(file, "pulse.csv"))
    intake.settle()
    store.keep(rated(DESK, "somebody", MONDAY, about="it", score=1, best=1))
    assert said.records == []
    store.publish(NEXT, said)
    assert Counter(type(decode(value)) for _, _, value in said.records) == {Answered: 6, Rated: 1}


# -- the order


def test_the_order_in_which_they_leave_is_independent_of_that_in_which_they_came(path: Path) -> None:
    """200 weeks of 24 answers from two sources: where an answer leaves says nothing of when it came, nor from where."""
    weeks, n = 200, 24
    places = [[0] * 4 for _ in range(4)]
    slope, desk_first = 0.0, 0
    with AnswerStore(path, Keys(KEY), random.Random(7)) as store:
        published(store, MONDAY)
        for week in range(weeks):
            at = MONDAY + week * WEEK
            came: list[Answer] = [
                answer(number, at) if number % 2 else rated(DESK, f"{number}", at, about="it", score=1, best=1)
                for number in range(n)
            ]
            store.keep_all(came)
            arrival = {one.id: place for place, one in enumerate(came)}
            left = [arrival[one] for one in published(store, at + WEEK)]
            assert sorted(left) == [*range(n)]
            desk_first += left[0] % 2 == 0
            for place, number in enumerate(left):
                places[number * 4 // n][place * 4 // n] += 1
                slope += (place - (n - 1) / 2) * (number - (n - 1) / 2)
    correlation = slope / (weeks * n * (n * n - 1) / 12)
    assert abs(correlation) < 4 / (weeks * (n - 1)) ** 0.5
    expected = weeks * n / 16
    assert sum((seen - expected) ** 2 / expected for row in places for seen in row) < 30, "of 9 degrees of freedom"
    assert weeks * 0.35 < desk_first < weeks * 0.65


def test_the_order_is_the_shuffles_and_its_dice_are_the_systems(tmp_path: Path) -> None:
    def order(name: str, dice: random.Random | None) -> list[str]:
        with AnswerStore(tmp_path / name, Keys(KEY), dice) as store:
            published(store, MONDAY)
            store.keep_all(several(12))
            return published(store, NEXT)

    assert order("a", random.Random(1)) == order("b", random.Random(1)) != order("c", random.Random(2))
    assert order("d", None) != order("e", None)
    with AnswerStore(tmp_path / "f", Keys(KEY)) as store:
        assert isinstance(store._random, secrets.SystemRandom)


# -- what the file tells


def test_the_file_tells_no_id_no_department_and_no_time(path: Path, store: AnswerStore) -> None:
    kept = several(40, MONDAY + timedelta(hours=77))
    store.keep_all(kept)
    store.publish(MONDAY + timedelta(days=4), Said())
    content = path.read_bytes()
    for one in kept:
        for text in (one.id, one.subject, "finance", "survey", "reliability", "answered"):
            assert text.encode() not in content
        assert bytes.fromhex(one.id.replace("-", "")) not in content
    sealed = store._all("SELECT sealed FROM answers")
    assert {struct.unpack(">BQ", urlsafe_b64decode(token)[:9]) for (token,) in sealed} == {(0x80, 0)}, "Fernet's time"
    assert {len(token) for (token,) in sealed} == {1464}, "nor how much somebody answered"
    assert path.stat().st_mode & 0o777 == 0o600
    assert {file.name: file.stat().st_size for file in path.parent.iterdir() if file != path} == {
        "waiting.sqlite3-journal": 0
    }


def test_rows_lie_in_the_file_in_no_order_of_arrival(tmp_path: Path) -> None:
    """The same answers in two orders, one at a time, give the same places in the file."""
    kept = several(60)

    def places(name: str, order: Sequence[Answer]) -> tuple[list[int], list[int]]:
        """Of each answer, before and after the file was tidied."""
        file = tmp_path / name
        keys = Keys(KEY)
        with AnswerStore(file, keys) as store:
            for one in order:
                store.keep(one)
            found = []
            for _ in range(2):
                content = file.read_bytes()
                found.append([content.index(keys.mark(one.id)) for one in kept])
                store.publish(MONDAY, Said())
        return found[0], found[1]

    before, after = places("a", kept)
    other_before, other_after = places("b", kept[::-1])
    assert before != other_before, "or there would be nothing to tidy"
    assert after == other_after


def test_what_has_left_is_nowhere_in_the_file(path: Path, store: AnswerStore) -> None:
    store.keep_all(several(50))
    tokens = [token for (token,) in store._all("SELECT sealed FROM answers")]
    assert all(token[:200] in path.read_bytes() for token in tokens)
    published(store, NEXT)
    content = path.read_bytes()
    assert not any(token[at : at + 40] in content for token in tokens for at in (0, 700, 1400))
    assert store._one("PRAGMA freelist_count") == 0


def test_a_replaced_answer_is_nowhere_in_the_file(path: Path, store: AnswerStore) -> None:
    store.keep_all(several(10))
    tokens = [token for (token,) in store._all("SELECT sealed FROM answers")]
    store.keep_all([answer(n, score=2) for n in range(10)])
    assert not any(token[:40] in path.read_bytes() for token in tokens)


# -- keys


def typed(text: bytes) -> str:
    return urlsafe_b64encode(text).decode()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "there is no key"),
        ("\n \n", "there is no key"),
        ("correct horse battery staple", "key 1 for answers is not 32 bytes"),
        (secrets.token_hex(32), "key 1 for answers is not 32 bytes"),
        (f"{KEY}\n{KEY[:-2]}", "key 2 for answers is not 32 bytes"),
        (f"{KEY[:10]} {KEY[10:]}", "key 1 for answers is not 32 bytes"),
        ("ключ", "key 1 for answers is not 32 bytes"),
        (typed(bytes(32)), "can be guessed"),
        (typed(b"ab" * 16), "can be guessed"),
        (typed(b"The quick brown fox jumps over t"), "can be guessed"),
    ],
    ids=count(),  # keys are others each time, and who shares the tests among processes wants the same names
)
def test_a_missing_or_weak_key_is_refused_and_not_shown(text: str, reason: str) -> None:
    with pytest.raises(BadKeys, match=reason) as caught:
        Keys(text)
    assert "Fernet.generate_key()" in str(caught.value)
    assert not text.strip() or text.split()[0] not in str(caught.value)


def test_keys_are_not_shown() -> None:
    assert KEY not in repr(Keys(KEY))


def test_a_wrong_key_is_told_at_the_start_and_changes_nothing(path: Path) -> None:
    with AnswerStore(path, Keys(KEY)) as store:
        store.keep(answer(1))
    before = path.read_bytes()
    with pytest.raises(WrongKey, match="written under another key: put the line of that key behind the new one"):
        AnswerStore(path, Keys(Fernet.generate_key().decode()))
    assert path.read_bytes() == before


def test_a_new_key_takes_over_and_the_old_one_opens_nothing_any_more(path: Path) -> None:
    new = Fernet.generate_key().decode()
    with AnswerStore(path, Keys(KEY)) as store:
        published(store, MONDAY)
        store.keep_all(several(5))
        published(store, NEXT)
        store.keep_all(several(5, NEXT))
    with AnswerStore(path, Keys(f"{new}\n{KEY}")) as store:
        for (sealed,) in store._all("SELECT sealed FROM answers"):
            with pytest.raises(Unopened):
                Keys(KEY).open(sealed)
        store.keep_all([*several(5), answer(3, NEXT, score=0)])
    with pytest.raises(WrongKey):
        AnswerStore(path, Keys(KEY))
    with AnswerStore(path, Keys(f"{new}\n{KEY}")) as store:
        said = Said()
        assert store.publish(NEXT + WEEK, said) == 5, "one of each, and of those that were published none"
        changed = [one for one in (decode(v) for _, _, v in said.records) if one.id == answer(3, NEXT).id]
        assert isinstance(changed[0], Answered)
        assert changed[0].data.items["reliability"] == 0


# -- what can go wrong


def test_who_is_stopped_before_the_sink_has_settled_says_the_same_again_and_nothing_else(path: Path) -> None:
    first, second = Said(), Said()
    with AnswerStore(path, Keys(KEY)) as store:
        published(store, MONDAY)
        store.keep_all(several(7))
        first.breaks_after = 4
        with pytest.raises(BrokerUnavailable):
            store.publish(NEXT, first)
        store.keep_all([answer(3, score=0), answer(50), answer(51)])
    with AnswerStore(path, Keys(KEY)) as store:
        assert store.publish(NEXT + timedelta(hours=3), second) == 7
    assert sorted(second.ids) == sorted(one.id for one in several(7))
    assert {*first.records} < {*second.records}, "byte for byte"


def test_answers_are_deleted_only_when_the_sink_has_settled(store: AnswerStore) -> None:
    store.keep_all(several(6))
    said, there = Said(), list[int]()
    said.at_settle = lambda: there.append(store._one("SELECT count(*) FROM answers"))
    store.publish(NEXT, said)
    assert there == [6, 6]


def test_that_a_week_is_published_is_said_behind_its_last_answer_even_if_there_is_none(store: AnswerStore) -> None:
    said = Said()
    store.publish(NEXT - timedelta(seconds=1), said)
    assert said.published == []
    for now in (NEXT, NEXT + timedelta(days=3)):
        store.publish(now, said)
    assert said.published == [(0, NEXT)]
    store.keep_all(several(6, NEXT))
    store.publish(NEXT + WEEK, said, 7)
    assert said.published[1:] == [(6, NEXT + WEEK)]
    assert [mark.data.version for _, mark in said.marks if isinstance(mark, ConfigMark)] == [7]
    assert isinstance(said.marks[-1][1], Watermark)
    assert said.marks[-1][1].source == PUBLISHED


def test_no_week_is_said_to_be_published_by_a_clock_that_is_wrong(path: Path) -> None:
    said = Said()
    with AnswerStore(path, Keys(KEY)) as store:
        for week in (2, 1, 2, 0, 1):  # new; put back over a Monday; as before; put back by two weeks; and it goes on
            store.publish(MONDAY + week * WEEK, said)
    assert said.published == [(0, NEXT)]


def test_who_is_stopped_before_the_week_is_said_to_be_published_says_so_later_under_another_id(path: Path) -> None:
    first, second = Said(), Said()

    def break_at(settle: int) -> Callable[[], None]:
        def fail() -> None:
            if first.settled == settle:
                raise BrokerUnavailable("away")

        return fail

    with AnswerStore(path, Keys(KEY)) as store:
        published(store, MONDAY)
        store.keep_all(several(6))
        for settle in (0, 1):
            first.at_settle = break_at(settle)
            with pytest.raises(BrokerUnavailable):
                store.publish(NEXT, first)
    assert first.published == [(12, NEXT)], "the answers were said twice; the first time they may not have come"
    with AnswerStore(path, Keys(KEY)) as store:
        assert store.publish(NEXT, second) == 6
        assert store.publish(NEXT, second) == 0
    assert second.published == [(6, NEXT)]
    ids = {mark.id for _, mark in [*first.marks, *second.marks]}
    assert len(ids) == 2
    assert watermark(PUBLISHED, NEXT).id not in ids, "it cannot be computed"


def test_two_processes_do_not_keep_answers_in_one_file(path: Path, store: AnswerStore) -> None:
    store.keep(answer(1))
    ended = run(f"AnswerStore(Path({str(path)!r}), Keys({KEY!r}))")
    assert ended.returncode == 1
    assert "AnswersLocked" in ended.stderr
    assert "is in use by another crossdesk: one process keeps answers; stop one of them" in ended.stderr
    with pytest.raises(AnswersLocked):
        AnswerStore(path, Keys(KEY))


def run(program: str, *, without: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
    start = (
        "from pathlib import Path; from ingest.answers.store import AnswerStore; from ingest.answers.keys import Keys; "
    )
    return subprocess.run(
        [*without, sys.executable, "-c", start + program], capture_output=True, text=True, cwd=HERE.parent, check=False
    )


def test_a_folder_that_may_not_be_written_is_named(tmp_path: Path) -> None:
    if not (drop := shutil.which("setpriv")):
        pytest.skip("setpriv (util-linux) is missing: root may write everywhere")
    without = [drop, "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-all"] if os.geteuid() == 0 else []
    tmp_path.chmod(0o555)
    try:
        ended = run(f"AnswerStore(Path({str(tmp_path / 'answers')!r}), Keys({KEY!r}))", without=without)
    finally:
        tmp_path.chmod(0o755)
    assert f"{tmp_path / 'answers'} cannot be written: see who may write to {tmp_path}" in ended.stderr


def test_a_path_that_is_no_file_or_lies_under_one_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for wrong in (tmp_path, tmp_path / "file" / "answers"):
        with pytest.raises(AnswersError, match="cannot be written: see who may write to"):
            AnswerStore(wrong, Keys(KEY))


def test_a_file_of_something_else_is_left_alone(tmp_path: Path) -> None:
    text, other = tmp_path / "text", tmp_path / "other"
    text.write_text("no database " * 1000)
    with sqlite3.connect(other) as db:
        db.execute("CREATE TABLE theirs (x)")
    db.close()
    for file in (text, other):
        before = file.read_bytes()
        with pytest.raises(AnswersError, match="is no store of answers"):
            AnswerStore(file, Keys(KEY))
        assert file.read_bytes() == before


def test_a_damaged_answer_is_told_and_nothing_is_lost(store: AnswerStore) -> None:
    store.keep_all(several(6))
    store._db.execute("UPDATE answers SET sealed = 'x' || sealed")
    with pytest.raises(AnswersError, match="is damaged: put it back from a backup"):
        store.publish(NEXT, Said())
    assert store._one("SELECT count(*) FROM answers") == 6


def test_a_full_disk_is_told_at_the_start(path: Path) -> None:
    path.parent.mkdir()
    limit = resource.RLIMIT_FSIZE
    full = f"import resource; resource.setrlimit({limit}, (9000, 9000)); "
    ended = run(f"{full}AnswerStore(Path({str(path)!r}), Keys({KEY!r}))")
    assert f"the disk of {path} is full, or takes nothing: make room; no answer that was kept is lost" in ended.stderr
    with AnswerStore(path, Keys(KEY)) as store:
        store.keep(answer(1))


def test_a_disk_that_fills_up_takes_a_round_whole_or_not_at_all(store: AnswerStore) -> None:
    store.keep_all(several(6))
    pages = store._one("PRAGMA page_count")
    store._db.execute(f"PRAGMA max_page_count = {pages + 2}")
    with pytest.raises(AnswersError, match="is full, or takes nothing"):
        store.keep_all([answer(n) for n in range(100, 150)])
    store._db.execute("PRAGMA max_page_count = 100000")
    store.keep_all([answer(n) for n in range(200, 203)])
    assert sorted(published(store, NEXT)) == sorted(answer(n).id for n in (*range(6), *range(200, 203)))


def test_several_threads_may_keep(store: AnswerStore) -> None:
    with ThreadPoolExecutor(4) as threads:
        assert all(f is None for f in threads.map(store.keep, several(80)))
    assert len(published(store, NEXT)) == 80


def test_a_store_that_is_killed_at_any_moment_loses_no_answer_and_says_none_early(
    tmp_path: Path, sample: Callable[[int, int], int], tally: Callable[[str, int], None]
) -> None:
    """One process after the other keeps answers and publishes in a time of its own; each is killed."""
    kills, dice = sample(100, 12), random.Random(11)
    kept, said = tmp_path / "kept", tmp_path / "said"
    command = [sys.executable, str(HERE / "answers_to_kill.py"), str(tmp_path / "store"), KEY, str(kept), str(said)]
    for _ in range(kills):
        before = kept.stat().st_size if kept.exists() else 0
        with subprocess.Popen([*command, "go"], cwd=HERE.parent) as process:
            while not kept.exists() or kept.stat().st_size == before:
                assert process.poll() is None
                time.sleep(0.005)
            time.sleep(dice.uniform(0, 0.3))
            process.kill()
    subprocess.run([*command, "end"], cwd=HERE.parent, check=True)
    acknowledged = [line.split() for line in lines_of(kept) if not line.endswith(BEGINS)]
    told = [line.split("\t") for line in lines_of(said)]
    by_id: dict[str, set[str]] = defaultdict(set)
    for week, key, value in told:
        one = decode(value.encode())
        assert one.time < MONDAY + int(week) * WEEK
        assert key == "finance"
        by_id[one.id].add(value)
    assert {len(values) for values in by_id.values()} == {1}, "said twice is said the same"
    missing = {answer_of(int(number), int(week)).id for week, number in acknowledged} - by_id.keys()
    assert not missing
    tally("kills of a store of answers", kills)
    tally("answers kept meanwhile", len(acknowledged))


# -- on Kafka


def test_a_week_on_a_broker(installation: Installation, store: AnswerStore) -> None:
    departments = ["finance", "people", "legal", ""]
    kept = [answer(number, department=departments[number % 4]) for number in range(40)]
    store.keep_all(kept)
    with Publisher(installation.settings) as publisher:
        assert store.publish(NEXT, publisher) == 40
        assert store.publish(NEXT, publisher) == 0
    held = installation.held("feedback")
    assert [*held] == [0], "leftovers of all departments come together, and the mark stands behind every answer"
    keys = Counter(key for key, _ in held[0])
    assert keys == {b"finance": 10, b"people": 10, b"legal": 10, b"survey": 10, PUBLISHED.encode(): 1}
    *there, mark = [decode(value) for _, value in held[0] if value is not None]
    assert isinstance(mark, Watermark)
    assert sorted(map(repr, there)) == sorted(map(repr, kept))
