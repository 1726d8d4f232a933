"""What of the indicators Prometheus gets to see, from a version of the configuration."""

from __future__ import annotations

from typing import Any

import pytest
from on_kafka import example

from deploy.exported import exported_departments, pairs_with_a_norm_of_their_own
from sinks.prometheus import Pair
from streams.configuration import Configuration, Files, trial_configuration
from streams.dated import instant
from streams.norm_entry import NormEntry, NormsFile


def written(**entry: Any) -> NormEntry:
    return NormEntry.model_validate(entry)


def promised(*entries: NormEntry) -> Configuration:
    return Configuration(Files(version=1, company=example().files.company, norms={"all": NormsFile(norms=entries)}))


def test_departments_are_those_that_are_named_and_where_cases_lie_that_have_none() -> None:
    configuration = example()
    assert exported_departments(configuration, 0) == frozenset({*configuration.departments, "_unmapped", "_unowned"})


def test_where_every_group_is_a_department_all_are_shown() -> None:
    assert exported_departments(trial_configuration("Europe/Berlin"), 0) is None


def test_a_pair_counts_when_the_giver_is_named() -> None:
    configuration = promised(
        written(department="it", acceptance={"hr": "2h", "finance": "4h", "*": "8h"}, first_response="4h"),
        written(department="hr", acceptance={"*": "8h"}),
    )
    assert pairs_with_a_norm_of_their_own(configuration, 0) == {Pair("hr", "it"), Pair("finance", "it")}


@pytest.mark.parametrize(("day", "givers"), [("2026-01-15", {"hr", "finance"}), ("2026-03-15", {"finance"})])
def test_what_is_promised_now_or_later_counts_and_what_was_once_does_not(day: str, givers: set[str]) -> None:
    configuration = promised(
        written(department="it", valid_from="2026-01-01", acceptance={"hr": "2h"}),
        written(department="it", valid_from="2026-02-01", acceptance={"finance": "2h"}),
    )
    at = instant(day, "Europe/Berlin")
    assert pairs_with_a_norm_of_their_own(configuration, at) == {Pair(giver, "it") for giver in givers}
