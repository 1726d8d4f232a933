"""What Prometheus is told, and that a real one understands it."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import msgspec
import pytest
from real_prometheus import asked, debian, prometheus

from sinks.prometheus import Exporter, Pair
from streams.indicators import INDICATORS, WINDOWS, Aggregation, IndicatorValue

AS_OF = 1_767_225_600_000_000  # 2026-01-01
OPENMETRICS = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"

ATTAINMENT = IndicatorValue(
    indicator="first_response_attainment_ratio",
    department="it",
    counterpart="",
    window="7d",
    as_of=AS_OF,
    value=0.8,
    n=10,
    low=0.4902,
    high=0.9433,
    offset=100,
)
OF_PAIR = msgspec.structs.replace(ATTAINMENT, counterpart="hr", value=0.7)


def but(of: IndicatorValue, /, **changes: Any) -> IndicatorValue:
    return msgspec.structs.replace(of, **changes)


def series(exporter: Exporter, accept: str = "") -> dict[str, float]:
    """What an exporter of ours says about departments."""
    lines = exporter.render(accept)[1].decode().splitlines()
    pairs = (line.rsplit(" ", 1) for line in lines if line.startswith("crossdesk_"))
    return {name: float(number) for name, number in pairs}


def full(departments: int) -> list[IndicatorValue]:
    """Every indicator with a value in every window."""
    values = []
    for indicator in INDICATORS:
        windows = [""] if indicator.aggregation is Aggregation.running else list(WINDOWS)
        names = ["_unowned"] if indicator.measure == "orphan" else [f"department-{d}" for d in range(departments)]
        values += [
            but(ATTAINMENT, indicator=indicator.name, department=name, window=window)
            for name in names
            for window in windows
        ]
    return values


def test_a_ratio_comes_with_its_bounds_and_the_number_of_facts_behind_it() -> None:
    exporter = Exporter()
    exporter.update([ATTAINMENT])
    assert series(exporter) == {
        'crossdesk_first_response_attainment_ratio{department="it",window="7d"}': 0.8,
        'crossdesk_first_response_attainment_low_ratio{department="it",window="7d"}': 0.4902,
        'crossdesk_first_response_attainment_high_ratio{department="it",window="7d"}': 0.9433,
        'crossdesk_first_response_attainment_facts{department="it",window="7d"}': 10,
        'crossdesk_as_of_timestamp_seconds{department="it"}': 1767225600,
    }


def test_no_value_is_no_series_and_never_zero() -> None:
    exporter = Exporter()
    exporter.update([but(ATTAINMENT, value=None, n=0, low=None, high=None)])
    assert series(exporter) == {'crossdesk_as_of_timestamp_seconds{department="it"}': 1767225600}


def test_a_value_that_goes_away_takes_its_series_along() -> None:
    exporter = Exporter()
    exporter.update([ATTAINMENT])
    exporter.update([but(ATTAINMENT, value=None, offset=101)])
    assert not [name for name in series(exporter) if "attainment" in name]


def test_zero_is_a_value() -> None:
    exporter = Exporter()
    exporter.update([but(ATTAINMENT, value=0.0)])
    assert series(exporter)['crossdesk_first_response_attainment_ratio{department="it",window="7d"}'] == 0.0


def test_the_highest_offset_stands_whatever_comes_after_it() -> None:
    exporter = Exporter()
    exporter.update([but(ATTAINMENT, value=0.9, offset=200), ATTAINMENT])
    assert series(exporter)['crossdesk_first_response_attainment_ratio{department="it",window="7d"}'] == 0.9


def test_of_equal_offsets_the_last_stands_because_time_passes_without_facts() -> None:
    exporter = Exporter()
    exporter.update([ATTAINMENT, but(ATTAINMENT, value=0.9, as_of=AS_OF + 300_000_000)])
    assert series(exporter)['crossdesk_first_response_attainment_ratio{department="it",window="7d"}'] == 0.9
    assert series(exporter)['crossdesk_as_of_timestamp_seconds{department="it"}'] == 1767225900


def test_a_percentile_beyond_the_largest_observed_says_so() -> None:
    exporter = Exporter()
    p90 = but(ATTAINMENT, indicator="first_response_p90_seconds", value=7200.0)
    exporter.update([p90])
    assert not [name for name in series(exporter) if "beyond" in name]
    exporter.update([but(p90, beyond=True)])
    assert series(exporter)['crossdesk_first_response_p90_seconds{department="it",window="7d"}'] == 7200
    assert series(exporter)['crossdesk_first_response_p90_beyond_seconds{department="it",window="7d"}'] == 7200


def test_what_runs_now_has_no_window() -> None:
    exporter = Exporter()
    exporter.update([but(ATTAINMENT, indicator="ownership_running_facts", window="", value=3.0)])
    assert series(exporter)['crossdesk_ownership_running_facts{department="it"}'] == 3


def test_only_pairs_with_a_norm_of_their_own_are_shown() -> None:
    exporter = Exporter()
    exporter.update([OF_PAIR, but(OF_PAIR, counterpart="finance")])
    assert not [name for name in series(exporter) if "pair" in name]
    exporter.retain({"it"}, {Pair("hr", "it")})
    exporter.update([OF_PAIR, but(OF_PAIR, counterpart="finance")])
    shown = {name for name in series(exporter) if name.startswith("crossdesk_pair_first_response_attainment_ratio")}
    assert shown == {'crossdesk_pair_first_response_attainment_ratio{counterpart="hr",department="it",window="7d"}'}


def test_a_department_that_is_no_more_vanishes_and_late_values_do_not_bring_it_back() -> None:
    exporter = Exporter()
    exporter.update([ATTAINMENT, but(ATTAINMENT, department="typing pool")])
    exporter.retain({"it"})
    exporter.update([but(ATTAINMENT, department="typing pool", offset=300)])
    assert {re.findall('department="([^"]*)"', name)[0] for name in series(exporter)} == {"it"}


def test_names_of_departments_may_hold_anything() -> None:
    exporter = Exporter()
    exporter.update([but(ATTAINMENT, department='R&D "Süd"\\ost\n')])
    name = 'crossdesk_as_of_timestamp_seconds{department="R&D \\"Süd\\"\\\\ost\\n"}'
    assert name in series(exporter)
    assert not lint(exporter)


def test_an_indicator_of_a_later_version_is_passed_on() -> None:
    exporter = Exporter()
    exporter.update([but(ATTAINMENT, indicator="telepathy_ratio")])
    assert series(exporter)['crossdesk_telepathy_ratio{department="it",window="7d"}'] == 0.8


def test_a_stage_counts_without_knowing_the_client_library() -> None:
    exporter = Exporter()
    written = exporter.count("facts_written_total", "Facts that are in the store.", ("table",))
    behind = exporter.level("lag_records", "Records that are not read yet.")
    written.add(table="facts")
    written.add(2, table="facts")
    behind.set(7)
    assert series(exporter) == {'crossdesk_facts_written_total{table="facts"}': 3, "crossdesk_lag_records": 7}


@pytest.mark.parametrize("label", ["person", "agent", "assignee", "email", "user", "name", "who", "requester"])
def test_no_metric_can_have_a_person_as_a_label(label: str) -> None:
    with pytest.raises(ValueError, match="no such label"):
        Exporter().count("replies_total", "Replies.", (label,))


def test_indicators_have_three_labels_and_no_other() -> None:
    exporter = Exporter()
    exporter.retain({"it"}, {Pair("hr", "it")})
    exporter.update([but(OF_PAIR, indicator=i.name) for i in INDICATORS])
    exporter.update([but(ATTAINMENT, indicator=i.name) for i in INDICATORS])
    labels = {label for name in series(exporter) for label in re.findall(r'[{,](\w+)="', name)}
    assert labels == {"counterpart", "department", "window"}


def test_both_formats_say_the_same() -> None:
    exporter = Exporter()
    exporter.update([ATTAINMENT])
    kind, body = exporter.render(OPENMETRICS)
    assert kind.startswith("application/openmetrics-text")
    assert body.endswith(b"\n# EOF\n")
    assert body.count(b"# EOF") == 1
    assert exporter.render()[0].startswith("text/plain; version=0.0.4")
    assert series(exporter) == series(exporter, OPENMETRICS)


def lint(exporter: Exporter) -> str:
    command = [debian("promtool"), "check", "metrics"]
    checked = subprocess.run(command, input=exporter.render()[1], capture_output=True, check=False)
    return (checked.stdout + checked.stderr).decode()


def test_promtool_finds_nothing_to_say_about_any_metric() -> None:
    exporter = Exporter()
    exporter.retain({"it", "_unowned", "department-0"}, {Pair("hr", "it")})
    exporter.count("facts_written_total", "Facts that are in the store.", ("table",)).add(table="facts")
    exporter.level("lag_records", "Records that are not read yet.").set(7)
    exporter.update(but(value, beyond=True) for value in full(1))
    exporter.update(but(OF_PAIR, indicator=i.name, beyond=True) for i in INDICATORS if i.pairs)
    assert lint(exporter) == ""


def test_five_hundred_departments_are_rendered_in_less_than_a_second() -> None:
    exporter = Exporter()
    exporter.update(full(500))
    started = time.process_time()
    body = exporter.render(OPENMETRICS)[1]
    assert time.process_time() - started < 1
    assert 90_000 < sum(not line.startswith(b"#") for line in body.splitlines()) < 110_000


@contextmanager
def served(exporter: Exporter) -> Iterator[str]:
    class Scraped(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            kind, body = exporter.render(self.headers.get("Accept", ""))
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Says nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Scraped) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_real_prometheus_scrapes_it_and_answers(tmp_path: Path) -> None:
    exporter = Exporter()
    exporter.retain({"it"}, {Pair("hr", "it")})
    exporter.update([ATTAINMENT, OF_PAIR])
    with served(exporter) as target, prometheus(tmp_path, [target]) as address:
        deadline = time.monotonic() + 30
        while not any(sample["value"][1] == "1" for sample in asked(address, "up")):
            assert time.monotonic() < deadline, (tmp_path / "log").read_text()
            time.sleep(0.1)
        (own,) = asked(address, 'crossdesk_first_response_attainment_ratio{department="it"}')
        assert own["value"][1] == "0.8"
        (pair,) = asked(address, 'crossdesk_pair_first_response_attainment_ratio{counterpart="hr"}')
        assert pair["value"][1] == "0.7"
        assert pair["metric"]["window"] == "7d"
        assert asked(address, "crossdesk_as_of_timestamp_seconds")[0]["value"][1] == "1767225600"
