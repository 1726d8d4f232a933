"""CONTRACT: the catalogue of indicators, and their values (topic ``crossdesk.indicators``).

An indicator is the facts of one measure over one rolling window, for one department or one ordered pair. To add one,
add one entry to :data:`INDICATORS`; what is made of several is in :data:`streams.combined.COMBINED`. A window is
(floor5(as_of) - length, as_of]: floor5 to five minutes; a fact belongs to it by ``counts_at``, and a running one to every window
where the aggregation says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

import msgspec
from msgspec import Struct

Windows = tuple[str, ...]

HOUR_US = 3_600_000_000
FLOOR_US = 300_000_000
WINDOWS: Mapping[str, int] = {"1h": HOUR_US, "24h": 24 * HOUR_US, "7d": 168 * HOUR_US, "28d": 672 * HOUR_US}
EVERY = ("", *WINDOWS)
WEEKS = ("7d", "28d")
DAYS = ("24h", *WEEKS)
LONG = ("28d",)
NOWHERE: Windows = ()  # Prometheus carries so many series and no more: of what takes days, no hour is exported
HORIZON_US = max(WINDOWS.values())
PROXY = "Of morale it is a proxy: what is done, and nobody's answer."
"""Beside the question of an indicator that is one."""


class Aggregation(Enum):
    """How the facts of a window become one value. The interval is always 95 %.

    ``attainment``: met / (met + missed), Wilson interval: what is excused is in neither. ``p50``, ``p90``: Kaplan-Meier over
    business time, what still runs is censored at ``as_of``, Greenwood interval. ``count``: facts in the window. ``cases``:
    distinct cases with a fact in the window. ``running``: facts that run at ``as_of`` (no window). ``total``: sum of business
    time. ``share``: facts with ``outcome`` / all determined facts of the measure, Wilson interval. ``share_of_time``: the same
    of their business time, of those that have ended, without an interval.
    """

    attainment = "attainment"
    p50 = "p50"
    p90 = "p90"
    count = "count"
    cases = "cases"
    running = "running"
    total = "total"
    share = "share"
    share_of_time = "share_of_time"


class Indicator(Struct, frozen=True):
    """``name`` ends in its unit, as Prometheus wants it. ``pairs``: also for each ordered pair (counterpart -> department).
    ``among``: another measure, whose determined facts belong to the whole of a ``share`` beside those of its own, and are no hits.
    ``exported``: the windows that Prometheus gets (empty: what runs now); the store has them all. ``proxy``: where it is shown
    beside what people answered, it is called a proxy, and never made one number with that (FEATURES MOR-10).
    """

    name: str
    measure: str
    aggregation: Aggregation
    question: str
    pairs: bool = False
    outcome: str = ""
    among: str = ""
    exported: Windows = EVERY
    proxy: bool = False

    @property
    def measures(self) -> tuple[str, ...]:
        """Of which it has facts, its own first."""
        return (self.measure, self.among) if self.among else (self.measure,)

    @property
    def unit(self) -> str:
        return unit_of(self.name)


def unit_of(name: str) -> str:
    return name.rsplit("_", 1)[1]


def _clock(
    measure: str, what: str, *, norm: bool = True, pairs: bool = False, kept: Windows = EVERY, took: Windows = EVERY
) -> tuple[Indicator, ...]:
    """The indicators that every duration has. Exported: ``kept``, of whether it is in time; ``took``, of how long it is."""
    attained = Indicator(
        f"{measure}_attainment_ratio",
        measure,
        Aggregation.attainment,
        f"How often is {what} in time?",
        pairs,
        exported=kept,
    )
    excused = Indicator(
        f"{measure}_excused_ratio",
        measure,
        Aggregation.share,
        f"How often is it excused that {what} is late?",
        outcome="excused",
        exported=NOWHERE,
    )
    return (
        *((attained, excused) if norm else ()),
        *(
            Indicator(f"{measure}_{name}", measure, aggregation, question, pairs, exported=took)
            for name, aggregation, question in (
                ("p50_seconds", Aggregation.p50, f"How long is {what}, typically?"),
                ("p90_seconds", Aggregation.p90, f"How long is {what} for one in ten?"),
                ("facts", Aggregation.count, f"How many of {what} were determined?"),
                ("running_facts", Aggregation.running, f"How many of {what} run now?"),
            )
        ),
    )


def _kept(measure: str, what: str) -> tuple[Indicator, ...]:
    """Of promises: how many are kept, not how long they take."""
    return (
        Indicator(
            f"{measure}_attainment_ratio",
            measure,
            Aggregation.attainment,
            f"How often is {what} kept?",
            True,
            exported=LONG,
        ),
        Indicator(
            f"{measure}_facts",
            measure,
            Aggregation.count,
            f"How many of {what} were determined?",
            True,
            exported=NOWHERE,
        ),
        Indicator(
            f"{measure}_running_facts",
            measure,
            Aggregation.running,
            f"How many of {what} are open now?",
            True,
            exported=NOWHERE,
        ),
    )


EXCLUDED_AT_MOST = 0.05
"""When a larger share of cases counts nowhere, somebody should look why: what is left says little then."""
WAITING = ("provider", "requester", "other_department", "third_party", "unowned", "closed")

INDICATORS: tuple[Indicator, ...] = (
    *_clock("first_response", "the wait for a first answer", pairs=True),
    *_clock("next_response", "the wait for the next answer"),
    *_clock("silence", "a silence in an open case", norm=False, took=("", *DAYS)),
    *_clock("first_resolution", "the way to a first solution", norm=False),
    *_clock("resolution", "the way to the last solution", pairs=True),
    *_clock("acceptance", "the wait for a hand-over to be taken up", pairs=True),
    *_clock("ownership", "the time a department holds a case", pairs=True, kept=LONG, took=("", *WEEKS)),
    *_clock("orphan", "the time nobody owns a case", norm=False),
    Indicator(
        "reopening_share_ratio",
        "reopening",
        Aggregation.share,
        "How many solutions do not hold?",
        outcome="missed",
        exported=WEEKS,
        proxy=True,
    ),
    Indicator(
        "first_time_complete_attainment_ratio",
        "first_time_complete",
        Aggregation.attainment,
        "How many hand-overs came with all that was needed?",
        pairs=True,
        exported=LONG,
    ),
    Indicator(
        "resolution_margin_p50_ratio",
        "margin",
        Aggregation.p50,
        "How much of the promised time is left when a case is solved, typically?",
        pairs=True,
        exported=NOWHERE,
    ),
    Indicator(
        "exceeded_attainment_ratio",
        "exceeded",
        Aggregation.attainment,
        "How many solutions come clearly earlier than promised, and hold?",
        pairs=True,
        exported=NOWHERE,
    ),
    Indicator(
        "breach_seconds",
        "breach",
        Aggregation.total,
        "For how long did who has a case have it, until it was late?",
        exported=NOWHERE,
    ),
    *_kept("promise_first", "a promise, by the date first named"),
    *_kept("promise_final", "a promise, by the last date agreed on"),
    Indicator(
        "pause_unfounded_ratio",
        "pause",
        Aggregation.share_of_time,
        "For how much of the time in which the requester is waited for is there no reason to wait?",
        outcome="missed",
        exported=LONG,
    ),
    Indicator(
        "bot_touch_facts",
        "bot_touch",
        Aggregation.count,
        "How often does a bot write to a requester?",
        exported=NOWHERE,
    ),
    Indicator(
        "self_service_attainment_ratio",
        "self_service",
        Aggregation.attainment,
        "How many solutions of a bot hold?",
        exported=NOWHERE,
    ),
    Indicator(
        "self_service_facts", "self_service", Aggregation.count, "How many cases did a bot solve?", exported=NOWHERE
    ),
    Indicator(
        "excluded_share_ratio",
        "excluded",
        Aggregation.share,
        "How many cases count nowhere, of these and those whose first answer was determined?",
        outcome="done",
        among="first_response",
        exported=NOWHERE,
    ),
    # From these and first_response_facts Prometheus has the share, in a quarter of its series.
    Indicator("excluded_facts", "excluded", Aggregation.count, "How many cases count nowhere?", exported=LONG),
    Indicator(
        "thanks_attainment_ratio",
        "thanks",
        Aggregation.attainment,
        "How many solved cases does whoever asked say thank you for?",
        pairs=True,
        exported=NOWHERE,
        proxy=True,
    ),
    Indicator(
        "timely_thanks_attainment_ratio",
        "timely_thanks",
        Aggregation.attainment,
        "How many of the thanks are for being in time, or for what was clearly earlier than promised?",
        pairs=True,
        exported=NOWHERE,
    ),
    Indicator(
        "after_hours_ratio",
        "after_hours",
        Aggregation.share_of_time,
        "How much of what a department does in cases is done outside its opening hours?",
        outcome="missed",
        exported=NOWHERE,
        proxy=True,
    ),
    Indicator(
        "loop_attainment_ratio",
        "loop",
        Aggregation.attainment,
        "Of how many suggestions is it told in 20 business days what became of them?",
        exported=NOWHERE,
    ),
    Indicator("ping_pong_facts", "ping_pong", Aggregation.count, "How often does a case come back?", pairs=True),
    Indicator(
        "round_trip_facts",
        "round_trip",
        Aggregation.count,
        "How often does a case come back by way of others?",
        pairs=True,
        exported=NOWHERE,
    ),
    Indicator(
        "rework_facts",
        "rework",
        Aggregation.count,
        "How often does a department have a case once more, which it had let go?",
        pairs=True,
        exported=NOWHERE,
    ),
    Indicator(
        "ping_pong_cases", "ping_pong", Aggregation.cases, "How many cases come back?", pairs=True, exported=LONG
    ),
    *(
        Indicator(f"{name}_seconds", name, Aggregation.total, f"How long did cases wait: {who}?", exported=DAYS)
        for who in WAITING
        for name in [f"waiting_{who}"]
    ),
)

BY_NAME: Mapping[str, Indicator] = {i.name: i for i in INDICATORS}


class IndicatorValue(Struct, array_like=True, frozen=True, gc=False, kw_only=True):
    """The latest value. ``value`` is None when there is nothing to say; durations are seconds here, as Prometheus wants them;
    ``as_of`` is an instant in microseconds, as everywhere.

    ``window`` is empty for what runs now. ``n`` facts stand behind it; ``low`` and ``high`` bound it at 95 % (None: not
    bounded). ``counterpart`` is empty for a department's own. ``beyond``: the percentile lies beyond the largest
    observed, which is ``value``. ``offset`` is that of the last fact record behind it: readers keep the highest.
    """

    indicator: str
    department: str
    counterpart: str
    window: str
    as_of: int
    value: float | None
    n: int
    low: float | None = None
    high: float | None = None
    beyond: bool = False
    offset: int = 0


def key(value: IndicatorValue) -> bytes:
    """The key of a record: its series."""
    return "/".join((value.indicator, value.department, value.counterpart, value.window)).encode()


_decoder = msgspec.msgpack.Decoder(IndicatorValue)
_encoder = msgspec.msgpack.Encoder()


def decode(record: bytes) -> IndicatorValue:
    value: IndicatorValue = _decoder.decode(record)
    return value


def encode(value: IndicatorValue) -> bytes:
    return _encoder.encode(value)
