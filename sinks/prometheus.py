"""What Prometheus scrapes: the present of every indicator, and how a stage itself is doing.

The only import of prometheus_client outside ``__main__``. Names are those of the catalogue, unit last
(https://prometheus.io/docs/practices/naming/), and begin with ``crossdesk_``; ``…_count`` belongs to histograms there, so
what is counted is named, ``…_facts`` or ``…_cases``:

    crossdesk_first_response_attainment_ratio{department="it",window="7d"}                         the value
    crossdesk_first_response_attainment_low_ratio, …_high_ratio                                    its bounds at 95 %
    crossdesk_first_response_attainment_facts                                                      facts behind it
    crossdesk_first_response_facts{department="it",window="7d"}                                    how many
    crossdesk_first_response_p90_beyond_seconds                                                    p90 is more than this
    crossdesk_pair_first_response_attainment_ratio{counterpart="hr",department="it",window="7d"}   of a pair
    crossdesk_as_of_timestamp_seconds{department="it"}                                             how fresh

Ratios have bounds, because alerts need them; those of durations are in ClickHouse. What has no value has no series: no
data is neither 0 nor 100 %. An indicator without a window has no label ``window``. Morale has a file of its own
(``prometheus_morale.py``).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from itertools import chain
from threading import Lock
from typing import NamedTuple

from prometheus_client import CollectorRegistry, Counter, Gauge, ProcessCollector, disable_created_metrics
from prometheus_client.exposition import choose_encoder
from prometheus_client.utils import floatToGoString

from sinks.prometheus_morale import Family, families, of_whom
from streams.indicators import BY_NAME, PROXY, Aggregation, IndicatorValue
from streams.morale import MoraleValue

PREFIX = "crossdesk_"

# Whatever is not in here is no label of a stage's own metrics: no person, above all.
LABELS = frozenset({"code", "connector", "kind", "measure", "partition", "reason", "source", "stage", "table", "topic"})

_BOUNDED = {Aggregation.attainment, Aggregation.share}
_PERCENTILES = {Aggregation.p50, Aggregation.p90}
_EOF = b"# EOF\n"


class Pair(NamedTuple):
    counterpart: str
    department: str


class Count:
    """Something that is counted. The name ends in ``_total``."""

    def __init__(self, name: str, text: str, labels: Collection[str], registry: CollectorRegistry) -> None:
        if not name.endswith("_total"):
            raise ValueError(f"{name}: what is counted ends in _total")
        self._metric = Counter(PREFIX + name, text, _known(labels), registry=registry)

    def add(self, amount: float = 1, **labels: str) -> None:
        (self._metric.labels(**labels) if labels else self._metric).inc(amount)


class Level:
    """Something that goes up and down. The name ends in its unit. Before it is set it is NaN, for 0 would say something."""

    def __init__(self, name: str, text: str, labels: Collection[str], registry: CollectorRegistry) -> None:
        self._labels = _known(labels)
        self._metric = Gauge(PREFIX + name, text, self._labels, registry=registry)
        if not self._labels:
            self._metric.set(float("nan"))

    def set(self, value: float, **labels: str) -> None:
        (self._metric.labels(**labels) if labels else self._metric).set(value)

    def forget(self, **labels: str) -> None:
        """Takes away a series that was set."""
        self._metric.remove(*[labels[name] for name in self._labels])


def _known(labels: Collection[str]) -> tuple[str, ...]:
    if unknown := set(labels) - LABELS:
        raise ValueError(f"no such labels: {', '.join(sorted(unknown))}")
    return tuple(labels)


class _Family(NamedTuple):
    """All series of one name; ``field`` is where an IndicatorValue has the number."""

    name: str
    field: str
    text: str


class Exporter:
    """The latest of every indicator, and whatever the stage counts. Threads may write while others render."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._lock = Lock()
        self._latest: dict[tuple[str, bool], dict[tuple[str, str, str], IndicatorValue]] = {}
        self._morale: list[MoraleValue] = []
        self._departments: frozenset[str] | None = None
        self._pairs: frozenset[tuple[str, str]] = frozenset()

    def update(self, values: Iterable[IndicatorValue]) -> None:
        """Of each series the highest offset stands; of equal ones, the last that came."""
        with self._lock:
            self._update(values)

    def replace(self, values: Iterable[IndicatorValue]) -> None:
        """These instead of all that there were: no scrape sees some of both."""
        with self._lock:
            self._latest = {}
            self._update(values)

    def remove(self, value: IndicatorValue) -> None:
        """Its series, whatever its latest value is."""
        with self._lock:
            self._latest.get(_family_of(value), {}).pop(_series_of(value), None)

    def retain(self, departments: Collection[str] | None, pairs: Collection[Pair] = ()) -> None:
        """From now on these departments (None: all), and these pairs: those with a norm of their own. Everything else vanishes.

        Until the first call all departments are shown, and no pair.
        """
        with self._lock:
            self._departments = None if departments is None else frozenset(departments)
            self._pairs = frozenset(pairs)
            for name, series in self._latest.items():
                self._latest[name] = {key: value for key, value in series.items() if self._shown(value)}

    def show_morale(self, values: Iterable[MoraleValue]) -> None:
        """These instead of all that there were, of the departments that are shown."""
        with self._lock:
            self._morale = list(values)

    def count(self, name: str, text: str, labels: Collection[str] = ()) -> Count:
        return Count(name, text, labels, self._registry)

    def level(self, name: str, text: str, labels: Collection[str] = ()) -> Level:
        return Level(name, text, labels, self._registry)

    def render(self, accept: str = "") -> tuple[str, bytes]:
        """Content type and body, for the scrape's header ``Accept``."""
        encode, content_type = choose_encoder(accept)
        own: bytes = encode(self._registry)
        with self._lock:
            latest = {name: list(series.values()) for name, series in sorted(self._latest.items())}
            shown = {name: [v for v in values if self._shown(v)] for name, values in latest.items()}
            morale = [v for v in self._morale if self._departments is None or of_whom(v) in self._departments]
        lines = "".join(chain(_lines(shown), _morale_lines(morale))).encode()
        return content_type, own.removesuffix(_EOF) + lines + (_EOF if own.endswith(_EOF) else b"")

    def _update(self, values: Iterable[IndicatorValue]) -> None:
        for value in values:
            known = BY_NAME.get(value.indicator)
            if known is not None and value.window not in known.exported:
                continue
            if self._departments is not None and not self._shown(value):
                continue
            series = self._latest.setdefault(_family_of(value), {})
            key = _series_of(value)
            held = series.get(key)
            if held is None or value.offset >= held.offset:
                series[key] = value

    def _shown(self, value: IndicatorValue) -> bool:
        if value.counterpart and (value.counterpart, value.department) not in self._pairs:
            return False
        return self._departments is None or value.department in self._departments


