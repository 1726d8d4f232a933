"""Whatever is sent: no crash, no answer from 500 on, nothing said that nobody signed, and nothing lost that somebody did."""

from __future__ import annotations

import asyncio
import gzip
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime
from random import Random
from typing import Any, NamedTuple

import msgspec
import pytest
from hooked import NAMES, Setting, calls, fixture, resigned, setting, until

from ingest import event as e
from ingest.connector import Hook, Rejected

FULL_BODIES, BODIES = 1_000_000, 20_000
AT_ONCE = 100
UNSIGNED = {400, 401, 404, 405, 413, 415}
NO_LIMIT = {"per_second": 1e9, "burst": 1e9}
CLOCK: ContextVar[datetime] = ContextVar("CLOCK")
"""When the request came that this task sends."""

BITS = (
    b"[",
    b"]",
    b"{",
    b"}",
    b'"',
    b"\\",
    b"\\u0000",
    b"\\ud800",
    b"\xff",
    b"\xc3",
    b"\x00",
    b"null",
    b"1e999",
    b"-0",
    b",",
)
DEPTHS = (1, 60, 64, 65, 500)
TYPES = (
    "application/json",
    "application/cloudevents+json",
    "application/cloudevents-batch+json",
    "text/plain",
    "x",
    "",
)
METHODS = ("GET", "PUT", "HEAD", "BREW")


class Request(NamedTuple):
    name: str
    hook: Hook
    method: str = "POST"
    path: str = ""


# -- what is sent


def mutated(body: bytes, rnd: Random) -> bytes:
    for _ in range(rnd.randrange(1, 5)):
        body = rnd.choice(MUTATIONS)(body, rnd)
    return body


def flip(body: bytes, rnd: Random) -> bytes:
    at = rnd.randrange(len(body) + 1)
    return body[:at] + bytes([rnd.randrange(256)]) + body[at + 1 :]


def insert(body: bytes, rnd: Random) -> bytes:
    at = rnd.randrange(len(body) + 1)
    return body[:at] + rnd.choice(BITS) + body[at:]


def cut(body: bytes, rnd: Random) -> bytes:
    start, stop = sorted(rnd.randrange(len(body) + 1) for _ in range(2))
    return body[:start] + body[stop:] if rnd.random() < 0.8 else body[start:stop]


def repeat(body: bytes, rnd: Random) -> bytes:
    start = rnd.randrange(len(body) + 1)
    stop = min(start + rnd.randrange(40), len(body))
    return body[:stop] + body[start:stop] * rnd.randrange(1, 20) + body[stop:]


def nest(body: bytes, rnd: Random) -> bytes:
    depth = rnd.choice(DEPTHS)
    opening, closing = rnd.choice(((b"[", b"]"), (b'{"a":', b"}")))
    return opening * depth + body + closing * depth


def spoil(body: bytes, rnd: Random) -> bytes:
    """A value is another: still JSON, if it was."""
    values = [part for part in body.split(b":") if part]
    if len(values) < 2:
        return body
    old = rnd.choice(values[1:]).partition(b",")[0].strip(b" }]")
    new = rnd.choice(
        (b"null", b"[]", b"{}", b'""', b"-1", b"1e30", b"9" * 40, b'"x"', b"true", b'"' + b"y" * 600 + b'"')
    )
    return body.replace(old, new, 1) if old else body


MUTATIONS: tuple[Callable[[bytes, Random], bytes], ...] = (flip, insert, cut, repeat, nest, spoil, spoil, spoil)


def unsigned(name: str, rnd: Random) -> Request:
    """What nobody signed, in one way or another."""
    hook, _ = rnd.choice(calls(name))
    headers = dict(hook.headers)
    body = hook.body
    if not fixture(name).connector.signs_body or rnd.random() < 0.3:
        headers = forged(name, headers, rnd)
    if headers == hook.headers or rnd.random() < 0.7:
        body = mutated(body, rnd)
        if body == hook.body:
            body += b" "
    if rnd.random() < 0.1:
        headers["content-type"] = rnd.choice(TYPES)
    if rnd.random() < 0.1:
        headers["content-encoding"] = rnd.choice(("gzip", "deflate", "identity", "GZIP, br"))
        body = gzip.compress(body) if rnd.random() < 0.5 else body
    method = rnd.choice(METHODS) if rnd.random() < 0.03 else "POST"
    path = rnd.choice(("nobody", f"{name}/", f"{name}/x", "\x00", "é")) if rnd.random() < 0.03 else ""
    return Request(name, Hook(headers, body, hook.at), method, path)


def forged(name: str, headers: dict[str, str], rnd: Random) -> dict[str, str]:
    """Without the signature, or with another."""
    signing = [header for header in headers if headers[header] != resigned_headers(name, headers)[header]]
    assert len(signing) == 1
    how = rnd.randrange(4)
    value = headers.pop(signing[0])
    if how == 1:
        headers[signing[0]] = ""
    elif how == 2:
        headers[signing[0]] = value[:-3] + "".join(rnd.choice("0123456789abcdefXYZ=é\xff") for _ in range(2))
    elif how == 3:
        headers[signing[0]] = value * 2
    return headers


