"""What is signed is durable before it is answered 202; what is not signed goes nowhere; whoever sends hears what to do."""

from __future__ import annotations

import gzip
import json
import logging
import re
import socket
import ssl
import time
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from pathlib import Path
from random import Random
from threading import Timer
from typing import Any

import httpx
import msgspec
import pytest
import trustme
from hooked import NAMES, MemorySink, Setting, calls, fixture, resigned, setting, until
from on_kafka import Installation
from test_connectors import flipped

from deploy.kafka.broker import Broker
from ingest import event as e
from ingest import topics as declared
from ingest.connector import Document, Doorbell, Forged, Hook, Rejected
from ingest.intake import Answer
from ingest.publish import Publisher
from ingest.webhooks.app import Hooks
from ingest.webhooks.bodies import MAX_BODY_BYTES, MAX_DEPTH, too_deep
from ingest.webhooks.rate import Bucket
from ingest.webhooks.replies import FORGERIES, REPLIES, Reason
from ingest.webhooks.serving import CannotServe, serve

PARTITIONS = 3
JSON = {"content-type": "application/json"}


class Clock:
    at = datetime(2026, 3, 9, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.at


class Client:
    """Of a real server, whose clock shows when a hook came."""

    def __init__(self, port: int, clock: Clock, hooks: Hooks) -> None:
        self.port, self.clock, self.hooks = port, clock, hooks
        self._http = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30, trust_env=False)

    def send(self, name: str, hook: Hook) -> httpx.Response:
        self.clock.at = hook.at
        return self.post(name, hook.body, hook.headers)

    def post(self, name: str, body: bytes, headers: Mapping[str, str], method: str = "POST") -> httpx.Response:
        return self._http.request(method, f"/hooks/{name}", content=body, headers=dict(headers))

    def counted(self, source: str, reason: Reason) -> int:
        return self.hooks.counts.get((source, REPLIES[reason].status, reason), 0)

    def close(self) -> None:
        self._http.close()


There = tuple[Client, Setting]


@contextmanager
def served(made: Setting, clock: Clock) -> Iterator[Client]:
    made.hooks.start()
    try:
        with serve(made.hooks.app, "127.0.0.1", 0) as port:
            client = Client(port, clock, made.hooks)
            try:
                until(lambda: not made.hooks.away or made.sink.away.is_set(), "open")
                yield client
            finally:
                client.close()
                made.sink.free.set()
    finally:
        made.hooks.close()


@contextmanager
def running(**options: Any) -> Iterator[There]:
    clock = Clock()
    made = setting(now=clock, **options)
    with served(made, clock) as client:
        yield client, made


@pytest.fixture
def there() -> Iterator[There]:
    with running() as both:
        yield both


# -- what is signed


@pytest.mark.parametrize("name", NAMES)
def test_what_a_source_signed_is_said_or_rung_and_answered_202(there: There, name: str) -> None:
    client, made = there
    wanted = []
    for hook, doorbells in calls(name):
        answer = client.send(name, hook)
        assert (answer.status_code, answer.text) == (202, "taken\n")
        wanted += [(name, subject) for subject in dict.fromkeys(doorbells)]
    assert made.rung == wanted
    told = [one for hook, _ in calls(name) for one in fixture(name).connector.received(hook)]
    meant = fixture(name).parse(one for one in told if not isinstance(one, Doorbell | Rejected))
    answers = [one for one in meant if isinstance(one, e.Answered | e.Rated)]
    persons = [one for one in meant if isinstance(one, e.Joined | e.Moved | e.Left | e.Absent)]
    cases = [one for one in meant if one not in answers and one not in persons]
    assert made.sink.topic("events") == [e.encode(one) for one in cases]
    assert {*made.sink.topic("directory")} == {one.id.encode() for one in persons}
    assert made.answers == answers
    assert not made.sink.topic("rejected")
    assert made.sink.acknowledged == len(made.sink.said)
    assert wanted or made.sink.said or made.answers
    assert client.counted(name, Reason.taken) == len(calls(name))


