"""A file in its own time: order, marks, spilled runs, and files that cannot be read."""

from __future__ import annotations

import gzip
import os
import random
import zipfile
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ingest.connector import BadFile, LogConnector, Rejected
from ingest.event import CaseEvent, Noted, Record, Watermark, decode, encode, event_id, watermark
from ingest.files import open_log
from ingest.replay import replay

DAY = datetime(2024, 3, 4, tzinfo=UTC)
TICK = timedelta(microseconds=1)


def noted(seconds: float, sequence: int = 0, native: str = "", who: str = "") -> Noted:
    return Noted(
        id=event_id("diary", native or f"{seconds}|{sequence}"),
        source="diary",
        subject="C1",
        time=DAY + timedelta(seconds=seconds),
        specversion="1.0",
        sequence=sequence,
        who=who,
    )


class Diary(LogConnector):
    """One line, one note: ``seconds sequence``; a line that says something else is bad."""

    name = "diary"
    source = "diary"

    def events(self, lines: Iterable[str], place: str) -> Iterator[CaseEvent | Rejected]:
        for number, line in enumerate(lines, 1):
            try:
                seconds, sequence = line.split()
                yield noted(float(seconds), int(sequence))
            except ValueError:
                yield Rejected(source=self.source, reason="no note", place=f"{place}:{number}")


@pytest.fixture
def diary(tmp_path: Path) -> Path:
    return tmp_path / "diary.txt"


def shown(items: Iterable[Record | Rejected]) -> list[str]:
    """``seconds`` of notes, ``| seconds`` of marks, ``! place`` of what was rejected."""
    lines = []
    for item in items:
        if isinstance(item, Rejected):
            lines.append(f"! {item.place.rpartition('/')[2]}")
        elif isinstance(item, Watermark):
            lines.append(f"| {(item.data.until - DAY) / timedelta(seconds=1):.6f}")
        else:
            lines.append(f"{(item.time - DAY) / timedelta(seconds=1):g}.{item.sequence}")
    return lines


def test_events_are_ordered_by_time_and_sequence(diary: Path) -> None:
    diary.write_text("30 1\n10 0\n30 0\n20 5\n")
    events = [item for item in replay(Diary(), diary) if isinstance(item, Noted)]
    assert [(e.time.second, e.sequence) for e in events] == [(10, 0), (20, 5), (30, 0), (30, 1)]


def test_marks_come_before_events_that_lie_a_gap_after_the_last_mark_and_at_the_end(diary: Path) -> None:
    diary.write_text("100 0\n159.999998 0\n159.999999 0\n170 0\n400 0\n400 1\n")
    assert shown(replay(Diary(), diary)) == [
        "| 99.999999",
        "100.0",
        "160.0",
        "| 159.999998",
        "160.0",
        "170.0",
        "| 399.999999",
        "400.0",
        "400.1",
        "| 400.000000",
    ]


def test_no_event_follows_a_mark_that_covers_it(diary: Path) -> None:
    times = random.Random(1)
    diary.write_text("".join(f"{times.randrange(3000)} 0\n" for _ in range(400)))
    until = DAY
    for item in replay(Diary(), diary, gap=timedelta(seconds=7)):
        assert not isinstance(item, Rejected)
        if isinstance(item, Watermark):
            assert item.data.until > until
            until = item.data.until
        else:
            assert item.time > until


def test_a_log_may_be_given_time_to_settle(diary: Path) -> None:
    diary.write_text("100 0\n")
    assert shown(replay(Diary(), diary, settle=timedelta(hours=1)))[-2:] == ["| 100.000000", "| 3700.000000"]


def test_a_log_without_events_has_no_time(diary: Path) -> None:
    diary.write_text("nothing\n")
    assert shown(replay(Diary(), diary)) == ["! diary.txt:1"]


def test_what_cannot_be_read_comes_as_it_is_found_and_the_rest_flows(diary: Path) -> None:
    diary.write_text("100 0\nscribble\n101 0\n")
    assert shown(replay(Diary(), diary)) == ["! diary.txt:2", "| 99.999999", "100.0", "101.0", "| 101.000000"]


def test_a_mark_says_of_which_source_and_is_the_same_in_every_replay() -> None:
    mark = watermark("diary", DAY)
    assert (mark.source, mark.subject, mark.time, mark.data.until) == ("diary", "diary", DAY, DAY)
    assert mark.id == event_id("diary", f"watermark|{DAY.isoformat()}")
    assert decode(encode(mark)) == mark


def test_the_same_file_gives_the_same_bytes_spilled_or_not(diary: Path) -> None:
    times = random.Random(2)
    diary.write_text("".join(f"{times.randrange(500)} {times.randrange(3)}\n" for _ in range(1000)))

    def all_bytes(chunk: int) -> list[bytes]:
        return [encode(item) for item in replay(Diary(), diary, chunk=chunk) if not isinstance(item, Rejected)]

    whole = all_bytes(10_000)
    assert all_bytes(1_000) == whole
    assert all_bytes(7) == whole
    assert all_bytes(1) == whole
    assert not [line for line in whole if b"observedtime" in line]