def resigned_headers(name: str, headers: Mapping[str, str]) -> dict[str, str]:
    """As another secret would sign another body."""
    return resigned(name, Hook(headers, b"", datetime.max), b"another body", "another secret")  # noqa: DTZ901


def mutated_and_signed(name: str, rnd: Random) -> Request:
    """What a source would send that is broken, or has learned something new."""
    hook, _ = rnd.choice(calls(name))
    body = mutated(hook.body, rnd)
    headers = resigned(name, hook, body)
    if rnd.random() < 0.1:
        headers["content-encoding"] = "gzip"
        body = gzip.compress(body, 1)
    return Request(name, Hook(headers, body, hook.at))


# -- and to whom


async def sent(app: Any, request: Request, rnd: Random) -> int:
    """The status. The body comes in one piece, or in several."""
    CLOCK.set(request.hook.at)
    body, status = request.hook.body, 0
    at = rnd.randrange(len(body) + 1) if rnd.random() < 0.2 else len(body)
    parts = [(body[:at], True), (body[at:], False)] if at < len(body) else [(body, False)]

    async def receive() -> dict[str, Any]:
        if not parts:
            return {"type": "http.disconnect"}
        part, more = parts.pop(0)
        return {"type": "http.request", "body": part, "more_body": more}

    async def send(message: Mapping[str, Any]) -> None:
        nonlocal status
        status = message.get("status", status)

    path = f"/hooks/{request.path or request.name}"
    headers = [(name.encode(), value.encode("latin-1")) for name, value in request.hook.headers.items()]
    headers.append((b"content-length", str(len(body)).encode()))
    scope = {"type": "http", "method": request.method, "path": path, "headers": headers, "query_string": b""}
    await app(scope, receive, send)
    return status


@contextmanager
def started() -> Iterator[Setting]:
    made = setting(limits=NO_LIMIT, now=CLOCK.get)
    made.hooks.start()
    try:
        until(lambda: not made.hooks.away, "open")
        yield made
    finally:
        made.hooks.close()


async def all_sent(
    made: Setting, count: int, rnd: Random, make: Callable[[str, Random], Request], check: Callable[[], None]
) -> Counter[int]:
    """How many of each status. ``check`` is called in between, when all have been answered."""
    statuses: Counter[int] = Counter()
    while count > 0:
        requests = [make(rnd.choice(NAMES), rnd) for _ in range(min(count, AT_ONCE))]
        found = await asyncio.gather(*(sent(made.hooks.app, request, rnd) for request in requests))
        statuses.update(found)
        count -= len(requests)
        check()
    return statuses


@pytest.mark.parametrize("seed", range(4))
def test_what_nobody_signed_says_nothing(
    seed: int, sample: Callable[[int, int], int], tally: Callable[[str, int], None]
) -> None:
    count = sample(FULL_BODIES, BODIES) // 8
    with started() as made:

        def check() -> None:
            assert (made.sink.said, made.rung, made.answers) == ([], [], [])

        statuses = asyncio.run(all_sent(made, count, Random(f"unsigned {seed}"), unsigned, check))
        assert statuses.keys() <= UNSIGNED, statuses
        assert statuses[401] > count / 2
    tally("webhooks that nobody signed", count)


@pytest.mark.parametrize("seed", range(4))
def test_what_is_signed_is_never_refused_and_never_lost(
    seed: int, sample: Callable[[int, int], int], tally: Callable[[str, int], None]
) -> None:
    count = sample(FULL_BODIES, BODIES) // 8
    with started() as made:
        told: Counter[str] = Counter()

        def check() -> None:
            assert made.sink.acknowledged == len(made.sink.said)
            told.update(checked(topic, value) for topic, _, value in made.sink.said)
            told.update({"doorbells": len(made.rung), "answers": len(made.answers)})
            made.sink.forget()
            made.rung.clear()
            made.answers.clear()

        statuses = asyncio.run(all_sent(made, count, Random(f"signed {seed}"), mutated_and_signed, check))
        assert statuses == {202: count}
        assert min(told[what] for what in ("events", "directory", "rejected", "doorbells", "answers")) > 0, told
    tally("webhooks that were signed, and broken before", count)


def checked(topic: str, value: bytes) -> str:
    """The topic. What is said there can be read."""
    if topic == "events":
        assert e.encode(e.decode(value)) == value
    elif topic == "rejected":
        one = msgspec.json.decode(value, type=Rejected)
        assert (bool(one.reason), bool(one.source), one.raw) == (True, True, "")
    return topic


def test_one_that_was_cut_is_rejected_each_time() -> None:
    rnd = Random(5)
    with started() as made:
        requests = []
        for _ in range(500):
            name = rnd.choice(NAMES)
            hook, _ = rnd.choice(calls(name))
            body = hook.body[: rnd.randrange(1, max(2, len(hook.body) - 1))]
            if body.strip(b"[{") != b"":
                requests.append(Request(name, Hook(resigned(name, hook, body), body, hook.at)))
        sending = (sent(made.hooks.app, request, rnd) for request in requests)

        async def gathered() -> list[int]:
            return [await one for one in sending]

        assert set(asyncio.run(gathered())) == {202}
        assert len(made.sink.topic("rejected")) == len(requests)
        assert len(made.sink.said) == len(requests)
