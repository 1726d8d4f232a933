"""The mailbox against Debian's dovecot: of each mail only what its page names is asked for, it is told once, nothing is lost."""

from __future__ import annotations

import re
import resource
import socket
import ssl
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from datetime import UTC, datetime
from imaplib import IMAP4_SSL
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import trustme
from dovecot import HOST, PASSWORD, Dovecot

from deploy.kafka.broker import free_port
from ingest import event as e
from ingest.api import SourceDown
from ingest.connector import Page, Refused, Rejected
from ingest.connectors.mailbox import Mailbox
from ingest.identity import Identity, People
from ingest.mail.header import FIELDS
from ingest.mail.imap import AT_ONCE, ImapApi

DESK, BO, ROBOT = "support@desk.example.org", "bo.lind@desk.example.org", "robot@desk.example.org"
ANA, DEE = "ana.prado@example.org", "dee.novak@example.org"
START = datetime(2026, 3, 2, 8, tzinfo=UTC).timestamp()
NOW = datetime(2026, 3, 9, 12, tzinfo=UTC)
MINUTE = 60.0
LATER = START + 60 * MINUTE
HIDDEN = "a subject that nobody reads"
BODY = "words of a body that nobody reads"
PAGE = Path(__file__).parents[1] / "docs" / "connectors" / "mailbox.md"
MOST_MEMORY = 12 * 1024 * 1024


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def server(authority: trustme.CA) -> Iterator[Dovecot]:
    with Dovecot(authority) as running:
        yield running


_numbers = count()


class Desk:
    """A mailbox of a test's own, and its connector."""

    def __init__(self, server: Dovecot) -> None:
        self.server, self.user = server, f"desk{next(_numbers)}"
        self.maildir = server.mailbox(self.user)
        self._files = count()

    def connector(self, **settings: Any) -> Mailbox:
        ours = {"team": [DESK, BO], "bots": [ROBOT], "group": "support", "folders": ["INBOX", "Sent"]}
        return Mailbox.model_validate({"source": "mail", "user": self.user, **ours, **settings})

    def put(self, *mails: bytes, folder: str = ".", at: float = START) -> None:
        """A minute apart. There is a folder *Sent* too."""
        self.server.put(self.user, ".Sent", {})
        there = {f"{next(self._files)}.M.h": (mail, at + MINUTE * number) for number, mail in enumerate(mails)}
        self.server.put(self.user, folder, there)

    def api(self, *, port: int = 0, secret: str = PASSWORD) -> ImapApi:
        url = f"imaps://{HOST}:{port or self.server.tls}"
        return ImapApi(url, user=self.user, secret=secret, ca_file=self.server.ca_file)

    def client(self) -> IMAP4_SSL:
        return self.server.client(self.user)


@pytest.fixture
def desk(server: Dovecot) -> Desk:
    return Desk(server)


def mail(number: object, writer: str = ANA, to: str = DESK, *headers: str, answers: object = None) -> bytes:
    lines = [f"From: Some Body <{writer}>", f"To: <{to}>", f"Subject: {HIDDEN}", *headers]
    if number is not None:
        lines.append(f"Message-ID: <{number}@example.org>")
    if answers is not None:
        lines += [f"In-Reply-To: <{answers}@example.org>", f"References: <{answers}@example.org>"]
    return "\r\n".join([*lines, "", BODY, ""]).encode()


def pages(desk: Desk, cursor: str = "", api: ImapApi | None = None, **settings: Any) -> list[Page]:
    if api is not None:
        return list(desk.connector(**settings).fetch(api, cursor, NOW))
    with desk.api() as own:
        return list(desk.connector(**settings).fetch(own, cursor, NOW))


def made(desk: Desk, told: Sequence[Page], **settings: Any) -> list[Any]:
    people = People(Identity(b"a key of the tests, no secret", "k1"), "mail")
    connector = desk.connector(**settings)
    return [one for page in told for document in page.documents for one in connector.parse(document, people)]


def events(desk: Desk, told: Sequence[Page], **settings: Any) -> dict[str, bytes]:
    """By their id; the same event is the same whenever it is told."""
    found: dict[str, bytes] = {}
    for one in made(desk, told, **settings):
        if not isinstance(one, Rejected):
            assert found.setdefault(one.id, e.encode(one)) == e.encode(one)
    return found


