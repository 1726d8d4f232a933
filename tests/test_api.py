"""The client of a source's API: patience, a budget, and words for what waiting does not mend."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import format_datetime
from itertools import pairwise

import pytest
from fake_source import Answer, FakeSource, serving

from ingest import api
from ingest.api import TRIES, Budget, HttpApi, SourceDown, Stopped, retry_after
from ingest.connector import Refused

SECRET = "correct-horse-battery"


class Rests:
    """Notes how long was to be waited, and does not wait. ``ends``: after so many we are stopped."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.ends = 1 << 30

    def __call__(self, seconds: float) -> bool:
        if seconds:
            self.seconds.append(seconds)
        return len(self.seconds) >= self.ends


@pytest.fixture
def source() -> Iterator[FakeSource]:
    with serving(FakeSource()) as source:
        yield source


@pytest.fixture
def rests() -> Rests:
    return Rests()


@pytest.fixture
def asked(source: FakeSource, rests: Rests) -> Iterator[HttpApi]:
    budget = Budget(60_000_000)
    with HttpApi(source.url, {"Authorization": f"Bearer {SECRET}"}, budget, rests) as client:
        yield client


def test_an_answer_is_its_json_and_credentials_go_with_the_question(source: FakeSource, asked: HttpApi) -> None:
    source.says("/tickets?page=2", Answer(json={"tickets": [1]}))
    assert asked.get("/tickets", {"page": "2"}) == {"tickets": [1]}
    assert source.asked[0].headers["Authorization"] == f"Bearer {SECRET}"


def test_a_source_that_is_asked_by_a_body_gets_it(source: FakeSource, asked: HttpApi) -> None:
    source.says("/search", Answer(json=[7]))
    assert asked.post("/search", {"jql": "updated > 0"}) == [7]
    assert source.asked[0].body == b'{"jql":"updated > 0"}'
    assert source.asked[0].headers["Content-Type"] == "application/json"


@pytest.mark.parametrize("trouble", [Answer(500), Answer(503), Answer(0), Answer(body=b'{"cut":'), Answer(429)])
def test_what_passes_is_waited_out(source: FakeSource, asked: HttpApi, rests: Rests, trouble: Answer) -> None:
    source.says("/tickets", trouble, trouble, Answer(json="there"))
    assert asked.get("/tickets") == "there"
    assert len(rests.seconds) == 2
    assert 0.25 <= rests.seconds[0] <= 0.5 <= rests.seconds[1] <= 1.0


def test_who_says_how_long_to_wait_is_obeyed(source: FakeSource, asked: HttpApi, rests: Rests) -> None:
    source.says("/tickets", Answer(429, headers={"Retry-After": "17"}), Answer(json="there"))
    assert asked.get("/tickets") == "there"
    assert rests.seconds == [17.0]


def test_a_source_that_stays_down_is_down(source: FakeSource, asked: HttpApi, rests: Rests) -> None:
    source.says("/tickets", Answer(502))
    with pytest.raises(SourceDown, match=rf"GET /tickets answered 502, {TRIES} times in a row"):
        asked.get("/tickets")
    assert len(source.asked) == TRIES
    assert len(rests.seconds) == TRIES - 1


@pytest.mark.parametrize(
    ("status", "mend"),
    [(401, "has expired"), (403, "rights that it needs"), (404, "is `url` right"), (400, "does not accept")],
)
def test_what_waiting_does_not_mend_is_said_at_once(
    source: FakeSource, asked: HttpApi, rests: Rests, status: int, mend: str
) -> None:
    source.says("/tickets?token=hidden", Answer(status))
    with pytest.raises(Refused, match=mend) as refused:
        asked.get("/tickets", {"token": "hidden"})
    assert refused.value.status == status
    assert len(source.asked) == 1
    assert rests.seconds == []
    assert "hidden" not in str(refused.value)


def test_a_source_that_moved_is_named_without_its_query(source: FakeSource, asked: HttpApi) -> None:
    source.says("/tickets", Answer(301, headers={"Location": "https://example.com/tickets?token=hidden"}))
    with pytest.raises(Refused, match=r"moved to https://example\.com/tickets; name that"):
        asked.get("/tickets")


def test_an_answer_without_an_end_is_not_taken(
    source: FakeSource, asked: HttpApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api, "LARGEST_ANSWER", 1 << 20)
    source.says("/tickets", Answer(body=b'"' + b"x" * (1 << 21) + b'"'))
    with pytest.raises(SourceDown, match="more than 1 MiB"):
        asked.get("/tickets")


def test_who_is_stopped_while_waiting_does_not_ask_again(source: FakeSource, asked: HttpApi, rests: Rests) -> None:
    source.says("/tickets", Answer(500))
    rests.ends = 2
    with pytest.raises(Stopped):
        asked.get("/tickets")
    assert len(source.asked) == 2


def test_no_message_shows_a_secret_or_a_query(
    source: FakeSource, asked: HttpApi, caplog: pytest.LogCaptureFixture
) -> None:
    source.says("/tickets?session=hidden", Answer(500), Answer(json=1))
    with caplog.at_level(logging.DEBUG, "crossdesk"):
        asked.get("/tickets", {"session": "hidden"})
    assert "asking again" in caplog.text
    assert "hidden" not in caplog.text
    assert SECRET not in caplog.text


def test_a_budget_is_spent_evenly_by_all_who_share_it() -> None:
    now = 100.0
    budget = Budget(120, lambda: now)
    sent = []
    for _ in range(5):
        sent.append(now + budget.wait())
    assert sent == [100.0, 100.5, 101.0, 101.5, 102.0]
    now = 200.0
    assert budget.wait() == 0.0
    assert all(later - earlier >= 0.5 for earlier, later in pairwise(sent))


def test_retry_after_is_seconds_or_a_date() -> None:
    at = datetime(2026, 3, 2, 10, tzinfo=UTC)
    assert retry_after({"retry-after": "9"}, 0) == 9.0
    assert retry_after({"retry-after": format_datetime(at, usegmt=True)}, at.timestamp() - 30) == 30.0
    assert retry_after({"retry-after": format_datetime(at, usegmt=True)}, at.timestamp() + 30) == 0.0
    assert retry_after({"retry-after": "soon"}, 0) is None
    assert retry_after({}, 0) is None