def test_nothing_is_answered_before_it_is_acknowledged(there: There) -> None:
    client, made = there
    made.sink.free.clear()
    hook, _ = calls("http_json")[0]
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(client.send, "http_json", hook)
        until(lambda: made.sink.said, "said")
        assert made.hooks.oldest("http_json") == hook.at
        time.sleep(0.2)
        assert not answer.done()
        assert not client.counted("http_json", Reason.taken)
        made.sink.free.set()
        assert answer.result().status_code == 202
    assert made.hooks.oldest("http_json") is None
    assert made.sink.acknowledged == len(made.sink.said) == 1


def test_what_comes_while_others_are_settled_is_settled_together(there: There) -> None:
    client, made = there
    hook, _ = calls("http_json")[0]
    client.send("http_json", hook)
    made.sink.free.clear()
    with ThreadPoolExecutor(21) as pool:
        answers = [pool.submit(client.send, "http_json", hook) for _ in range(21)]
        until(lambda: len(unanswered(made, "http_json")) == 21, "in progress")
        made.sink.free.set()
        assert {one.result().status_code for one in answers} == {202}
    assert len(made.sink.said) == 22
    assert made.sink.settled <= 4


def test_who_changes_a_secret_is_believed_by_both_while_it_is_being_changed() -> None:
    hook, _ = calls("typeform")[0]
    old = fixture("typeform").hooks["secret"]
    for secrets, status in ((["new", old], 202), ([old, "new"], 202), (["new"], 401), (["new", ""], 401)):
        with running(names=["typeform"], secrets=secrets) as (client, made):
            assert client.send("typeform", hook).status_code == status
            assert bool(made.answers) == (status == 202)


# -- what is not