def kinds(desk: Desk, told: Sequence[Page], **settings: Any) -> Counter[str]:
    found = {one.id: type(one).__name__ for one in made(desk, told, **settings) if not isinstance(one, Rejected)}
    return Counter(found.values())


def reasons(desk: Desk, told: Sequence[Page]) -> list[str]:
    return [one.reason for one in made(desk, told) if isinstance(one, Rejected)]


def lines(said: bytes) -> list[str]:
    """Without the instants that the server's record begins each with."""
    return [line.partition(" ")[2] for line in said.decode().splitlines()]


# -- what is asked


def test_only_the_headers_that_the_page_names_are_asked_for_and_no_mail_becomes_read(desk: Desk) -> None:
    desk.put(mail(1))
    desk.put(mail(2, BO, ANA, answers=1), folder=".Sent", at=START + MINUTE)
    told = pages(desk)
    assert kinds(desk, told) == {"Created": 1, "Routed": 1, "Replied": 1}
    asked, answered = desk.server.said(desk.user)
    fields = {name.casefold() for name in FIELDS.split()}
    commands = set()
    for line in lines(asked):
        _, command, *_ = line.replace("UID FETCH", "UID-FETCH").split()
        commands.add(command)
        for body in re.findall(r"\b(?:BODY|RFC822|ENVELOPE)\S*.*", line):
            named = re.fullmatch(r"BODY\.PEEK\[HEADER\.FIELDS \(([\w\- ]+)\)\]\)", body)
            assert named, f"asked for more than headers: {line}"
            assert {name.casefold() for name in named[1].split()} <= fields
    assert commands == {"CAPABILITY", "EXAMINE", "FETCH", "UID-FETCH", "LOGOUT"}
    assert "UID FETCH 1 (UID INTERNALDATE SAVEDATE BODY.PEEK" in asked.decode(), (
        "the answer's page asks for what it answers"
    )
    assert b"Message-ID: <1@example.org>" in answered
    assert HIDDEN.encode() not in answered
    assert BODY.encode() not in answered
    assert not {"subject", "date", "received"} & fields
    with closing_client(desk) as client:
        client.select("INBOX", readonly=True)
        assert client.search(None, "UNSEEN") == ("OK", [b"1"])


def test_the_page_names_every_field_that_is_asked_for() -> None:
    section = PAGE.read_text().partition("## What is read")[2].partition("##")[0]
    assert not [name for name in FIELDS.split() if not re.search(rf"(?<![\w-]){name}(?![\w-])", section)]


# -- what is told


def test_a_thread_is_a_case_and_a_copy_of_our_answer_is_the_same_answer(desk: Desk) -> None:
    answer = mail(2, BO, ANA, f"Cc: {DESK}", answers=1)
    desk.put(mail(1), b"Return-Path: <bo.lind@desk.example.org>\r\n" + answer, mail(3, ANA, DESK, answers=1))
    desk.put(answer, at=START + MINUTE, folder=".Sent")
    desk.put(mail(9, DEE), at=START + 9 * MINUTE)
    told = pages(desk)
    assert kinds(desk, told) == {"Created": 2, "Routed": 2, "Replied": 1, "RequesterReplied": 1}
    subjects = {one.subject for one in made(desk, told)}
    assert len(subjects) == 2
    answers = {e.encode(one) for one in made(desk, told) if isinstance(one, e.Replied)}
    assert len(answers) == 1


def test_who_answers_by_in_reply_to_alone_or_names_only_the_one_before_is_in_the_thread(desk: Desk) -> None:
    only_before = "In-Reply-To: <2@example.org>", "References: <2@example.org>"
    desk.put(
        mail(1),
        mail(2, BO, ANA, "In-Reply-To: <1@example.org>"),
        mail(3, ANA, DESK, *only_before),
        mail(4, BO, ANA, "References: <3@example.org>"),
        mail("5 in two lines", ANA, DESK, "References: <1@example.org>\r\n <2@example.org>").replace(
            b"<5 in two lines@", b"\r\n <5.in.two.lines@"
        ),
        mail(6, BO, ANA, "In-Reply-To: <5.in.two.lines@example.org>"),
    )
    told = pages(desk)
    assert kinds(desk, told) == {"Created": 1, "Routed": 1, "Replied": 3, "RequesterReplied": 2}
    assert len({one.subject for one in made(desk, told)}) == 1


