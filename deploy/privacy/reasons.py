"""Why each field is stored that :mod:`deploy.privacy.schemas` finds. One without a reason fails a test.

A field that holds a person's pseudonym or somebody's answer is named in :data:`HOLDS`, and has a reason of its own wherever it
is: what stands in :data:`EVERYWHERE` is of fields that mean the same in all places, and never a person.
"""

from __future__ import annotations

from collections.abc import Mapping

from deploy.privacy.schemas import ENVELOPE, GENERATION

PSEUDONYM, OF_WAVE, ANSWER = "pseudonym", "pseudonym of one wave", "answer"
CASES_ROW, MOMENT = "cases: a row", "cases: an event, as the fold keeps it"
WAITING, WAVE = "state of sealing: an answer that waits", "state of sealing: a wave"
RAW, REJECTED = "crossdesk_raw.events_versions", "rejected: a record"
COMPANY, WRITTEN = "config: company.yaml", "config: a person of company.yaml"

HOLDS: Mapping[tuple[str, str], str] = {
    (ENVELOPE, "subject"): f"{PSEUDONYM} (events of persons), {OF_WAVE} (answers)",
    (ENVELOPE, "who"): PSEUDONYM,
    ("crossdesk.created", "requester"): PSEUDONYM,
    ("crossdesk.absorbed", "entries"): PSEUDONYM,
    ("crossdesk.revive", "records"): PSEUDONYM,
    ("crossdesk.answered", "person"): OF_WAVE,
    ("crossdesk.answered", "items"): ANSWER,
    ("crossdesk.rated", "person"): OF_WAVE,
    ("crossdesk.rated", "score"): ANSWER,
    (COMPANY, "people"): PSEUDONYM,
    (WRITTEN, "person"): PSEUDONYM,
    (CASES_ROW, "log"): PSEUDONYM,
    (CASES_ROW, "held"): PSEUDONYM,
    (CASES_ROW, "absorbed"): PSEUDONYM,
    (CASES_ROW, "stub"): PSEUDONYM,
    (MOMENT, "who"): PSEUDONYM,
    (WAITING, "person"): f"hash of the {OF_WAVE}",
    (WAITING, "scores"): ANSWER,
    (WAVE, "spent"): f"ids of {ANSWER}s",
    ("store of answers: answers", "sealed"): f"{ANSWER}, encrypted",
    (RAW, "raw"): PSEUDONYM,
    (REJECTED, "raw"): PSEUDONYM,
}

EVERYWHERE: Mapping[str, str] = {
    "about": "which department the answers are about",
    "as_of": "up to when everything is known",
    "calendar_us": "how long it took, nights and weekends included",
    "channel": "by which way the case came",
    "counterpart": "who asked or handed over, as a department",
    "counts_at": "when it enters a window",
    "department": "which department",
    "due": "until when it was promised or is needed",
    "group": "in the name of which group of the helpdesk",
    "level": "depth in the tree of departments",
    "measure": "which measure",
    "name": "what it is called",
    "norm": "by which promise it is judged",
    "outcome": "kept, missed, still running, …",
    "priority": "which promise holds",
    "promise": "which promise of a date, where a case has several",
    "service": "what is asked for, of a list: which promise holds",
    "since": "since when",
    "site": "at which site, where there are several",
    "source": "which source told it",
    "start": "when the clock began",
    "stop": "when the clock ended",
    "version": "which version: the highest stands",
    "wave": "of which survey",
    "week": "of which ISO week",
    "window": "over how long a time",
    "indicator": "which indicator",
    "low": "lower bound at 95 %",
    "high": "upper bound at 95 %",
    "n": "of how many it is made",
    "beyond": "the percentile is more than the largest observed",
    "value": "the number",
    "business_us": "how long it took, in opening hours",
    "opener": "the id of the event that began it: names the clock",
    "flags": "peculiarities of the measurement; of a suggestion its topic",
    "case_id": "which case: so that a number can be explained",
}

