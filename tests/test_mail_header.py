"""Whatever stands in the header of a mail: it becomes events or is rejected with a reason, and two that differ stay different."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from ingest import event as e
from ingest.connector import Rejected
from ingest.connectors.mailbox import Mailbox
from ingest.identity import Identity, People
from ingest.mail.header import FIELDS, message_of, parent_of, parts
from ingest.mail.index import MailIndex, key

ATTRIBUTES = b'7 (UID 7 INTERNALDATE " 2-Mar-2026 09:00:00 +0100" SAVEDATE NIL BODY[HEADER.FIELDS (From)] {9}'
HEADER = b"\r\n".join(
    (
        b"Message-ID: <one@example.org>",
        b"In-Reply-To: <none@example.org>",
        b"References: <none@example.org>\r\n <other@example.org>",
        b'From: "Prado, Ana" <ana.prado@example.org>',
        b"Sender: ana.prado@example.org",
        b"Reply-To: Ana <ana.prado@example.org>",
        b"To: The desk: support@desk.example.org, Bo (at work) <bo.lind@desk.example.org>;",
        b"Cc: =?utf-8?q?D=C3=A9e?= <dee.novak@example.org>",
        b"Auto-Submitted: no",
        b"Precedence: normal",
        b"List-Id: Desk <desk.lists.example.org>",
        b"Return-Path: <ana.prado@example.org>",
        b"",
        b"",
    )
)
MAILBOX = Mailbox.model_validate(
    {
        "source": "mail",
        "user": "desk",
        "team": ["support@desk.example.org"],
        "group": "support",
        "lists": ["desk.lists.example.org"],
    }
)
PEOPLE = People(Identity(b"a key of the tests, no secret", "k1"), "mail")
PIECES = (
    b"(" * 5_000, b")" * 50, b"<" * 900, b">" * 900, b'"' * 3, b"\\" * 7, b"@@", b",;:,", b"\r\n ", b"\r\n\t\r\n", b"\r", b"\n",
    b"\0", b"\xff\xfe", "日本 ü".encode(), b"=?utf-8?b?////?=", b"=?nonsense?q?=00?=", b"=?utf-16?q?=D8=00?=", b"a" * 70_000,
    b"<a@b>" * 3_000, b": ", b"From:", b"Message-ID: <two@example.org>\r\n", b"\x80", b"[1.2.3.4]", b"%s%n{}", b"\xed\xa0\x80",
)  # fmt: skip


def read(header: bytes, attributes: bytes = ATTRIBUTES) -> dict[str, Any]:
    return message_of("INBOX", attributes, header)


def told(*messages: dict[str, Any]) -> list[Any]:
    return list(MAILBOX.parse({"root": "<none@example.org>", "messages": list(messages)}, PEOPLE))


def broken(rnd: random.Random) -> bytes:
    header = bytearray(HEADER)
    for _ in range(rnd.randrange(1, 8)):
        at = rnd.randrange(len(header))
        what = rnd.randrange(4)
        if what == 0:
            header[at:at] = rnd.choice(PIECES)
        elif what == 1:
            header[at] = rnd.randrange(256)
        elif what == 2:
            del header[at : at + rnd.randrange(40)]
        else:
            line = rnd.choice(FIELDS.split()).encode() + b": " + rnd.choice(PIECES)
            header[at:at] = b"\r\n" + line + b"\r\n"
    return bytes(header[: rnd.choice((len(header), len(header), rnd.randrange(len(header)) + 1))])


def test_a_header_is_read_as_it_is_meant() -> None:
    message = read(HEADER)
    assert message["received"] == "2026-03-02T08:00:00+00:00"
    assert message["message_id"] == "<one@example.org>"
    assert message["references"] == ["<none@example.org>", "<other@example.org>"]
    assert message["from"] == ["ana.prado@example.org"]
    assert message["to"] == ["support@desk.example.org", "bo.lind@desk.example.org"]
    assert message["cc"] == ["dee.novak@example.org"]
    assert message["list_id"] == "desk.lists.example.org"
    assert [type(one) for one in told(message)] == [e.Created, e.Routed]


def test_whatever_is_broken_in_a_header_makes_events_or_is_rejected(
    sample: Callable[[int, int], int], tally: Callable[[str, int], None]
) -> None:
    rnd, rejected = random.Random(7), 0
    number = sample(50_000, 2_000)
    for _ in range(number):
        message = read(broken(rnd))
        made = told(message)
        index = MailIndex()
        index.add([message])
        index.close()
        for one in made:
            if isinstance(one, Rejected):
                rejected += 1
                assert one.reason
                assert one.place == "INBOX:7"
            else:
                assert e.decode(e.encode(one)) == one
        silent = not made
        assert not silent or automatic(message), "it was neither told nor rejected"
    assert 0 < rejected < number
    tally("broken headers", number)


def automatic(message: dict[str, Any]) -> bool:
    return (
        message["auto_submitted"] != "no"
        or message["precedence"] != "normal"
        or message["list_id"] != "desk.lists.example.org"
        or message["return_path"] == ""
        or bool(message["auto_response_suppress"] or message["auto_reply"])
        or "support@desk.example.org" in message["from"]
        or any(one.startswith("mailer-daemon") for one in message["from"])
    )


@pytest.mark.parametrize(
    ("header", "addresses"),
    [
        ("ana@example.org", ["ana@example.org"]),
        ("Ana Prado <Ana@Example.org>", ["ana@example.org"]),
        ('"support@desk.example.org" <ana@example.org>', ["ana@example.org"]),
        ("support@desk.example.org <ana@example.org>", []),
        ("<support@desk.example.org>ana@example.org", []),
        ("ana@example.org, Bo <bo@example.org>", ["ana@example.org", "bo@example.org"]),
        ("undisclosed-recipients:;", []),
        ("root", []),
        ("(" * 20_000, []),
        ("", []),
    ],
)
def test_an_address_is_read_or_there_is_none(header: str, addresses: list[str]) -> None:
    assert read(f"From: {header}\r\n\r\n".encode())["from"] == addresses


def test_two_that_write_otherwise_than_in_ascii_are_two() -> None:
    written = [f"{name}@example.org".encode(code) for name in ("jörg", "jürg") for code in ("utf-8", "latin-1")]
    found = {read(b"From: " + one + b"\r\n\r\n")["from"][0] for one in written}
    assert found == {"jörg@example.org", "jürg@example.org"}


@pytest.mark.parametrize("said", ["30-Feb-2026 09:00:00 +0100", "yesterday", " 1-Jan-0001 00:00:00 +1400", ""])
def test_an_instant_of_the_server_that_is_none_rejects_that_mail_and_no_other(said: str) -> None:
    one = message_of("INBOX", f'1 (UID 1 INTERNALDATE "{said}" BODY[]'.encode(), HEADER)
    other = read(HEADER.replace(b"<one@", b"<two@"))
    made = told(one, other)
    assert [made[0].reason.partition(" '")[0], *(type(each) for each in made[1:])] == [
        "impossible time",
        e.Created,
        e.Routed,
    ]


def test_an_answer_to_fetch_is_taken_apart_however_it_is_put() -> None:
    given = [
        (b"1 (UID 5 BODY[HEADER.FIELDS (From)] {6}", b"From:\r"),
        b' INTERNALDATE " 2-Mar-2026 09:00:00 +0100")',
        b"2 (FLAGS (\\Seen) UID 6)",
        b'3 (UID 7 BODY[HEADER.FIELDS (From)] "")',
        (b"4 (UID 8 BODY[HEADER.FIELDS (From)] {2}", b"\r\n"),
        b")",
        None,
    ]
    found = [(message_of("INBOX", *part)["uid"], message_of("INBOX", *part)["received"]) for part in parts(given)]
    assert found == [(5, "2026-03-02T08:00:00+00:00"), (7, ""), (8, "")]


# -- threads


def named(
    number: int, *references: int, before: int | None = None, uid: int | None = None, at: str = "2026"
) -> dict[str, Any]:
    return {
        "folder": "INBOX",
        "uid": number if uid is None else uid,
        "message_id": f"<{number}>",
        "references": [f"<{one}>" for one in references],
        "in_reply_to": [] if before is None else [f"<{before}>"],
        "received": at,
    }


def test_of_two_with_one_name_the_first_that_was_received_tells_where_it_belongs() -> None:
    index = MailIndex()
    index.add([named(1), named(2), named(3, 2, uid=30, at="2026-02"), named(3, 1, uid=31, at="2026-01")])
    assert index.roots(["<3>"]) == {"<3>": key("<1>")}
    assert sorted(index.places(index.roots(["<1>"])["<1>"])) == [("INBOX", 1), ("INBOX", 30), ("INBOX", 31)]
    assert index.places(index.roots(["<2>"])["<2>"]) == [("INBOX", 2)]
    index.forget("INBOX")
    assert index.places(index.roots(["<1>"])["<1>"]) == []
    index.close()


def test_every_mail_is_in_one_thread_whoever_names_whom(sample: Callable[[int, int], int]) -> None:
    rnd = random.Random(11)
    for _ in range(sample(5_000, 200)):
        mails = [
            named(
                rnd.randrange(8),
                *rnd.sample(range(8), rnd.choice((0, 0, 1, 2))),
                before=rnd.choice((None, rnd.randrange(8))),
                uid=uid,
                at=str(rnd.randrange(3)),
            )
            for uid in range(10)
        ]
        index = MailIndex()
        index.add(mails)
        roots = index.roots({one["message_id"] for one in mails})
        placed = [place for root in set(roots.values()) for place in index.places(root)]
        assert sorted(placed) == [("INBOX", uid) for uid in range(10)]
        for one in mails:
            assert ("INBOX", one["uid"]) in index.places(roots[one["message_id"]])
        index.close()


def test_a_mail_that_names_itself_begins_a_thread() -> None:
    assert parent_of(named(1, 1, before=1)) == ""
    assert parent_of(named(1, 1, before=2)) == "<2>"