def test_mails_that_answer_each_other_are_one_thread(desk: Desk) -> None:
    desk.put(mail(1, answers=3), mail(2, BO, ANA, answers=1), mail(3, ANA, DESK, answers=2))
    told = pages(desk)
    assert kinds(desk, told) == {"Created": 1, "Routed": 1, "Replied": 1, "RequesterReplied": 1}


@pytest.mark.parametrize(
    "header",
    [
        "Auto-Submitted: auto-replied (vacation)",
        "Precedence: bulk",
        "Precedence: Auto_Reply",
        "X-Auto-Response-Suppress: OOF",
        "X-Autoreply: yes",
        "X-Autorespond: I am away",
        "List-Id: News of everybody <news.lists.example.org>",
        "List-Unsubscribe: <mailto:leave@example.org>",
        "Return-Path: <>",
    ],
)
def test_a_machine_neither_asks_nor_answers_as_a_person(desk: Desk, header: str) -> None:
    desk.put(
        mail(1), mail(2, ANA, DESK, header, answers=1), mail(3, BO, ANA, header, answers=1), mail(4, DEE, DESK, header)
    )
    assert kinds(desk, pages(desk)) == {"Created": 1, "Routed": 1, "BotReplied": 1}


def test_who_says_that_nothing_was_automatic_is_believed(desk: Desk) -> None:
    desk.put(mail(1, ANA, DESK, "Auto-Submitted: no (written by hand)"), mail(2, ROBOT, ANA, answers=1))
    assert kinds(desk, pages(desk)) == {"Created": 1, "Routed": 1, "BotReplied": 1}


def test_persons_who_write_over_a_list_of_the_team_are_persons(desk: Desk) -> None:
    listed = (
        "List-Id: The desk <Desk.lists.example.org>",
        "Precedence: bulk",
        "List-Unsubscribe: <mailto:leave@example.org>",
    )
    answer = mail(2, BO, ANA, answers=1)
    desk.put(mail(1, ANA, DESK, *listed), mail(2, BO, ANA, *listed, answers=1))
    desk.put(answer, folder=".Sent", at=START + MINUTE / 2)
    told = pages(desk)
    assert kinds(desk, told, lists=["desk.lists.example.org"]) == {"Created": 1, "Routed": 1, "Replied": 1}
    assert kinds(desk, told) == {}


def test_who_wrote_it_counts_and_not_who_sent_it_for_them(desk: Desk) -> None:
    desk.put(mail(1, ANA, DESK, f"Sender: {DESK}"), mail(2, DESK, ANA, f"Sender: {BO}", answers=1))
    told = pages(desk)
    assert kinds(desk, told) == {"Created": 1, "Routed": 1, "Replied": 1}
    identity = Identity(b"a key of the tests, no secret", "k1")
    who = {type(one): one.who for one in made(desk, told)}
    assert who[e.Created] == identity.pseudonym(ANA, "mail")
    assert who[e.Replied] == identity.pseudonym(BO, "mail")


def test_what_cannot_be_told_apart_is_rejected_and_the_rest_is_told(desk: Desk) -> None:
    desk.put(
        mail(None),
        mail(2, ANA, DESK, "Date: yesterday, or so"),
        mail(2, ANA, DESK, "Date: Mon, 31 Feb 2026 99:00:00 +9999"),
        mail(2, DEE),
        mail(3, "nobody in particular"),
        mail("").replace(b"<@example.org>", b"4@example.org"),
        mail(5, DEE, DESK, answers=4),
    )
    told = pages(desk)
    assert kinds(desk, told) == {"Created": 2, "Routed": 2, "RequesterReplied": 1}
    assert sorted(set(reasons(desk, told))) == [
        "a mail without From: nothing tells who wrote it",
        "a mail without Message-ID: nothing tells which it is once it is moved",
        "somebody else sent a mail with its Message-ID before: nothing tells them apart",
    ]
    created = [one for one in made(desk, told) if isinstance(one, e.Created)]
    assert datetime.fromtimestamp(START + MINUTE, UTC) in {one.time for one in created}, "dated by when it was received"