@pytest.mark.parametrize("name", NAMES)
def test_one_flipped_bit_is_answered_401_and_goes_nowhere(
    there: There, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    client, made = there
    caplog.set_level(1)
    rnd, connector, sent = Random(name), fixture(name).connector, 0
    for hook, _ in calls(name):
        for wrong in [
            hook._replace(headers=damaged(hook, rnd)),
            *([hook._replace(body=flipped(hook.body, rnd))] if connector.signs_body else []),
        ]:
            answer = client.send(name, wrong)
            sent += 1
            assert answer.status_code == 401
            assert shown(answer.text, hook.body) == set()
    assert (made.sink.said, made.rung, made.answers) == ([], [], [])
    forged = sum(n for (source, status, reason), n in made.hooks.counts.items() if reason in FORGERIES)
    assert forged == sent
    for hook, _ in calls(name):
        assert shown(logged(caplog), hook.body) == set()


def logged(caplog: pytest.LogCaptureFixture) -> str:
    """By the server: what its client here says is left out."""
    said = [one.getMessage() for one in caplog.records if not one.name.startswith(("httpx", "httpcore"))]
    return "\n".join(said)


def damaged(hook: Hook, rnd: Random) -> dict[str, str]:
    """One letter of its signature is another."""
    name = next(key for key in hook.headers if re.search(r"signature$|token$", key))
    value = hook.headers[name]
    at = rnd.randrange(value.find("=") + 1 if value.find("=") < 8 else 0, len(value.rstrip("=")) - 1)
    return {**hook.headers, name: value[:at] + ("B" if value[at] == "A" else "A") + value[at + 1 :]}


def shown(text: str, body: bytes) -> set[str]:
    """Words of the body that stand in the text."""
    return {word for word in re.findall(r'"([^"]{6,})"', body.decode()) if word in text}


@pytest.mark.parametrize("name", [name for name in NAMES if fixture(name).connector.signs_time])
@pytest.mark.parametrize("off", [timedelta(minutes=6), -timedelta(minutes=6)])
def test_what_was_signed_at_another_time_is_refused(there: There, name: str, off: timedelta) -> None:
    client, made = there
    for hook, _ in calls(name):
        answer = client.send(name, hook._replace(at=hook.at + off))
        assert answer.status_code == 401
        assert "clocks" in answer.text
    assert client.counted(name, Reason.expired) == len(calls(name))
    assert (made.sink.said, made.rung) == ([], [])


@pytest.mark.parametrize("secrets", [[], [""]])
def test_without_a_secret_nobody_is_believed(secrets: list[str]) -> None:
    hook, _ = calls("typeform")[0]
    with running(names=["typeform"], secrets=secrets) as (client, made):
        for headers in (hook.headers, {**hook.headers, "typeform-signature": "sha256="}, JSON):
            answer = client.post("typeform", hook.body, headers)
            assert (answer.status_code, "hook_secret_files" in answer.text) == (401, True)
        assert client.counted("typeform", Reason.secret) == 3
        assert not made.answers


def test_a_reason_that_is_in_no_list_is_counted_as_a_wrong_signature(
    there: There, monkeypatch: pytest.MonkeyPatch
) -> None:
    def verify(*_: object) -> None:
        raise Forged("what the sender wrote")

    client, _ = there
    monkeypatch.setattr(type(fixture("zendesk").connector), "verify", verify)
    assert client.send("zendesk", calls("zendesk")[0][0]).status_code == 401
    assert client.counted("zendesk", Reason.signature) == 1


@pytest.mark.parametrize("path", ["nobody", "zendesk/", "zendesk/more", "ZENDESK", "%00", "..%2Fzendesk"])
def test_a_source_that_is_not_there_is_not_found(there: There, path: str) -> None:
    client, made = there
    hook, _ = calls("zendesk")[0]
    assert client.post(path, hook.body, hook.headers).status_code == 404
    assert {source for source, _, _ in made.hooks.counts} <= {""}


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH"])
def test_another_method_is_told_which_one_it_is(there: There, method: str) -> None:
    client, _ = there
    answer = client.post("zendesk", b"", JSON, method)
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    assert client.counted("zendesk", Reason.method) == 1


# -- what is no good


@pytest.mark.parametrize(
    "given", ["text/plain", "application/x-www-form-urlencoded", "application/xml", "", "json", "application/+json"]
)
def test_what_is_no_json_by_its_content_type_is_refused_before_it_is_read(there: There, given: str) -> None:
    client, made = there
    hook, _ = calls("http_json")[0]
    assert client.send("http_json", hook._replace(headers={**hook.headers, "content-type": given})).status_code == 415
    without = {name: value for name, value in hook.headers.items() if name != "content-type"}
    assert client.send("http_json", hook._replace(headers=without)).status_code == 415
    assert client.counted("http_json", Reason.content_type) == 2
    assert not made.sink.said


@pytest.mark.parametrize(
    "given", ["application/json", "Application/JSON; charset=utf-8", "application/cloudevents+json"]
)
def test_json_has_several_content_types(there: There, given: str) -> None:
    client, _ = there
    hook, _ = calls("http_json")[0]
    assert client.send("http_json", hook._replace(headers={**hook.headers, "content-type": given})).status_code == 202


def test_a_cloudevent_without_data_needs_no_content_type(there: There) -> None:
    client, made = there
    hook, _ = next(call for call in calls("cloudevents") if call[0].headers.get("ce-type") == "crossdesk.solved")
    headers = {name: value for name, value in hook.headers.items() if name != "content-type"}
    empty = Hook(headers, b"", hook.at)
    assert client.send("cloudevents", empty._replace(headers=resigned("cloudevents", empty, b""))).status_code == 202
    assert len(made.sink.topic("events")) == 1


def test_a_packed_body_is_unpacked_and_then_verified(there: There) -> None:
    client, made = there
    hook, _ = calls("http_json")[0]
    headers = {**hook.headers, "content-encoding": "gzip"}
    assert client.send("http_json", hook._replace(body=gzip.compress(hook.body), headers=headers)).status_code == 202
    assert len(made.sink.said) == 1


@pytest.mark.parametrize(
    ("encoding", "pack", "reason"),
    [
        ("gzip", lambda body: body, Reason.gzip),
        ("gzip", lambda body: gzip.compress(body)[:-5], Reason.gzip),
        ("gzip", lambda body: gzip.compress(body) * 2, Reason.gzip),
        ("gzip", lambda body: gzip.compress(body) + b"x", Reason.gzip),
        ("gzip", lambda body: zlib.compress(body), Reason.gzip),
        ("gzip, gzip", lambda body: gzip.compress(gzip.compress(body)), Reason.encoding),
        ("deflate", lambda body: zlib.compress(body), Reason.encoding),
        ("br", lambda body: body, Reason.encoding),
    ],
)
def test_what_cannot_be_unpacked_is_refused(there: There, encoding: str, pack: object, reason: Reason) -> None:
    client, made = there
    hook, _ = calls("http_json")[0]
    headers = {**hook.headers, "content-encoding": encoding}
    answer = client.send("http_json", hook._replace(body=pack(hook.body), headers=headers))  # type: ignore[operator]
    assert answer.status_code == REPLIES[reason].status
    assert client.counted("http_json", reason) == 1
    assert not made.sink.said


def test_a_bomb_is_not_unpacked(there: There, monkeypatch: pytest.MonkeyPatch) -> None:
    client, _ = there
    made = []
    opened = zlib.decompressobj

    class Watched:
        def __init__(self, window: int) -> None:
            self._stream = opened(window)

        def decompress(self, body: bytes, limit: int) -> bytes:
            made.append(len(content := self._stream.decompress(body, limit)))
            return content

    bomb = packed_blanks(300)
    monkeypatch.setattr("ingest.webhooks.bodies.zlib.decompressobj", Watched)
    hook, _ = calls("http_json")[0]
    headers = {**hook.headers, "content-encoding": "gzip"}
    assert len(bomb) < MAX_BODY_BYTES
    assert client.send("http_json", hook._replace(body=bomb, headers=headers)).status_code == 413
    assert made == [MAX_BODY_BYTES + 1]


def packed_blanks(mebibytes: int) -> bytes:
    stream = zlib.compressobj(9, zlib.DEFLATED, 31)
    return b"".join(stream.compress(b" " * (1 << 20)) for _ in range(mebibytes)) + stream.flush()


def signed_row(size: int) -> Hook:
    """A webhook of exactly that size."""
    hook, _ = calls("http_json")[0]
    body = hook.body[:-1] + b" " * (size - len(hook.body)) + hook.body[-1:]
    return Hook(resigned("http_json", hook, body), body, hook.at)


def test_a_body_may_have_one_mebibyte_and_no_byte_more(there: There) -> None:
    client, made = there
    assert client.send("http_json", signed_row(MAX_BODY_BYTES)).status_code == 202
    answer = client.send("http_json", signed_row(MAX_BODY_BYTES + 1))
    assert (answer.status_code, "1 MiB" in answer.text) == (413, True)
    assert len(made.sink.said) == 1
    big = signed_row(MAX_BODY_BYTES + 1)
    packed = big._replace(body=gzip.compress(big.body), headers={**big.headers, "content-encoding": "gzip"})
    assert client.send("http_json", packed).status_code == 413
    assert len(made.sink.said) == 1


def test_who_is_refused_is_heard_out_and_can_go_on(there: There) -> None:
    client, _ = there
    connection = HTTPConnection("127.0.0.1", client.port, timeout=10)
    connection.connect()
    connection.auto_open = 0  # to go on means: by the same connection
    with closing(connection):
        for headers, size, status in (({}, 3 << 20, 415), (JSON, 3 << 20, 413), (JSON, 2, 401)):
            connection.request("POST", "/hooks/zendesk", b" " * size, headers)
            with connection.getresponse() as answer:
                assert (answer.status, bool(answer.read())) == (status, True)


def test_what_is_far_too_large_is_answered_without_being_heard_out(there: There) -> None:
    client, _ = there
    with socket.create_connection(("127.0.0.1", client.port), 10) as raw:
        raw.sendall(b"POST /hooks/zendesk HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n")
        raw.sendall(b"Content-Length: 999999999999\r\n\r\n")
        for _ in range(9):
            raw.sendall(b" " * MAX_BODY_BYTES)
        assert raw.recv(1024).startswith(b"HTTP/1.1 413 ")


def test_who_sends_too_slowly_is_not_waited_for() -> None:
    with running(names=["zendesk"], body_seconds=0.3) as (client, _):
        with socket.create_connection(("127.0.0.1", client.port), 10) as raw:
            raw.sendall(b"POST /hooks/zendesk HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n")
            raw.sendall(b"Content-Length: 100\r\n\r\n{")
            assert raw.recv(1024).startswith(b"HTTP/1.1 408 ")
        assert client.counted("zendesk", Reason.slow) == 1


def test_who_goes_away_leaves_nothing_behind(there: There) -> None:
    client, made = there
    with socket.create_connection(("127.0.0.1", client.port), 10) as raw:
        raw.sendall(b"POST /hooks/zendesk HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n")
        raw.sendall(b"Content-Length: 100\r\n\r\n{")
    until(lambda: client.counted("zendesk", Reason.gone), "counted")
    assert (made.hooks._room.hooks, made.hooks._room.size) == (500, 64 << 20)


# -- what is signed and cannot be read


def deep(levels: int) -> bytes:
    return b"[" * levels + b"]" * levels


UNREADABLE = {
    "too deep": (deep(MAX_DEPTH + 1), f"nested deeper than {MAX_DEPTH} levels"),
    "endlessly deep": (b"[" * 1_000_000, f"nested deeper than {MAX_DEPTH} levels"),
    "objects": (b'{"a":' * 200_000, f"nested deeper than {MAX_DEPTH} levels"),
    "no UTF-8": (b'{"what": "\xff\xfe"}', "no UTF-8"),
    "UTF-16": ('{"what": "opened"}'.encode("utf-16"), "no JSON"),
    "cut": (b'{"what": "opene', "no JSON"),
    "nothing": (b"", "no JSON"),
    "text": (b'"R-1"', "no JSON object"),
}


@pytest.mark.parametrize("what", UNREADABLE)
def test_what_is_signed_and_cannot_be_read_waits_for_somebody(
    there: There, what: str, caplog: pytest.LogCaptureFixture
) -> None:
    client, made = there
    body, reason = UNREADABLE[what]
    hook, _ = calls("http_json")[0]
    answer = client.send("http_json", Hook(resigned("http_json", hook, body), body, hook.at))
    assert (answer.status_code, "crossdesk rejected" in answer.text) == (202, True)
    rejected = [msgspec.json.decode(value, type=Rejected) for value in made.sink.topic("rejected")]
    assert [(one.source, one.reason, one.raw) for one in rejected] == [("requests", reason, "")]
    assert made.sink.acknowledged == len(made.sink.said) == 1
    assert client.counted("http_json", Reason.rejected) == 1
    assert not caplog.records


def test_a_row_that_can_be_read_is_taken_beside_one_that_cannot(there: There) -> None:
    client, made = there
    hook, _ = calls("http_json")[0]
    body = b"[" + hook.body + b", 7]"
    assert client.send("http_json", Hook(resigned("http_json", hook, body), body, hook.at)).status_code == 202
    assert [len(made.sink.topic(topic)) for topic in ("events", "rejected")] == [1, 1]


@pytest.mark.parametrize(
    ("body", "is_too_deep"),
    [
        (deep(MAX_DEPTH), False),
        (deep(MAX_DEPTH + 1), True),
        (b'{"a":' * MAX_DEPTH + b"1" + b"}" * MAX_DEPTH, False),
        (b'{"a":[' * (MAX_DEPTH // 2) + b"[", True),
        (b"[" + b"[]," * 10_000 + b"1]", False),
        (b"[" + b"[]," * 10_000 + deep(MAX_DEPTH) + b"]", True),
        (b'["' + b"[" * 1000 + b'"]', False),
        (b'["\\"' + b"[" * 1000 + b'"]', False),
        (b'["\\\\", ' + deep(MAX_DEPTH) + b"]", True),
        (b'"' + b"[" * 1000, False),
        (b"]" * 100 + b"[" * (MAX_DEPTH + 100), False),
        (b"", False),
    ],
)
def test_depth_is_counted_outside_of_texts(body: bytes, is_too_deep: bool) -> None:
    assert too_deep(body) == is_too_deep


def test_depth_is_that_of_the_json(tally: Callable[[str, int], None]) -> None:
    rnd = Random(11)
    for _ in range(2_000):
        value, levels = nested(rnd, rnd.randrange(0, 2 * MAX_DEPTH))
        body = json.dumps(value).encode()
        assert too_deep(body) == (levels > MAX_DEPTH)
    tally("nested bodies", 2_000)


def nested(rnd: Random, levels: int) -> tuple[object, int]:
    """A value that is so deep, with texts that look like brackets beside."""
    value: object = rnd.choice(["[{", '"]', "\\", 7, None])
    for _ in range(levels):
        noise = [rnd.choice(["[[[", '{"', '\\"[', [], {}, "]"]) for _ in range(rnd.randrange(3))]
        value = (
            {"[": value, "b": "}"} if rnd.random() < 0.5 else [*(one for one in noise if isinstance(one, str)), value]
        )
    return value, levels


# -- too much


def test_who_sends_too_often_is_told_when_to_come_again() -> None:
    with running(names=["http_json"], limits={"per_second": 0.1, "burst": 3}) as (client, made):
        hook, _ = calls("http_json")[0]
        answers = [client.send("http_json", hook) for _ in range(5)]
        assert [one.status_code for one in answers] == [202, 202, 202, 429, 429]
        assert 1 <= int(answers[-1].headers["retry-after"]) <= 10
        assert client.counted("http_json", Reason.rate) == 2
        assert len(made.sink.said) == 3


def test_each_source_has_a_rate_of_its_own() -> None:
    with running(limits={"per_second": 0.1, "burst": 1}) as (client, _):
        for name in ("zendesk", "typeform"):
            hook, _ = calls(name)[0]
            assert [client.send(name, hook).status_code for _ in range(2)] == [202, 429]


def test_a_bucket_fills_again() -> None:
    bucket = Bucket(2.0, 3.0)
    assert [bucket.wait(100.0) for _ in range(4)] == [0, 0, 0, 0.5]
    assert bucket.wait(100.25) == pytest.approx(0.25)
    assert [bucket.wait(100.5), bucket.wait(100.5)] == [0, 0.5]
    assert bucket.wait(50.0) == 0.5, "a clock that goes back gives nothing"
    assert [bucket.wait(1000.0) for _ in range(4)] == [0, 0, 0, 0.5]
    for per_second, burst in ((0, 1), (-1, 1), (1, 0.5)):
        with pytest.raises(ValueError, match="bucket"):
            Bucket(per_second, burst)


def test_what_is_too_much_is_told_so() -> None:
    with running(names=["http_json"], at_once=5) as (client, made), ThreadPoolExecutor(40) as pool:
        made.sink.free.clear()
        hook, _ = calls("http_json")[0]
        answers = [pool.submit(client.send, "http_json", hook) for _ in range(40)]
        until(lambda: sum(one.done() for one in answers) == 35, "refused")
        refused = [one.result() for one in answers if one.done()]
        assert {(one.status_code, one.headers["retry-after"]) for one in refused} == {(503, "5")}
        made.sink.free.set()
        assert sorted(one.result().status_code for one in answers) == [202] * 5 + [503] * 35
        assert client.counted("http_json", Reason.busy) == 35
        assert client.send("http_json", hook).status_code == 202


def test_what_is_held_of_bodies_has_a_limit() -> None:
    with running(names=["http_json"], held_bytes=MAX_BODY_BYTES) as (client, _):
        assert client.send("http_json", signed_row(MAX_BODY_BYTES)).status_code == 202
        hook = signed_row(MAX_BODY_BYTES - 1)
        packed = gzip.compress(hook.body)
        headers = {**hook.headers, "content-encoding": "gzip"}
        assert client.send("http_json", hook._replace(body=packed, headers=headers)).status_code == 202
        assert client.hooks._room.size == MAX_BODY_BYTES
    with running(names=["http_json"], held_bytes=3000) as (client, made), ThreadPoolExecutor(1) as pool:
        assert client.send("http_json", signed_row(3001)).status_code == 503
        made.sink.free.clear()
        hook = signed_row(2900)
        headers = {**hook.headers, "content-encoding": "gzip"}
        small = hook._replace(body=gzip.compress(hook.body), headers=headers)
        first = pool.submit(client.send, "http_json", small)
        until(lambda: made.sink.said, "said")
        assert client.send("http_json", signed_row(500)).status_code == 503, "it counts unpacked"
        made.sink.free.set()
        assert first.result().status_code == 202
        assert client.send("http_json", signed_row(3000)).status_code == 202


# -- the broker


def test_while_the_broker_is_away_nothing_is_taken_and_then_it_is(caplog: pytest.LogCaptureFixture) -> None:
    with running() as (client, made):
        hook, _ = calls("http_json")[0]
        made.sink.away.set()
        began = time.monotonic()
        for _ in range(10):
            answer = client.send("http_json", hook)
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
        assert time.monotonic() - began < 5, "nobody waits for a broker that is known to be away"
        assert "away" in made.hooks.away
        assert client.send("zendesk", calls("zendesk")[0][0]).status_code == 202, "a doorbell needs no broker"
        made.sink.away.clear()
        until(lambda: not made.hooks.away, "back")
        assert client.send("http_json", hook).status_code == 202
        assert (made.sink.opened, made.sink.closed) == (2, 1)
        assert client.counted("http_json", Reason.broker) == 10
        warned = [one for one in caplog.records if one.levelno >= logging.WARNING]
        assert len(warned) == 1, "once, not for each webhook"


def test_all_who_wait_are_told_when_the_broker_goes() -> None:
    with running(names=["http_json"]) as (client, made), ThreadPoolExecutor(10) as pool:
        made.sink.free.clear()
        hook, _ = calls("http_json")[0]
        answers = [pool.submit(client.send, "http_json", hook) for _ in range(10)]
        until(lambda: len(unanswered(made, "http_json")) == 10, "in progress")
        made.sink.away.set()
        made.sink.free.set()
        assert [one.result().status_code for one in answers] == [503] * 10


def test_a_broker_that_is_away_at_the_start_is_waited_for() -> None:
    sink = MemorySink()
    sink.away.set()
    with running(sink=sink) as (client, made):
        hook, _ = calls("http_json")[0]
        assert client.send("http_json", hook).status_code == 503
        sink.away.clear()
        until(lambda: not made.hooks.away, "there")
        assert client.send("http_json", hook).status_code == 202


def test_who_waits_too_long_is_told_to_come_again() -> None:
    with running(names=["http_json"], patience=0.2) as (client, made):
        made.sink.free.clear()
        hook, _ = calls("http_json")[0]
        answer = client.send("http_json", hook)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
        made.sink.free.set()
        until(lambda: made.sink.acknowledged == 1, "acknowledged after all")
        assert client.send("http_json", hook).status_code == 202


def test_what_fails_for_one_source_fails_for_no_other(caplog: pytest.LogCaptureFixture) -> None:
    def full(answers: Sequence[Answer]) -> None:
        raise OSError(28, f"no space for {answers}")

    with running(keep=full) as (client, made), ThreadPoolExecutor(3) as pool:
        made.sink.free.clear()
        answers = [pool.submit(client.send, "http_json", calls("http_json")[0][0])]
        until(lambda: made.sink.said, "said")
        answers += [pool.submit(client.send, "typeform", calls("typeform")[0][0])]
        until(lambda: made.hooks.oldest("typeform"), "in progress")
        client.clock.at = calls("http_json")[1][0].at
        answers += [pool.submit(client.send, "http_json", calls("http_json")[1][0])]
        until(lambda: len(unanswered(made, "http_json")) == 2, "in progress")
        made.sink.free.set()
        assert [one.result().status_code for one in answers] == [202, 503, 202]
        assert client.counted("typeform", Reason.failed) == 1
        assert (made.sink.opened, len(made.sink.said), made.sink.acknowledged) == (1, 2, 2)
    assert [one.getMessage() for one in caplog.records if one.levelno >= logging.WARNING] == [
        f"webhooks of typeform cannot be stored: OSError at test_webhooks.py:{full.__code__.co_firstlineno + 1}"
    ]


def unanswered(made: Setting, name: str) -> Mapping[int, datetime]:
    return made.hooks._ways[name].unanswered


def test_a_fault_of_ours_shows_nothing_of_the_body(
    there: There, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def told_by(_: object, hook: Hook) -> Iterator[Document]:
        raise RuntimeError(hook.body.decode())

    client, made = there
    monkeypatch.setattr(type(fixture("http_json").connector), "told_by", told_by)
    hook, _ = calls("http_json")[0]
    answer = client.send("http_json", hook)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert shown(answer.text + logged(caplog), hook.body) == set()
    assert "RuntimeError at test_webhooks.py" in caplog.text
    assert made.hooks.oldest("http_json") is None


def test_what_waits_at_the_end_is_still_said() -> None:
    clock = Clock()
    made = setting(["http_json"], now=clock)
    made.hooks.start()
    hook, _ = calls("http_json")[0]
    with ThreadPoolExecutor(1) as pool:
        with serve(made.hooks.app, "127.0.0.1", 0) as port:
            client = Client(port, clock, made.hooks)
            until(lambda: not made.hooks.away, "open")
            made.sink.free.clear()
            answer = pool.submit(client.send, "http_json", hook)
            until(lambda: made.sink.said, "said")
            late = Timer(0.3, made.sink.free.set)
            late.start()
        assert answer.result().status_code == 202, "the server ends when everybody has been answered"
        late.join()
        client.close()
    made.hooks.close()
    assert made.sink.acknowledged == 1
    assert made.sink.closed == 1


# -- the server


def test_a_port_that_is_taken_is_named() -> None:
    with running() as (client, made):
        for host, port in (("127.0.0.1", client.port), ("no such host.", 0)):
            wanted = rf"{re.escape(host)}, port {port} cannot be used .*: choose another"
            with pytest.raises(CannotServe, match=wanted), serve(made.hooks.app, host, port):
                pass


def test_it_serves_tls_by_a_certificate(tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(tmp_path / "both.pem")
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    clock = Clock()
    made = setting(["zendesk"], now=clock)
    hook, _ = calls("zendesk")[0]
    clock.at = hook.at
    with serve(made.hooks.app, "127.0.0.1", 0, certificate=tmp_path / "both.pem") as port:
        answer = httpx.post(
            f"https://localhost:{port}/hooks/zendesk",
            content=hook.body,
            headers=dict(hook.headers),
            verify=trusting,
            trust_env=False,
        )
        assert answer.status_code == 202
        assert "server" not in answer.headers
    (tmp_path / "bad.pem").write_text("no certificate")
    bad = serve(made.hooks.app, "127.0.0.1", 0, certificate=tmp_path / "bad.pem")
    with pytest.raises(CannotServe, match=r"bad\.pem and its key cannot be used"), bad:
        pass


def test_nothing_says_who_asked(there: There, caplog: pytest.LogCaptureFixture) -> None:
    client, made = there
    caplog.set_level(1)
    hook, _ = calls("zendesk")[0]
    forwarded = {**hook.headers, "x-forwarded-for": "203.0.113.7", "x-forwarded-proto": "https"}
    assert client.send("zendesk", hook._replace(headers=forwarded)).status_code == 202
    assert not re.search(r"203\.0\.113\.7|127\.0\.0\.1", logged(caplog))
    assert not made.sink.said


# -- on Kafka


def meant(hook: Hook) -> list[Any]:
    return fixture("http_json").parse(list(fixture("http_json").connector.received(hook)))  # type: ignore[arg-type]


@pytest.fixture
def publishing(installation: Installation) -> Iterator[Client]:
    with running(names=["http_json"], open_sink=lambda: Publisher(installation.settings, wait=5)) as (client, _):
        yield client


def test_what_is_answered_202_is_on_the_broker(publishing: Client, installation: Installation) -> None:
    client = publishing
    for hook, _ in calls("http_json"):
        assert client.send("http_json", hook).status_code == 202
    body = b"{"
    hook, _ = calls("http_json")[0]
    assert client.send("http_json", Hook(resigned("http_json", hook, body), body, hook.at)).status_code == 202
    wanted = [one for hook, _ in calls("http_json") for one in meant(hook)]
    found = [record for records in installation.held("events").values() for record in records]
    assert sorted(found) == sorted((one.key.encode(), e.encode(one)) for one in wanted)
    assert sum(map(len, installation.held("rejected").values())) == 1


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Broker]:
    """A broker that may be ended."""
    with Broker(tmp_path / "kafka") as broker:
        yield broker
        broker.stop(kill=True)


def test_a_broker_that_goes_and_comes_back(own: Broker, prefix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(declared, "PREFIX", prefix)
    settings = Installation(own, prefix, PARTITIONS).settings
    (first, _), (second, _) = calls("http_json")[:2]
    options = {"names": ["http_json"], "open_sink": lambda: Publisher(settings, wait=2), "patience": 4}
    with running(**options) as (client, _):
        assert client.send("http_json", first).status_code == 202
        own.stop(kill=True)
        answer = client.send("http_json", second)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
        own.start()
        until(lambda: client.send("http_json", second).status_code == 202, "taken")
    found = Installation(own, prefix, PARTITIONS).held("events")
    assert {value for records in found.values() for _, value in records} == {
        e.encode(one) for hook in (first, second) for one in meant(hook)
    }
