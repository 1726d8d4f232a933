"""Which mails of a mailbox belong to one thread. It knows of each mail where it lies and two hashes: about 150 bytes a mail.

A mail's *parent* is the first that it names under References, else under In-Reply-To; a thread is all that leads to one *root*,
whether that is there or not. Of copies with the same Message-ID the one that was received first tells the parent.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from hashlib import blake2b
from typing import Any

from ingest.mail.header import parent_of

_SCHEMA = """
CREATE TABLE mail (folder TEXT, uid INTEGER, id INTEGER, parent INTEGER, received TEXT, PRIMARY KEY (folder, uid)) WITHOUT ROWID;
CREATE INDEX by_id ON mail (id);
CREATE INDEX by_parent ON mail (parent) WHERE parent IS NOT NULL;
"""
_PARENT = "SELECT parent FROM mail WHERE id = ? ORDER BY received, parent IS NULL, parent LIMIT 1"
_BELOW = "SELECT DISTINCT id FROM mail WHERE parent = ?"
_PLACES = "SELECT folder, uid FROM mail WHERE id = ?"


class MailIndex:
    """Mails are as ``ingest.mail.header.message_of`` gives them. What was once in a folder stays known until :meth:`forget`."""

    def __init__(self) -> None:
        self._known = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        self._known.executescript(_SCHEMA)

    def close(self) -> None:
        self._known.close()

    def forget(self, folder: str) -> None:
        self._known.execute("DELETE FROM mail WHERE folder = ?", (folder,))

    def add(self, mails: Iterable[Mapping[str, Any]]) -> None:
        """One without Message-ID belongs to no thread: nothing can name it."""
        rows = [
            (one["folder"], one["uid"], key(one["message_id"]), key(parent_of(one)), one["received"])
            for one in mails
            if one["message_id"]
        ]
        self._known.execute("BEGIN")
        self._known.executemany("INSERT OR REPLACE INTO mail VALUES (?, ?, ?, ?, ?)", rows)
        self._known.execute("COMMIT")

    def roots(self, ids: Iterable[str]) -> dict[str, int]:
        """Of each Message-ID the key of the root of its thread."""
        known: dict[int, int] = {}
        return {one: self._root(number, known) for one in ids if (number := key(one)) is not None}

    def _root(self, number: int, known: dict[int, int]) -> int:
        way = {number: None}
        at = number
        while at not in known:
            before = self._parent(at)
            if before is None:
                known[at] = at
            elif before in way:  # they name each other
                circle = [*way][[*way].index(before) :]
                known[at] = min(circle)
            else:
                way[before] = None
                at = before
        root = known[at]
        known.update(dict.fromkeys(way, root))
        return root

    def places(self, root: int) -> list[tuple[str, int]]:
        """Folder and UID of every mail of a thread, copies too."""
        found, below = {root}, [root]
        while below:
            at = below.pop()
            children = [one for (one,) in self._known.execute(_BELOW, (at,)) if one not in found]
            new = [one for one in children if self._parent(one) == at]
            found.update(new)
            below += new
        return [place for one in found for place in self._known.execute(_PLACES, (one,))]

    def _parent(self, number: int) -> int | None:
        return next((parent for (parent,) in self._known.execute(_PARENT, (number,))), None)


def key(message_id: str) -> int | None:
    """None of an empty one."""
    digest = blake2b(message_id.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True) if message_id else None