def test_a_mail_that_is_moved_makes_no_event_but_that_it_is_solved(desk: Desk) -> None:
    folders: dict[str, Any] = {"folders": ["INBOX", "Sent", "Later"], "done": ["Done"]}
    for name in (".Later", ".Done"):
        desk.put(folder=name)
    desk.put(mail(1), mail(2, BO, ANA, answers=1))
    with desk.api() as api:
        first = pages(desk, api=api, **folders)
        moved(desk, "1", "INBOX", "Later")
        second = pages(desk, first[-1].cursor, api, **folders)
        assert events(desk, second, **folders) == events(desk, first, **folders)
        moved(desk, "1", "Later", "Done")
        third = pages(desk, second[-1].cursor, api, **folders)
    assert [document for page in third for document in page.documents]
    assert kinds(desk, third, **folders) == {"Created": 1, "Routed": 1, "Replied": 1, "Solved": 1}
    assert events(desk, third, **folders).items() >= events(desk, first, **folders).items()


def test_a_mail_that_is_deleted_while_it_is_read_is_told(desk: Desk) -> None:
    desk.put(mail(1), mail(2, ANA, DESK, answers=1))

    class Deleting(ImapApi):
        def get(self, path: str, query: Mapping[str, str] = {}) -> Any:
            if path == "THREADS":
                with closing_client(desk) as client:
                    client.select("INBOX")
                    client.store("2", "+FLAGS", r"\Deleted")
                    client.expunge()
            return super().get(path, query)

    with Deleting(
        f"imaps://{HOST}:{desk.server.tls}", user=desk.user, secret=PASSWORD, ca_file=desk.server.ca_file
    ) as api:
        told = pages(desk, api=api)
    assert kinds(desk, told) == {"Created": 1, "Routed": 1, "RequesterReplied": 1}


def test_folders_that_are_numbered_anew_are_read_again_and_tell_the_same(desk: Desk) -> None:
    desk.put(mail(1), mail(3, DEE))
    desk.put(
        mail(8, BO, "else@example.org"),
        mail(2, BO, ANA, answers=1),
        mail(9, BO, DEE, answers=3),
        folder=".Sent",
        at=LATER,
    )
    with desk.api() as api:
        first = pages(desk, api=api)
        again = pages(desk, first[-1].cursor, api)
        assert [page.documents for page in again] == [[]]
        desk.server.stop()
        for path in (
            *desk.maildir.rglob("dovecot[-.][!uk]*"),
            *desk.maildir.rglob("dovecot-uidlist"),
            *desk.maildir.glob(".Sent/cur/2.*"),
        ):
            path.unlink()  # the first of Sent: each behind it has another number now
        desk.server.start()
        desk.put(mail(4, ANA, DESK, answers=1), at=LATER + 9 * MINUTE)
        second = pages(desk, again[-1].cursor, api)
    assert not [old for old, new in zip(validity(first[-1]), validity(second[-1]), strict=True) if old == new]
    assert kinds(desk, first) == {"Created": 2, "Routed": 2, "Replied": 2}
    assert kinds(desk, second) == kinds(desk, first) + Counter(RequesterReplied=1)
    both = events(desk, [*first, *second])
    assert both == events(desk, second)
    assert both.items() > events(desk, first).items()


def test_a_folder_that_is_deleted_and_made_anew_while_we_have_it_open_is_read_again(desk: Desk) -> None:
    desk.put(mail(1))
    desk.put(mail(2, BO, ANA, answers=1), folder=".Sent", at=LATER)
    with desk.api() as api:
        first = pages(desk, api=api)
        with closing_client(desk) as client:
            client.delete("Sent")
            client.create("Sent")
            client.append("Sent", "", "", mail(3, BO, ANA, answers=1))
        second = pages(desk, first[-1].cursor, api)
    assert kinds(desk, [*first, *second]) == {"Created": 1, "Routed": 1, "Replied": 2}


def test_a_cursor_beyond_what_the_server_has_is_read_from_the_beginning(desk: Desk) -> None:
    desk.put(mail(1), mail(2, DEE))
    first = pages(desk)
    beyond = re.sub(r'"uid":2\b', '"uid":4000', first[-1].cursor)
    assert beyond != first[-1].cursor
    assert events(desk, pages(desk, beyond)) == events(desk, first)


