"""Opens a log: text, gzip, or a zip with one member, in UTF-8 with or without a byte order mark."""

from __future__ import annotations

import gzip
import io
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO

from ingest.connector import BadFile

MAX_LINE_BYTES = 1 << 24
_HEAD_BYTES = 1 << 16
_BOM = b"\xef\xbb\xbf"
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")


@contextmanager
def open_log(path: Path) -> Iterator[Iterator[str]]:
    """The lines of ``path``, with their line ends, read as they are asked for.

    Raises :class:`BadFile`, while the lines are read too: a byte that is not UTF-8 shows only when it comes.
    """
    with ExitStack() as stack:
        try:
            stream = _unpacked(path, stack)
        except FileNotFoundError:
            raise BadFile("does not exist", "check the path", place=str(path)) from None
        except IsADirectoryError:
            raise BadFile("is a directory", "name the file inside it", place=str(path)) from None
        except PermissionError:
            raise BadFile(
                "may not be read", f"give this user the right to: chmod a+r {path}", place=str(path)
            ) from None
        except zipfile.BadZipFile as error:
            raise BadFile(f"is a damaged zip ({error})", "copy or export it again", place=str(path)) from None
        yield _lines(stream, str(path))


def read_text(path: Path) -> str:
    """The whole of a small text file, such as a mapping. Raises :class:`BadFile`."""
    with open_log(path) as lines:
        return "".join(lines)


def _unpacked(path: Path, stack: ExitStack) -> IO[bytes]:
    stream: IO[bytes] = stack.enter_context(path.open("rb"))
    magic = stream.read(4)
    stream.seek(0)
    if magic.startswith(b"\x1f\x8b"):
        return stack.enter_context(io.BufferedReader(gzip.GzipFile(fileobj=stream)))
    if magic != b"PK\x03\x04":
        return stream
    archive = stack.enter_context(zipfile.ZipFile(stream))
    members = [m for m in archive.infolist() if not m.is_dir() and not m.filename.startswith("__MACOSX/")]
    if len(members) != 1:
        names = ", ".join(m.filename for m in members[:5])
        raise BadFile(f"is a zip of {len(members)} files ({names})", "unpack it and name one of them", place=str(path))
    if members[0].flag_bits & 1:
        raise BadFile("is a zip with a password", "unpack it and name the file inside", place=str(path))
    return stack.enter_context(archive.open(members[0]))


def _lines(stream: IO[bytes], place: str) -> Iterator[str]:
    offset = 0
    number = 0
    try:
        for number, raw in enumerate(_raw_lines(stream, place), 1):
            text = raw.decode()
            yield text.removeprefix("\ufeff") if number == 1 else text
            offset += len(raw)
    except UnicodeDecodeError as error:
        raise BadFile(
            f"is not UTF-8: byte {error.object[error.start]:#04x} at offset {offset + error.start}, line {number}",
            "export it as UTF-8, or convert it: iconv -f WINDOWS-1252 -t UTF-8",
            place=place,
        ) from None
    except (EOFError, zlib.error, gzip.BadGzipFile, zipfile.BadZipFile) as error:
        raise BadFile(f"is damaged after line {number} ({error})", "copy or export it again", place=place) from None


def _raw_lines(stream: IO[bytes], place: str) -> Iterator[bytes]:
    """A byte order mark is left in front of the first line, for the offsets; decoding drops it."""
    head = stream.read(_HEAD_BYTES)
    if not head.removeprefix(_BOM):
        raise BadFile("is empty", "export it again", place=place)
    if head.startswith(_UTF_16):
        raise BadFile("is UTF-16", "export it as UTF-8, or convert it: iconv -f UTF-16 -t UTF-8", place=place)
    if b"\0" in head:
        raise BadFile("is binary, not text", "export the log as CSV or NDJSON", place=place)
    if b"\r" in head and b"\n" not in head:
        raise BadFile("has line ends of CR alone", "convert it: tr '\\r' '\\n'", place=place)
    rest = head
    while True:
        start = 0
        while (end := rest.find(b"\n", start) + 1) > 0:
            yield rest[start:end]
            start = end
        rest = rest[start:]
        if len(rest) > MAX_LINE_BYTES:
            raise BadFile(f"has a line of more than {MAX_LINE_BYTES >> 20} MiB", "export one row a line", place=place)
        more = stream.read(_HEAD_BYTES)
        if not more:
            break
        rest += more
    if rest:
        yield rest
