"""The folder of an embedded installation: who may open it, what lies in it, and what is wrong with it in words."""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import msgspec

from deploy import serve
from deploy.embedded import Embedded
from deploy.log import Log, LogLocked
from ingest.identity import Identity
from sinks.clickhouse import connect
from sinks.store import StoreLocked, Unavailable
from streams.cases import IncompatibleState

DATA = Path("data")
LOG, STORE, KEY = "log.sqlite3", "store", "identity.key"
READ_AS = ", read as "
AGAIN = "put it back from a backup, or measure anew into another --data folder"


class Stopped(Exception):
    """Nothing is broken, and nothing can be done: the message says what to do."""


class Outdated(Stopped):
    """What was measured was measured by a crossdesk with other measures."""


@contextmanager
def opened(folder: Path, generation: int | None = None) -> Iterator[Embedded]:
    """Of the current generation, unless another is named. What was made here is removed again if nothing came of it: a wrong path
    must not leave the newest folder.
    """
    new = not folder.exists()
    stored = False
    refuse_unwritable(folder)
    try:
        with openable(folder), undamaged(folder):
            embedded = Embedded(folder, generation=generation)
        with embedded:
            try:
                with undamaged(folder):
                    yield embedded
            except Unavailable as error:
                if "space" in str(error):
                    full = f"the disk of {folder} is full: make room and start again; nothing that was stored is lost"
                    raise Stopped(full) from error
                raise Stopped(f"{folder / STORE}: {error}") from error
            finally:
                stored = any(map(embedded.log.position, map("source:{}".format, embedded.sources())))
    except BaseException:
        if new and not stored:
            shutil.rmtree(folder, ignore_errors=True)
        raise


def exists(folder: Path) -> None:
    """Neither SQLite nor chDB can read without writing."""
    if not (folder / LOG).is_file():
        raise Stopped(f"{folder} holds no data of crossdesk: `crossdesk demo` or `crossdesk replay` makes some")
    refuse_unwritable(folder)


def refuse_unwritable(folder: Path) -> None:
    for path in (folder, folder / LOG, folder / STORE, folder / KEY):
        if path.exists() and not os.access(path, os.R_OK | os.W_OK):
            raise Stopped(
                f"{path} may not be read and written by this user: ask its owner, or name another --data folder"
            )


@contextmanager
def log_of(folder: Path, generation: int | None = None) -> Iterator[Log]:
    """The log alone, of a folder that has one, as the current generation sees it unless another is named."""
    exists(folder)
    with undamaged(folder):
        with openable(folder):
            log = Log(folder / LOG, generation)
        with log:
            yield log


def in_use(folder: Path) -> str:
    address = serve.running(folder)
    if address is not None:
        return f"{folder} is served by process {address.pid}: stop it first; what only reads works meanwhile"
    return f"{folder} is being filled by another crossdesk, which answers once it serves: wait for it, or stop it"


@contextmanager
def undamaged(folder: Path) -> Iterator[None]:
    try:
        yield
    except (sqlite3.DatabaseError, msgspec.DecodeError) as error:
        raise Stopped(f"{folder / LOG} is damaged ({error}): {AGAIN}") from error


@contextmanager
def openable(folder: Path) -> Iterator[None]:
    try:
        yield
    except (LogLocked, StoreLocked) as error:
        raise Stopped(in_use(folder)) from error
    except IncompatibleState as error:
        raise Outdated(f"{folder}: {error}") from error
    except Unavailable as error:
        raise Stopped(f"{error}\nIf it is damaged, {AGAIN}") from error


def asked(folder: Path, path: str, question: dict[str, Any], patience: float = 120) -> bytes | None:
    """What the process says that serves the folder, within ``patience`` seconds; None where none does."""
    address = serve.running(folder)
    if address is None:
        return None
    try:
        return serve.ask(address, path, question, patience)
    except ValueError as error:
        raise Stopped(str(error)) from error


def ask_store(folder: Path, sql: str) -> bytes:
    exists(folder)
    if not (folder / STORE).is_dir():
        raise Stopped(f"{folder} holds no facts yet: `crossdesk replay` or `crossdesk demo` makes some")
    with openable(folder):
        store = connect(f"chdb://{(folder / STORE).resolve()}")
    try:
        return serve.queried(store, sql)
    finally:
        store.close()


def newest() -> Path:
    """The folder that was written last; which one is said on stderr."""
    logs = sorted(DATA.glob(f"*/{LOG}"), key=lambda log: max(f.stat().st_mtime for f in log.parent.glob(f"{LOG}*")))
    if not logs:
        raise click.UsageError("there is no data under ./data yet: name a folder with --data, or run `crossdesk demo`")
    folder = logs[-1].parent
    if len(logs) > 1 or sys.stderr.isatty():
        click.echo(f"(of {folder}, the newest)", err=True)
    return folder


def refuse_other_source(embedded: Embedded, name: str, folder: Path) -> None:
    others = [s for s in embedded.sources() if s != name]
    if others:
        same = others[0].partition(READ_AS)[0] == name.partition(READ_AS)[0]
        what = (
            "the same log, read with another mapping, zone, source or other bots"
            if same
            else f"another run: {others[0]}"
        )
        raise Stopped(
            f"{folder} already holds {what}\nThis one is: {name}\n"
            f"Name another folder with --data, or remove that one: rm -r {folder}"
        )


def identity_of(folder: Path) -> Identity:
    """The key of the pseudonyms lies beside the data: who loses it cannot tell persons apart from the past."""
    path = folder / KEY
    if not path.exists():
        serve.write_private(path, secrets.token_hex(32).encode())
    try:
        return Identity(bytes.fromhex(path.read_text().strip()), "k1")
    except ValueError:
        raise Stopped(
            f"{path} is damaged, and persons cannot be told apart without it: put it back from a backup, "
            "or name another folder with --data"
        ) from None


def digest(file: Path) -> str:
    """Names the content of a file."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()[:12]


def digest_of(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:6]