@pytest.mark.parametrize("name", ["Erledigt & Geprüft", "受信箱", "naïve~&-", 'with "quotes"', "a\\b", "😀"])
def test_a_folder_may_be_called_anything(desk: Desk, name: str) -> None:
    desk.put(mail(1))
    with closing_client(desk) as client:
        assert client.create(encoded(name))[0] == "OK"
        assert client.append(encoded(name), None, None, mail(2, DEE))[0] == "OK"
    assert kinds(desk, pages(desk, folders=["INBOX", name])) == {"Created": 2, "Routed": 2}


# -- many


def test_ten_thousand_mails_come_page_by_page_in_bounded_memory_and_from_any_page_on(desk: Desk) -> None:
    threads, size = 2_500, 4
    mails = []
    for number in range(threads * size):
        first = number - number % size
        who = (ANA, BO, DEE, BO)[number % size]
        mails.append(mail(number, who, DESK if who != BO else ANA, answers=None if number == first else first))
    desk.put(*mails)
    found: dict[str, str] = {}
    cursors, used, most = [], [], 0
    with desk.api() as api:
        for page in desk.connector().fetch(api, "", NOW):
            most = max(most, sum(len(document["messages"]) for document in page.documents))
            found |= {one.id: type(one).__name__ for one in made(desk, [page])}
            cursors.append(page.cursor)
            used.append(memory())
    assert len(cursors) == threads * size // AT_ONCE + 1
    assert most <= AT_ONCE + 2 * size
    assert used[-1] - used[2] < MOST_MEMORY, used
    assert Counter(found.values()) == {
        "Created": threads,
        "Routed": threads,
        "Replied": 2 * threads,
        "RequesterReplied": threads,
    }
    last = pages(desk, cursors[-4])
    assert [page.cursor for page in last] == cursors[-3:]
    assert len(events(desk, last)) >= 2 * AT_ONCE
    assert events(desk, last).keys() <= found.keys()


# -- what goes wrong


def test_a_wrong_password_is_refused_and_is_in_no_message(desk: Desk) -> None:
    with desk.api(secret="not the Password") as api, pytest.raises(Refused) as refused:
        pages(desk, api=api)
    assert refused.value.status == 401
    assert "AUTHENTICATIONFAILED" in refused.value.reason
    assert "`secret_file`" in refused.value.reason
    assert "not the Password" not in refused.value.reason
    assert desk.user not in refused.value.reason


def test_a_folder_that_is_not_there_is_named(desk: Desk) -> None:
    with pytest.raises(Refused, match="no folder 'Gesendet': `folders` and `done`") as refused:
        pages(desk, folders=["INBOX", "Gesendet"])
    assert refused.value.status == 404


def test_a_server_that_is_down_is_told_and_when_it_is_back_nothing_is_missing(desk: Desk) -> None:
    desk.put(mail(1))
    with desk.api() as api:
        first = pages(desk, api=api)
        desk.server.stop()
        with pytest.raises(SourceDown, match=f"{HOST}:{desk.server.tls} cannot be reached"):
            pages(desk, first[-1].cursor, api)
        desk.put(mail(2, DEE))
        desk.server.start()
        assert kinds(desk, pages(desk, first[-1].cursor, api)) == {"Created": 1, "Routed": 1}


def test_starttls_is_as_good_as_tls(desk: Desk) -> None:
    desk.put(mail(1))
    url = f"imap://{HOST}:{desk.server.starttls}"
    with ImapApi(url, user=desk.user, secret=PASSWORD, ca_file=desk.server.ca_file) as api:
        assert kinds(desk, pages(desk, api=api)) == {"Created": 1, "Routed": 1}


@pytest.mark.parametrize("scheme", ["imaps", "imap"])
def test_a_certificate_of_an_unknown_authority_is_not_trusted(desk: Desk, scheme: str, tmp_path: Path) -> None:
    trustme.CA().cert_pem.write_to_path(str(tmp_path / "other.pem"))
    port = desk.server.tls if scheme == "imaps" else desk.server.starttls
    for ca_file in (tmp_path / "other.pem", None):
        api = ImapApi(f"{scheme}://{HOST}:{port}", user=desk.user, secret=PASSWORD, ca_file=ca_file)
        with api, pytest.raises(SourceDown, match=r"certificate that is not trusted .* `ca_file`"):
            pages(desk, api=api)