def _family_of(value: IndicatorValue) -> tuple[str, bool]:
    return value.indicator, bool(value.counterpart)


def _series_of(value: IndicatorValue) -> tuple[str, str, str]:
    return value.counterpart, value.department, value.window


def _families(indicator: str, pair: bool) -> Iterator[_Family]:
    known = BY_NAME.get(indicator)
    question = known.question if known else "An indicator that this version does not know."
    question += f" {PROXY}" if known and known.proxy else ""
    name = f"{PREFIX}pair_" if pair else PREFIX
    name += indicator
    stem, _, unit = name.rpartition("_")
    yield _Family(name, "value", question)
    if known and known.aggregation in _BOUNDED:
        yield _Family(f"{stem}_low_{unit}", "low", f"{question} At least, at 95 %.")
        yield _Family(f"{stem}_high_{unit}", "high", f"{question} At most, at 95 %.")
        yield _Family(f"{stem}_facts", "n", f"{question} Facts behind the answer.")
    if known and known.aggregation in _PERCENTILES:
        yield _Family(f"{stem}_beyond_{unit}", "beyond", f"{question} More than this: too many still run to say it.")


def _number(value: IndicatorValue, field: str) -> float | None:
    if value.value is None or (field == "beyond" and not value.beyond):
        return None
    number: float | None = value.value if field == "beyond" else getattr(value, field)
    return number


def _lines(latest: dict[tuple[str, bool], list[IndicatorValue]]) -> Iterator[str]:
    """The lines are the same in both of Prometheus's formats. Its own client would take 1.1 s for 100,000 series."""
    as_of: dict[str, int] = {}
    for (indicator, pair), values in latest.items():
        labels = [_labels(value) for value in values]
        for family in _families(indicator, pair):
            numbers = [_number(value, family.field) for value in values]
            if any(number is not None for number in numbers):
                yield _head(family)
            for label, number in zip(labels, numbers, strict=True):
                if number is not None:
                    yield f"{family.name}{label} {floatToGoString(number)}\n"  # type: ignore[no-untyped-call]
        for value in values:
            as_of[value.department] = max(value.as_of, as_of.get(value.department, 0))
    if as_of:
        name = f"{PREFIX}as_of_timestamp_seconds"
        yield _head(_Family(name, "as_of", "Everything of the department's sources up to then is in its indicators."))
        for department, instant_us in as_of.items():
            yield f'{name}{{department="{_escaped(department)}"}} {instant_us / 1e6!r}\n'


def _morale_lines(values: Iterable[MoraleValue]) -> Iterator[str]:
    for family in families(values):
        yield _head(family)
        for labels, number in family.series:
            written = ",".join(f'{label}="{_escaped(text)}"' for label, text in labels.items())
            yield f"{family.name}{f'{{{written}}}' if written else ''} {number!r}\n"


def _head(family: _Family | Family) -> str:
    return f"# HELP {family.name} {_escaped(family.text)}\n# TYPE {family.name} gauge\n"


def _labels(value: IndicatorValue) -> str:
    counterpart = f'counterpart="{_escaped(value.counterpart)}",' if value.counterpart else ""
    window = f',window="{_escaped(value.window)}"' if value.window else ""
    return f'{{{counterpart}department="{_escaped(value.department)}"{window}}}'


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")