_ACTED = {"group": "in whose name somebody acted; who that was stands nowhere but in `who`"}
_PLACE = {"department": "which department counts, as the HR system names it", "site": "at which site: surveys"}
_CLOCK = {"calendar": "whose opening hours go on counting", "since": "up to when its durations count"}
_FACT = {
    **_CLOCK,
    "counterparts": "who asked or handed over, at each level",
    "levels": "at which depths of the tree it counts",
    "departments": "for which departments it counts, at each level",
}
_DEPTHS = {"instant": "when opening hours begin or end", "cumulative_us": "how long it was open by then"}
_BATCH = {
    "id": "which batch",
    "kind": "survey or ratings",
    "closed": "at the end of which week",
    "joined": "whether it is of one department, or of several together",
    "department": "of which department those are who answered; empty: of the whole organisation",
    "persons": "how many they are: five at least",
}
_ITEM = {
    "n": "how many answered it: five at least",
    "total": "sum of the scores",
    "favourable": "how many gave 8 or more",
    "promoters": "how many gave 9 or 10",
    "detractors": "how many gave 6 or less",
}
_HIDDEN = (
    "that it, or what hides with it, has few people: its indicators are in those of what is above it, and nowhere else"
)
_OF_A_PERIOD = {"period": "hour or day", "period_start": "which", "revision": "how often it was corrected"}

_STAFF = {
    "ends": "of which 13 weeks",
    "present_us": "how long people of a department of twenty and more were there, all together",
    "away_us": "how long they were away, all together",
    "left": "how many left the organisation",
    "open": "how many positions were open",
}

_MORALE = {
    "number": "which of several that were told stands",
    "whole": "whether it is of the last week, or of a course",
    "monday": "the week at whose end it was so",
    "item": "which question; empty: all together",
    "n": "how many answers are behind it: five or more, or 0, which says nothing",
    "shown": "the same, as it is written where people see it",
    "weighted": "the value, as if each department had answered alike",
    "trend": "whether it is better or worse than in the wave before, or may be chance",
    "before": "which wave that was",
    "change": "how much it differs",
    "change_low": "how much at least",
    "change_high": "how much at most",
    "closed": "when the newest batch in it was sealed",
    "age_weeks": "how long before",
    "invited": "how many were asked, rounded to five",
}