def test_a_port_for_starttls_speaks_no_tls_from_the_start(desk: Desk) -> None:
    with (
        pytest.raises(SourceDown, match=r"speaks no TLS .* imap:// for STARTTLS"),
        desk.api(port=desk.server.starttls) as api,
    ):
        pages(desk, api=api)


@pytest.mark.parametrize(
    ("url", "what"),
    [
        ("https://mail.example.org", "like imaps://"),
        ("imaps://", "like imaps://"),
        ("imaps://mail.example.org/INBOX", "like imaps://"),
        ("imaps://ana:word@mail.example.org", "belongs into the settings"),
    ],
)
def test_an_address_that_is_none_of_a_mailbox_is_named(url: str, what: str) -> None:
    with pytest.raises(ValueError, match=what) as error:
        ImapApi(url, user="ana", secret="word")
    assert "word@" not in str(error.value)


def test_a_file_that_holds_no_authority_is_named(tmp_path: Path) -> None:
    (tmp_path / "none.pem").write_text("nothing")
    for path in (tmp_path / "none.pem", tmp_path / "missing.pem"):
        with pytest.raises(ValueError, match=f"ca_file {path}: "):
            ImapApi("imaps://mail.example.org", user="ana", secret="word", ca_file=path)


SCRIPTS: dict[str, tuple[list[bytes], type[Exception], str]] = {
    "no STARTTLS": ([b"* OK hello\r\n", b"* CAPABILITY IMAP4rev1\r\n%s OK done\r\n"], Refused, "offers no STARTTLS"),
    "goodbye": ([b"* BYE too many connections\r\n"], SourceDown, "cannot be reached: .*too many connections"),
    "silence": ([b""], SourceDown, "cannot be reached"),
    "no IMAP": ([b"220 mail.example.org ESMTP\r\n"], SourceDown, "cannot be reached"),
}


@pytest.mark.parametrize("script", SCRIPTS, ids=str)
def test_what_greets_otherwise_than_a_mailbox_gets_no_password(script: str) -> None:
    says, error, what = SCRIPTS[script]
    heard: list[bytes] = []
    with saying(says, heard) as port:
        api = ImapApi(f"imap://{HOST}:{port}", user="ana", secret="a word")
        with api, pytest.raises(error, match=what):
            api.get("FOLDER", {"name": "INBOX", "since_uid": "0"})
    assert not [line for line in heard if b"LOGIN" in line or b"AUTHENTICATE" in line]


@pytest.mark.parametrize(
    ("offers", "answer", "error", "what"),
    [
        ("AUTH=PLAIN", "[UNAVAILABLE] later", SourceDown, r"lets nobody in at the moment \(UNAVAILABLE\)"),
        ("AUTH=PLAIN", "no, ana", Refused, "does not let us in: is `user` right"),
        ("AUTH=XOAUTH2", "no", Refused, "takes no passwords"),
    ],
)
def test_why_a_login_is_refused_is_told(
    authority: trustme.CA, tmp_path: Path, offers: str, answer: str, error: type[Exception], what: str
) -> None:
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    capability = f"* CAPABILITY IMAP4rev1 {offers}\r\n%s OK done\r\n"
    says = [b"* OK hello\r\n", capability.encode(), f"%s NO {answer}\r\n".encode()]
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(HOST).configure_cert(context)
    with saying(says, [], context) as port:
        api = ImapApi(f"imaps://{HOST}:{port}", user="ana", secret="a word", ca_file=tmp_path / "ca.pem")
        with api, pytest.raises(error, match=what) as raised:
            api.get("FOLDER", {"name": "INBOX", "since_uid": "0"})
    assert "ana" not in str(raised.value)


def test_a_connection_that_breaks_is_made_anew_once_and_nothing_is_missing(desk: Desk) -> None:
    desk.put(*(mail(number) for number in range(2 * AT_ONCE)))
    wanted = events(desk, pages(desk))
    for after in (20_000, 60_000, 150_000, 250_000):
        with Cutting(desk.server.tls, [after]) as cutting, desk.api(port=cutting.port) as api:
            assert events(desk, pages(desk, api=api)) == wanted
        assert cutting.connections == 2, f"it was not cut after {after} bytes"


