"""Any log in CSV or NDJSON, read through a mapping file (``ingest/mapping.py`` says what it may contain)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from ingest.changes import Row
from ingest.connector import LogConnector, Rejected
from ingest.event import CaseEvent, Unreadable
from ingest.identity import Identity
from ingest.mapping import LogMapping
from ingest.rows import csv_rows, ndjson_rows
from ingest.translate import Translator


class EventLog(LogConnector):
    """One row is one change of a case. All rows are held, as pseudonyms and shared texts: a log may have any order."""

    name = "event_log"

    def __init__(
        self,
        source: str,
        identity: Identity,
        *,
        mapping: LogMapping | None,
        zone: str = "",
        bots: Collection[str] = (),
    ) -> None:
        """``zone`` goes before the mapping's own; ``bots`` are ids of actors who are no persons.

        Raises ``ingest.times.UnknownZone``.
        """
        if mapping is None:
            raise ValueError(f"source {source!r}: an event_log needs a mapping file; ingest/mapping.py has an example")
        self.source = source
        self._mapping = mapping
        self._translator = Translator(mapping, source, identity, where=zone, bots=bots)

    def events(self, lines: Iterable[str], place: str) -> Iterator[CaseEvent | Rejected]:
        """What cannot be read comes first, then the cases in the order of their first rows."""
        mapping, translator = self._mapping, self._translator
        if mapping.format == "csv":
            rows = csv_rows(lines, translator.columns, place=place, delimiter=mapping.delimiter)
        else:
            rows = ndjson_rows(lines, translator.columns)
        cases: dict[str, list[Row]] = {}
        for number, values in rows:
            try:
                if isinstance(values, Unreadable):
                    raise values
                row = translator.row(values, number)
            except Unreadable as error:
                where = f"{place}:{number}"
                yield Rejected(source=self.source, reason=error.reason, place=where, subject=error.subject)
            else:
                cases.setdefault(row.subject, []).append(row)
        for of_case in cases.values():
            yield from translator.case(of_case, place)
            of_case.clear()
