"""Labels that say that a case counts nowhere: which, why, from when and until when."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from pydantic import ValidationError
from test_connectors import FIXTURES, IDENTITY, Fixture

from ingest import event as e
from ingest.connector import Rejected
from ingest.connectors import CONNECTORS
from ingest.exclusion import Labelled, Reason, reason_of, turned
from ingest.identity import People

EXCLUDE = {"test": "test", "Probe": "monitoring", "moved in": "migrated"}
LABELLED = sorted(name for name, one in CONNECTORS.items() if issubclass(one, Labelled))


def zendesk(exclude: Any = EXCLUDE) -> Labelled:
    connector = CONNECTORS["zendesk"].model_validate({"source": "desk", "user": "r@tern.example", "exclude": exclude})
    assert isinstance(connector, Labelled)
    return connector


def told(*labels: Sequence[str], exclude: Any = EXCLUDE) -> str:
    """A ticket that has these labels, one after the other: what is said of it, at which minute."""
    steps = [
        {
            "id": 10 + minute,
            "created_at": f"2026-03-09T09:{minute:02}:00Z",
            "author_id": 8,
            "events": [
                {"type": "Change", "field_name": "tags", "value": after, "previous_value": before}
                if minute
                else {"type": "Create", "field_name": "tags", "value": after}
            ],
        }
        for minute, (before, after) in enumerate(zip([(), *labels], labels, strict=False))
    ]
    ticket = {"id": 1, "status": "open", "updated_at": "2026-03-09T09:00:00Z", "requester_id": 7}
    document = {"ticket": ticket, "audits": steps, "users": {"8": {"role": "agent"}}}
    made = [one for one in zendesk(exclude).parse(document, People(IDENTITY, "desk")) if isinstance(one, e.Excluded)]
    assert {one.actor for one in made} <= {e.Actor.provider_human}
    return " ".join(f"{one.time:%M}:{'not ' if one.data.reverted else ''}{one.data.reason}" for one in made)


def test_a_case_is_excluded_while_it_has_a_label() -> None:
    assert told(["vip"], ["vip", "test"], ["test"], ["vip"], ["vip", "test"]) == "01:test 03:not test 04:test"
    assert told(["test"], []) == "00:test 01:not test"
    assert told(["vip"], ["tests"], ["a test"]) == ""


def test_of_several_labels_the_one_that_is_named_first_says_why() -> None:
    assert told(["probe"], ["probe", "test"], ["moved in", "probe"], ["moved in"], []) == (
        "00:monitoring 01:test 02:monitoring 03:migrated 04:not migrated"
    )
    assert told(["moved in"], ["probe", "moved in"], exclude=dict(reversed(EXCLUDE.items()))) == "00:migrated"


def test_letters_may_be_large_or_small() -> None:
    assert told(["TEST"], ["PROBE "]) == "00:test 01:monitoring"


def test_without_a_list_no_label_means_anything() -> None:
    assert told(["test"], ["probe"], exclude={}) == ""


@pytest.mark.parametrize("name", LABELLED)
def test_a_source_excludes_by_label_only_what_its_list_names(name: str) -> None:
    """Of the fixtures, in which there are labels: by another list other cases, and by none no case, whatever way they come."""
    fx = Fixture(name)
    documents, people = fx.documents(), People(IDENTITY, fx.connector.source)

    def excluded(exclude: Any) -> list[str]:
        connector = fx.connector.model_copy(update={"exclude": exclude})
        made = [one for document in documents for one in connector.parse(document, people)]
        return [one.data.reason for one in made if isinstance(one, e.Excluded) and one.data.reason in list(Reason)]

    assert excluded(fx.connector.exclude)  # type: ignore[attr-defined]
    assert excluded({}) == excluded({"another": Reason.test}) == []


@pytest.mark.parametrize("name", LABELLED)
def test_no_other_label_is_said_to_anybody(name: str) -> None:
    said = (FIXTURES / name / "events.ndjson").read_text()
    for label in ("Probe", "Imported", "lift", 'messaging"]'):
        assert label not in said


@pytest.mark.parametrize(
    ("exclude", "problem"),
    [
        ({"test": "tests"}, "'tests' is no reason: write test, monitoring, migrated"),
        ({"test": None}, "None is no reason"),
        ({"test": "test", "TEST ": "migrated"}, "the label 'TEST ' stands there twice, with two reasons"),
        ({" ": "test"}, "String should match pattern"),
        (["test"], "valid mapping|valid dictionary"),
    ],
)
def test_a_list_that_cannot_be_meant_is_refused(exclude: Any, problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        zendesk(exclude)


def test_servicenow_must_know_in_which_column_labels_are() -> None:
    with pytest.raises(ValidationError, match="say under 'labels' which column holds them"):
        CONNECTORS["servicenow"].model_validate({"source": "now", "exclude": EXCLUDE})


def test_a_label_may_stand_twice_with_one_reason() -> None:
    assert zendesk({"test": "test", "Test": "test"}).exclude == {"test": Reason.test}


def test_what_did_not_change_says_nothing() -> None:
    assert turned(None, None) is turned(Reason.test, Reason.test) is None
    assert reason_of([], {"test": Reason.test}) is None


@pytest.mark.parametrize("tags", [None, 7, "test", {"test": 1}, [["test"], 5, None], []])
def test_tags_of_any_shape_are_read_or_passed_over(tags: Any) -> None:
    audit = {
        "id": 1,
        "created_at": "2026-03-09T09:00:00Z",
        "events": [{"type": "Create", "field_name": "tags", "value": tags}],
    }
    ticket = {"id": 1, "status": "open", "updated_at": "2026-03-09T09:00:00Z"}
    made = list(zendesk().parse({"ticket": ticket, "audits": [audit]}, People(IDENTITY, "desk")))
    assert not [one for one in made if isinstance(one, Rejected)]
    assert [type(one) for one in made if isinstance(one, e.Excluded)] == ([e.Excluded] if tags == "test" else [])