def test_a_connection_that_breaks_again_and_again_is_told_and_the_last_page_is_where_to_go_on(desk: Desk) -> None:
    desk.put(*(mail(number) for number in range(2 * AT_ONCE)))
    wanted = events(desk, pages(desk))
    cursor, found, said = "", dict[str, bytes](), list[str]()
    limits = [after for after in range(10_000, 400_000, 30_000) for _ in range(2)]
    with Cutting(desk.server.tls, limits) as cutting:
        for _ in range(len(limits)):
            with desk.api(port=cutting.port) as api:
                try:
                    for page in desk.connector().fetch(api, cursor, NOW):
                        found.update(events(desk, [page]))
                        cursor = page.cursor
                except SourceDown as down:
                    said.append(str(down))
                else:
                    break
    assert len(said) > 1
    assert all("broke off twice" in one for one in said)
    assert found == wanted


# -- helpers


class closing_client:
    """Somebody else at the mailbox, for a moment."""

    def __init__(self, desk: Desk) -> None:
        self._client = desk.client()

    def __enter__(self) -> IMAP4_SSL:
        return self._client

    def __exit__(self, *_: object) -> None:
        self._client.logout()


def moved(desk: Desk, number: str, folder: str, into: str) -> None:
    with closing_client(desk) as client:
        client.select(folder)
        assert client._simple_command("MOVE", number, into)[0] == "OK"


def encoded(name: str) -> str:
    """Modified UTF-7 by way of UTF-7 of the standard library, which has other signs."""
    said = []
    for run in re.findall(r"[ -~]+|[^ -~]+", name):
        if run[0] <= "~":
            said.append(run.replace("&", "&-"))
        else:
            said.append("&" + run.encode("utf-7").decode()[1:].rstrip("-").replace("/", ",") + "-")
    return '"' + "".join(said).replace("\\", "\\\\").replace('"', '\\"') + '"'


def memory() -> int:
    """Of this process, in bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def validity(page: Page) -> list[str]:
    return re.findall(r'"uidvalidity":(\d+)', page.cursor)


class Cutting:
    """Stands before a server, and cuts one connection after the other when the server has said so many bytes; later ones never."""

    def __init__(self, port: int, limits: Sequence[int]) -> None:
        self._to, self._limits, self.connections = port, limits, 0
        self.port = free_port()
        self._listening = socket.create_server((HOST, self.port))
        self._threads: list[threading.Thread] = []
        self._open: list[socket.socket] = []

    def __enter__(self) -> Cutting:
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        for thread in self._threads:
            thread.join(10)
        for connection in self._open:
            connection.close()

    def _start(self, what: Callable[..., None], *of: Any) -> None:
        thread = threading.Thread(target=what, args=of, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            limit = self._limits[self.connections] if self.connections < len(self._limits) else None
            self.connections += 1
            server = socket.create_connection((HOST, self._to))
            self._start(self._passed, client, server, None)
            self._start(self._passed, server, client, limit)
            self._open += [client, server]

    @staticmethod
    def _passed(one: socket.socket, other: socket.socket, left: int | None) -> None:
        with suppress(OSError):
            while data := one.recv(4096 if left is None else min(4096, left)):
                other.sendall(data)
                if left is not None:
                    left -= len(data)
                    if not left:
                        break
        for connection in (one, other):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


class saying:
    """A server that says a line, and one more for each that it hears, and then hangs up. ``%s`` is the tag of what it heard."""

    def __init__(self, says: Sequence[bytes], heard: list[bytes], context: ssl.SSLContext | None = None) -> None:
        self._says, self._heard, self._context = says, heard, context
        self._listening = socket.create_server((HOST, free_port()))
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> int:
        self._thread.start()
        return int(self._listening.getsockname()[1])

    def __exit__(self, *_: object) -> None:
        self._thread.join(10)
        self._listening.close()

    def _serve(self) -> None:
        connection, _ = self._listening.accept()
        if self._context is not None:
            connection = self._context.wrap_socket(connection, server_side=True)
        with closing(connection), connection.makefile("rb") as file:
            tag = b""
            for line in self._says:
                connection.sendall(line.replace(b"%s", tag))
                if line is not self._says[-1]:
                    said = file.readline()
                    self._heard.append(said)
                    tag = said.partition(b" ")[0]