REASONS: Mapping[str, Mapping[str, str]] = {
    ENVELOPE: {
        "type": "what happened",
        "id": "computed from the source's own change: told twice, it counts once. Of an answer, from its source, wave and person",
        "source": "which connection told it",
        "subject": "which case, by its number; of events of persons, whose place changes; of answers, that each counts once",
        "time": "when it happened, for durations; of answers the Monday of their week, and nothing finer",
        "specversion": "CloudEvents",
        "sequence": "which of several that happened at one instant was first; of answers always 0",
        "observedtime": "when the connector saw it; answers have none",
        "actor": "as what somebody acted: requester, provider, bot, system, third party. An answer of a bot is none",
        "who": "in which department the actor was that day, where no group tells; no number is of a person. Answers have none",
        "datacontenttype": "CloudEvents",
    },
    "crossdesk.absent": {
        "until": "until when a person is away: how much of the time people of a department are; up to six weeks, and never why"
    },
    "crossdesk.absorbed": {
        "origin": "which case tells another, because they were merged or one serves the other",
        "entries": "events of the one case that count for the other too, as they are",
    },
    "crossdesk.answered": {
        "person": "that each person counts once in a wave; of two waves nobody can say that they are one person's",
        "department": "of which department's morale the answer is a part",
        "items": "the scores, 0 to 10: the answer",
    },
    "crossdesk.asked_requester": _ACTED,
    "crossdesk.bot_replied": _ACTED,
    "crossdesk.child_linked": {"parent": "which case is served by this one"},
    "crossdesk.claimed": _ACTED,
    "crossdesk.config": {"version": "which configuration counts from here on"},
    "crossdesk.corrected": {"supersedes": "which event was wrong", "at": "when it happened instead"},
    "crossdesk.created": {
        "requester": "which department the case is for: that of whoever asked, on that day",
        "requester_group": "the same, where nobody knows where the requester works",
    },
    "crossdesk.excluded": {
        "reason": "why a case counts nowhere",
        "role": "as what somebody decided that",
        "reverted": "that it counts again",
    },
    "crossdesk.external_score": {"score": "how content customers were, as a mean", "answers": "of how many answers"},
    "crossdesk.joined": _PLACE,
    "crossdesk.open_positions": {"count": "how many positions of a department are open; nobody is in them"},
    "crossdesk.merged": {"into": "which case goes on"},
    "crossdesk.moved": _PLACE,
    "crossdesk.noted": _ACTED,
    "crossdesk.paused": {"owner": "for whom the case waits", "reason": "why, of the list that the helpdesk has"},
    "crossdesk.rated": {
        "person": "that each person counts once in a week",
        "department": "which department the rating came from",
        "score": "how many points: the answer",
        "best": "of how many",
    },
    "crossdesk.replied": _ACTED,
    "crossdesk.revive": {"records": "all events of a case, as they are: it is folded anew"},
    "crossdesk.routed": {"reason": "why a case was handed over, of a list"},
    "crossdesk.solved": _ACTED,
    "crossdesk.thanked": {"group": "who is thanked, as a group", "for_speed": "that it was for being in time"},
    "crossdesk.watermark": {"until": "up to when everything is known"},
    "crossdesk.you_said": {
        "department": "which department a suggestion is addressed to",
        "topic": "what it is about, of a list of eight; it has no text",
    },
    "directory: a place": {**_PLACE, "event": "which message said so, so that it can be corrected"},
    "directory: an absence": {"since": "from when on a person is away", "until": "until when"},
    "directory: open positions": {"since": "from when on", "number": "how many positions of a department are open"},
    "config: people of a department": _STAFF,
    COMPANY: {
        "organisation": "what the pages call it",
        "zone": "what a day is, and when opening hours are",
        "hours": "when it is open",
        "holidays": "when it is not",
        "sources": "which sources are read, as below",
        "departments": "what is measured, as below",
        "groups": "which groups of a helpdesk are which department, as below",
        "people": "whose department the file says, as below",
        "bots": "which accounts are machines, as below",
        "waves": "which surveys are open for longer or shorter than others, as below",
    },
    "config: a source of company.yaml": {"zone": "what its times mean that name no zone"},
    "config: a department of company.yaml": {
        "id": "which department",
        "parent": "what it is a part of, as below",
        "zone": "when its opening hours are",
        "head_count": "how many people it has: with few it has no indicator of its own; how many are asked in a survey",
        "sites": "how many of these at each site: how much the answers from there weigh",
    },
    "config: a parent of company.yaml": {"department": "which: empty, it is at the top"},
    "config: a group of company.yaml": {
        "source": "in which source it is",
        "group": "which group of the helpdesk",
        "department": "whose cases its cases are",
    },
    WRITTEN: {"person": "whose department the file says, instead of an HR system"},
    "config: a bot of company.yaml": {"who": "what an account of a machine is called: its answers are none"},
    "config: a wave of company.yaml": {"closes": "from which day on nothing more of it is taken"},
    CASES_ROW: {
        "format": "in which form it is written",
        "config": "under which configuration it was folded",
        "offset": "up to where in the log it was folded",
        "wake": "when something changes that no event tells",
        "stub": "the events of a case that closed 35 days ago, as below, packed",
        "structural": "that its events must be read together",
        "out": "that it counts nowhere",
        "head": "where the clocks of the case stand",
        "log": "the events of the case, as below: one that comes late is put in its place",
        "into": "which case it was merged into",
        "child": "that it serves another",
        "held": "events that lie in the future, as below",
        "absorbed": "what other cases told this one, as below",
        "sent": "what was told to other cases, as hashes",
    },
    MOMENT: {
        "time": "when it happened",
        "seq": "which of several that happened at one instant was first",
        "id": "which event: told twice, it counts once",
        "kind": "what happened",
        "actor": "as what somebody acted",
        "who": "the same as in the event: looked up again when HR corrects where somebody was",
        "text": "service, reason or promise, as in the event",
        "extra": "priority or reason, as in the event",
        "at": "an instant that the event names",
        "relation": "that it is another case's, and speaks here too",
        "origin": "of which case it is",
    },
    "cases: where a case stands": {
        "asked": "when it was asked for",
        "beneficiary": "the department that the case is for",
        "on_behalf": "that somebody of another department opened it",
        "owner": "the department that has it",
        "split_at": "when the organisation next moves the group",
        "open": "that it is not solved",
        "pause": "for whom it waits",
        "pause_reason": "why",
        "lapses_at": "when a pause without a reason ends",
        "children": "open cases that serve it",
        "ended": "when it was last solved",
        "answered_early": "that it was answered before it was merged",
        "untouched": "reopened, and nobody has worked on it since",
        "courtesy": "that who reopened it only said thank you",
    },
    "facts: a record": _FACT,
    WAITING: {
        "offset": "where in the log it stands",
        "id": "which answer: it counts once",
        "person": "that a batch has five different persons; good for one wave",
        "at": "the Monday of its week",
        "scores": "the answer, until it is in a batch or its wave closes",
    },
    WAVE: {
        "kind": "survey or ratings",
        "opened": "in which week it began",
        "judged": "the last week that was counted",
        "closed": "that nothing more is taken",
        "proofs": "which batches it has made",
        "spent": "which answers are in batches: each counts once; thrown away when the wave closes",
        "released": "how many are in batches, by department",
    },
    "sealed: a batch": {
        **_BATCH,
        "items": "sums for each question, as below: no single answer",
        "proof": "by which sealing knows its own batch; says nothing without `feedback`, which is gone after 35 days",
    },
    "sealed: an item of a batch": _ITEM,
    "indicators: a value": {"offset": "the last fact behind it"},
    REJECTED: {
        "reason": "why it could not be read: it may quote the value that was no time or number",
        "place": "in which file and line",
        "subject": "which case",
        "partition": "where in the log it lies",
        "offset": "where in the log it lies",
        "bytes": "how long it is",
        "raw": "its beginning, as it lies in the topic of events: to be mended. Of what a connector rejects it is empty",
        "handled": "that somebody has dealt with it",
        "of": "with which",
        "by": "kept free: it never says who dealt with it",
        "times": "how often it had come by then",
    },
    "crossdesk_public.switches": {
        "number": "how many there were",
        "generation": "which computation is shown",
        "switched_at": "since when",
    },
    "crossdesk_public.departments_versions": {
        "id": "which department",
        "parent": "what it is a part of",
        "depth": "how deep it lies in the tree",
        "head_count": "how many people it has, as the company file says: fewer than five are shown only in their parent",
        "hidden": _HIDDEN,
    },
    RAW: {
        "time": "when it happened",
        "id": "which event",
        "offset": "where in the log it lies",
        "appended_at": "when it came: from then on 13 months",
        "type": "what happened",
        "subject": "which case; empty where it would be a person or an answer",
        "sequence": "which of several was first",
        "actor": "as what somebody acted",
        "raw": "the event as it is above, to explain a number and to fold a case anew; empty for an answer",
    },
    "crossdesk_raw.staff_versions": {
        **{name: _STAFF[name] for name in ("ends", "present_us", "away_us")},
        "left_people": _STAFF["left"],
        "open_positions": _STAFF["open"],
    },
    "crossdesk_public.calendar_time_versions": {"calendar": "whose opening hours", **_DEPTHS},
    "crossdesk_public.department_depths_versions": {"depth": "how deep it lies in the tree", "hidden": _HIDDEN},
    "crossdesk_public.sealed_versions": {**_BATCH, **_ITEM, "item": "which question; of ratings there is one"},
    "crossdesk_public.morale_told": {
        **{name: _MORALE[name] for name in ("number", "whole", "monday")},
        "input": "hash of the batches and the tree it was computed from",
        "told_at": "when it was computed",
    },
    "crossdesk_public.morale_versions": _MORALE,
    "crossdesk_public.department_lines_versions": {
        "line": "what it lies in, from the top: whose morale its answers are part of",
        "head_count": "how many people it has: how many are asked in a survey",
        "sites": "how many of its own at each site: how much the answers from there weigh",
    },
    f"{GENERATION}.facts_versions": {
        **_CLOCK,
        "fact_id": "which fact",
        "retracted": "that it was taken back",
        "standing": "which of two stands",
    },
    f"{GENERATION}.facts_records": _FACT,
    f"{GENERATION}.indicators_versions": {"offset": "the last fact behind it"},
    f"{GENERATION}.ran_versions": {"instant": "at the end of which hour", "clock": "which clock, as a hash"},
    f"{GENERATION}.published_versions": _OF_A_PERIOD,
    "store of answers: meta": {
        "name": "of a setting of the file",
        "value": "its value: the last Monday, and a check of the key",
    },
    "store of answers: answers": {
        "mark": "which answer, as a keyed hash: a second one replaces it",
        "leaving": "that its publication has begun",
        "sealed": "the answer, until its week is over",
    },
    "store of answers: published": {
        "mark": "that this answer has left, as a keyed hash: it is not said again; for 35 days"
    },
    "Prometheus: labels of morale": {"question": "which question of a survey"},
    "Prometheus: labels of the stages themselves": {
        "code": "of the answer to a webhook",
        "connector": "which connector",
        "kind": "events, persons or rejected: sums; never answers as they come",
        "partition": "which partition of a topic",
        "reason": "of a closed list",
        "stage": "which process",
        "table": "which table",
        "topic": "which topic",
    },
}


def reason_for(schema: str, field: str) -> str:
    """Raises KeyError: nobody has said why the field is stored. Say so in :data:`REASONS`, or leave the field out."""
    own = REASONS.get(schema, {})
    return own[field] if field in own or (schema, field) in HOLDS else EVERYWHERE[field]
