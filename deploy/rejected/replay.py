"""What could not be read is read again, and said under its case where it can be by now.

What lies on the topic of events is read there; what a connector rejected is asked for again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from deploy.rejected.ledger import REPLAYED, Row, handled
from ingest import event as e
from ingest.api import SourceDown
from ingest.connector import Api, Connector, Document, Refused, Rejected
from ingest.intake import Intake, Sink

GONE = 404


class NotReplayed(Exception):
    """It cannot be read, or not be asked for: the message says why, and how to mend that."""


class Origin(NamedTuple):
    """A source that can be asked."""

    intake: Intake
    api: Api


class Replay:
    """``held`` gives what lies at a partition and offset of the events, None where nothing does any more; ``origin`` the source of
    that name, and raises :class:`NotReplayed` where it has no API.
    """

    def __init__(self, sink: Sink, held: Callable[[int, int], bytes | None], origin: Callable[[str], Origin]) -> None:
        self._sink, self._held, self._origin = sink, held, origin
        self._case: tuple[tuple[str, str], Sequence[Document]] | None = None

    def replay(self, row: Row, mended: bytes | None = None) -> None:
        """It is durable, and handled, when this returns. ``mended``: the event as it should have been. Raises
        :class:`NotReplayed`, and ``ingest.broker.BrokerUnavailable``: then it may have been said, and can be again.
        """
        if mended is not None:
            self._say(mended, "the mended one")
        elif row.of_events:
            self._read_again(row)
        else:
            self._ask_again(row)
        self._sink.settle()
        self._sink.say("rejected", row.key, handled(row, REPLAYED))
        self._sink.settle()

    def _read_again(self, row: Row) -> None:
        value = self._held(row.partition, row.offset)
        if value is None:
            raise NotReplayed(
                "is not among the events any more: send it again from its source, and discard this record of it"
            )
        self._say(value, "it")

    def _say(self, value: bytes, what: str) -> None:
        try:
            record = e.decode(value)
        except e.Unreadable as error:
            raise NotReplayed(
                f"{what} cannot be read: {error.reason}; write the event as it should be into a file and replay it with"
                " --mended FILE, or discard it"
            ) from None
        if isinstance(record, e.InternalEvent):
            raise NotReplayed("is what one case told another, which `crossdesk rebuild` has told anew")
        if len(value) > e.MAX_RECORD_BYTES:
            raise NotReplayed(f"{what} has {len(value):,} bytes, and {e.MAX_RECORD_BYTES:,} is the most")
        self._sink.say("events", "" if isinstance(record, e.Mark) else record.key, value)

    # -- what a connector rejected
    def _ask_again(self, row: Row) -> None:
        if not row.subject:
            raise NotReplayed(f"no case is known of it: {_send_again(row)}")
        intake, api = self._origin(row.source)
        if type(intake.connector).case is Connector.case:
            raise NotReplayed(f"its source cannot be asked for one case: {_send_again(row)}")
        documents = self._documents(row, intake, api)
        if not documents:
            raise NotReplayed(f"the source has no case {row.subject} any more: discard it")
        if unread := _unread(intake, documents, row):
            raise NotReplayed(f"the case was asked for again, and still: {unread}")
        intake.take(documents)
        intake.settle()

    def _documents(self, row: Row, intake: Intake, api: Api) -> Sequence[Document]:
        """Several records of one case ask for it once."""
        case = (row.source, row.subject)
        if self._case is None or self._case[0] != case:
            try:
                self._case = case, intake.connector.case(api, row.subject)
            except Refused as refused:
                if refused.status == GONE:
                    return ()
                raise NotReplayed(f"the source refuses: {refused}") from None
            except (SourceDown, e.Unreadable) as error:
                raise NotReplayed(f"the source does not answer, try again later: {error}") from None
        return self._case[1]


def _unread(intake: Intake, documents: Iterable[Document], row: Row) -> str:
    """Why it cannot be read now either. What else of the case cannot be is another record's concern."""
    for document in documents:
        for made in intake.connector.parse(document, intake.people):
            if isinstance(made, Rejected) and (made.place == row.place or not row.place or not made.place):
                return made.reason
    return ""


def _send_again(row: Row) -> str:
    what = f"mend {row.place}" if row.place else "mend what it names"
    return f"{what}, send that again, and discard this record of it"