def test_two_records_with_one_id_both_pass(tmp_path: Path) -> None:
    class Twice(Diary):
        def events(self, lines: Iterable[str], place: str) -> Iterator[CaseEvent | Rejected]:
            del place
            for line in lines:
                yield noted(1, native="same", who=line.strip())

    path = tmp_path / "twice.txt"
    path.write_text("k1:aa\nk1:bb\n")
    for chunk in (1, 10):
        whos = {item.who for item in replay(Twice(), path, chunk=chunk) if isinstance(item, Noted)}
        assert whos == {"k1:aa", "k1:bb"}


def test_runs_on_disk_are_gone_at_the_end_and_when_the_reader_stops_early(diary: Path, tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    diary.write_text("".join(f"{n} 0\n" for n in range(50)))
    items = replay(Diary(), diary, chunk=5, scratch=scratch)
    next(items)
    assert sum(1 for folder in scratch.iterdir() for _ in folder.iterdir()) == 10
    for _ in items:
        pass
    assert list(scratch.iterdir()) == []
    items = replay(Diary(), diary, chunk=5, scratch=scratch)
    next(items)
    items.close()
    assert list(scratch.iterdir()) == []


def test_runs_on_disk_are_gone_when_the_file_turns_out_bad(diary: Path, tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    diary.write_bytes(b"1 0\n" * 20 + b"\xe9\n")
    with pytest.raises(BadFile, match="not UTF-8"):
        list(replay(Diary(), diary, chunk=5, scratch=scratch))
    assert list(scratch.iterdir()) == []


# -- the files themselves ------------------------------------------------------------------------------------------------


def lines_of(path: Path) -> list[str]:
    with open_log(path) as lines:
        return list(lines)


def test_lines_keep_their_ends_and_a_byte_order_mark_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_bytes("\ufeffnúmero,b\r\n1,2\n3".encode())
    assert lines_of(path) == ["número,b\r\n", "1,2\n", "3"]


def test_lines_are_whole_across_the_pieces_in_which_a_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    expected = [f"{'é' * (n % 997)},{n}\n" for n in range(500)]
    path.write_text("".join(expected), encoding="utf-8")
    assert lines_of(path) == expected


def test_gzip_and_a_zip_with_one_member_are_read_directly(tmp_path: Path) -> None:
    packed = tmp_path / "log.csv.gz"
    packed.write_bytes(gzip.compress(b"a\nb\n"))
    assert lines_of(packed) == ["a\n", "b\n"]
    archive = tmp_path / "log.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("export/log.csv", "a\nb\n")
        file.writestr("__MACOSX/log.csv", "junk")
    assert lines_of(archive) == ["a\n", "b\n"]


def bad(path: Path) -> BadFile:
    with pytest.raises(BadFile) as error:
        lines_of(path)
    assert str(path) in str(error.value)
    assert error.value.mend in str(error.value)
    return error.value


def test_a_zip_of_several_files_asks_which(tmp_path: Path) -> None:
    path = tmp_path / "logs.zip"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("a.csv", "a")
        file.writestr("b.csv", "b")
    assert "zip of 2 files (a.csv, b.csv)" in bad(path).reason


def test_a_missing_file_and_a_directory_say_so(tmp_path: Path) -> None:
    assert bad(tmp_path / "none.csv").reason == "does not exist"
    assert bad(tmp_path).reason == "is a directory"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_says_how_to_allow_it(tmp_path: Path) -> None:
    path = tmp_path / "secret.csv"
    path.write_text("a\n")
    path.chmod(0)
    assert "chmod" in bad(path).mend


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is empty"),
        (b"\xef\xbb\xbf", "is empty"),
        (b"a,b\n\x00\x01\x02", "is binary"),
        ("a,b\n".encode("utf-16"), "is UTF-16"),
        (b"a,b\r1,2\r", "CR alone"),
        (gzip.compress(b""), "is empty"),
        (gzip.compress(b"a,b\n" * 50_000)[:-40], "is damaged"),
        (b"PK\x03\x04 and then nothing", "damaged zip"),
    ],
)
def test_what_is_no_log_says_what_it_is(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "log"
    path.write_bytes(content)
    assert reason in bad(path).reason


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_a_byte_that_is_not_utf8_is_told_by_offset_and_line(tmp_path: Path, mark: bytes) -> None:
    path = tmp_path / "log.csv"
    path.write_bytes(mark + b"a,b\nRen\xe9,1\n")
    assert bad(path).reason == f"is not UTF-8: byte 0xe9 at offset {len(mark) + 7}, line 2"
    assert "iconv" in bad(path).mend
