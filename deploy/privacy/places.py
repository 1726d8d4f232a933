"""Where something is stored, who writes and who reads it, and what is never read from any source.

The topics themselves, and for how long they keep records, are those of ``ingest.topics``; what stands here is in words what no
schema can say. A topic or a connector without an entry fails a test.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from ingest import topics
from ingest.topics import MONTH_MS

DAYS, MONTHS, FOR_EVER = "{} days", "{} months", "for ever"
LATEST = "the latest of each key, for ever"
NOBODY = "nobody"
PSEUDONYMS = "pseudonyms"


class Place(NamedTuple):
    """``persons``: what of persons is there. ``kept``: for how long; empty: as the topic is set."""

    what: str
    persons: str
    writers: str
    readers: str
    kept: str = ""


TOPICS: Mapping[str, Place] = {
    "events": Place(
        "what happened to cases, suggestions, and marks of how far all is known",
        PSEUDONYMS,
        "`ingest`; `apply`, `reconcile`, `repair`",
        "`streams`, the sink of ClickHouse; operators, by `explain`, `repair`, `reconcile`, `unmapped`",
    ),
    "config": Place(
        "the company file, the norms, and of the directory who was where, and sums of departments of twenty people and more: each "
        "version whole",
        PSEUDONYMS,
        "`apply`, `ingest`",
        "every stage",
        "each version, for ever",
    ),
    "directory": Place(
        "who is in which department and site since when, and away until when; how many positions are open",
        PSEUDONYMS,
        "`ingest`",
        "`apply`, `ingest`, `unmapped`",
    ),
    "cursors": Place("from where a source is asked on", NOBODY, "`ingest`", "`ingest`"),
    "cases": Place(
        "the state of each case: its events, so that a late one is put in its place, and its clocks",
        PSEUDONYMS,
        "`streams`",
        "`streams`",
    ),
    "facts": Place(
        "what was measured of a case, for a department", NOBODY, "`streams`", "`streams`, the sink of ClickHouse"
    ),
    "departments": Place("facts in the windows of a department", NOBODY, "`streams`", "`streams`"),
    "feedback": Place(
        "single answers and ratings, a week at once, in random order",
        "pseudonyms of one wave",
        "`ingest`",
        "sealing (`streams`), and no other",
    ),
    "sealed": Place(
        "sums of at least five persons' answers",
        NOBODY,
        "sealing (`streams`)",
        "sealing, the sink of ClickHouse; who may see indicators",
    ),
    "pairs": Place(
        "how many facts stand behind each value of a pair: so that each worker knows which pairs are not told",
        NOBODY,
        "`streams`",
        "`streams`, and no other",
    ),
    "indicators": Place(
        "the latest value of each indicator of each department",
        NOBODY,
        "`streams`",
        "the sinks; who may see indicators",
    ),
    "late": Place(
        "nothing yet: it is kept free for cases that are told of again long after they closed", NOBODY, NOBODY, NOBODY
    ),
    "rejected": Place(
        "what could not be read: why, and where it stands; of the topic of events also the record's beginning",
        f"{PSEUDONYMS}; a reason may quote the value that could not be read",
        "`ingest`, `streams`, `replay`",
        "operators, by `rejected`",
    ),
}

STORES: Mapping[str, Place] = {
    "the store of answers": Place(
        "answers whose week is not over, each encrypted by itself",
        "pseudonyms of one wave",
        "`ingest`",
        "`ingest`: who has the file **and** its key",
        "until their week is over, and five are due; keyed hashes of what has left: 35 days",
    ),
    "the state of sealing": Place(
        "answers that are in no batch yet: in the memory of `streams`, and where all runs in one process in that of `replay` and "
        "`demo`",
        "hashes of pseudonyms of one wave",
        "sealing",
        "who can read that process",
        "until they are in a batch, or their wave closes, or the process ends",
    ),
    "ClickHouse: `crossdesk_public`": Place(
        "indicators, and what is computed of them when somebody asks; history; sealed batches, and morale; departments, how many "
        "people they have, at which site, and which are hidden; opening hours",
        NOBODY,
        "the sink of ClickHouse",
        "who may see indicators: the role `crossdesk_looks`",
        "for ever",
    ),
    "ClickHouse: `crossdesk_cases`": Place(
        "what was measured, each with the number of its case (`facts`); how long each clock had run by each hour (`ran`); views of "
        "`crossdesk_public`",
        NOBODY,
        "the sink of ClickHouse",
        "who may list single cases: the role `crossdesk_lists_cases`",
        "for ever",
    ),
    "ClickHouse: `crossdesk_N`, of each generation": Place(
        "facts, indicators and history, hidden departments included",
        NOBODY,
        "the sink of ClickHouse",
        "the views of `crossdesk_public` and `crossdesk_cases`; operators",
        "for ever; of other generations until they are removed",
    ),
    "ClickHouse: `crossdesk_raw`": Place(
        "events as they came; of an answer nothing but its place in the log",
        PSEUDONYMS,
        "the sink of ClickHouse",
        "operators: the role `crossdesk_operates`; no user of a dashboard",
        "13 months",
    ),
    "Prometheus": Place(
        "the latest values of departments, morale of sealed batches among them, and how the stages are doing",
        NOBODY,
        "each stage, at `/metrics`",
        "who may see indicators",
        "as Prometheus is set",
    ),
    "logs of the stages": Place(
        "what a stage does and what it waits for; names of files and sources",
        NOBODY,
        "each stage",
        "operators",
        "as the machine is set",
    ),
    "memory of `crossdesk ingest`": Place(
        "a page or a webhook of a source, until it is understood: only here are addresses",
        "addresses and ids, as the source has them",
        "the source",
        "who can read that process",
        "seconds",
    ),
    "the key of pseudonyms, and the file of aliases": Place(
        "how an address becomes a pseudonym; which ids of a source are whose",
        "the way from a person to the pseudonym",
        "the operator",
        "`ingest`, and `privacy person`",
        "until they are thrown away",
    ),
    "a folder of `--data`": Place(
        "the same as the topics and ClickHouse, and the key of its pseudonyms, where all runs in one process; of answers what is "
        "sealed, and nothing else",
        PSEUDONYMS,
        "`replay`, `demo`",
        "the user who made it, and who has its token",
        "until it is removed",
    ),
}

NEVER = (
    "**What is written**: subjects, descriptions, comments, notes, messages of chats, answers in words, reasons of ratings, "
    "attachments. Of a message it is known that it came, when, from which side, and whose it is, as a pseudonym.",
    "**Tags and labels**, but for one thing: whether a case has one that the settings name under `exclude`.",
    "**Who somebody is**: names, addresses, telephone numbers, photos, birthdays, titles, pay, managers. What identifies a "
    "person in the source (a work e-mail address, an HR number, an account) is made a pseudonym in the memory of the "
    "process that read it.",
    "**When somebody answered** a survey or rated a case: only in which week. Nor about which case, and never who.",
    "**What else somebody does**: presence, working hours, keystrokes, calendars; chats, but for those that are tickets of a "
    "helpdesk; and mail, but for the headers of what comes into a shared mailbox that was named.",
)
NEVER_SAID = (
    "A number about a person: facts, indicators and batches know departments, and no field in them is a person's.",
    "An indicator of a department of fewer than five people, of what hides with it, or of a pair of departments with fewer than "
    "five facts: they are part of what is above them, on pages, in history, and in Prometheus.",
    "A number of fewer than five persons' answers; that too few have answered; that somebody has.",
    "Who of several persons was slow: the pseudonym of who acted is read for one thing, in which department they were that "
    "day.",
)
LIMITS = (
    "**A pseudonym is no anonymity.** Who has the key of pseudonyms and an address can compute it. Who may read events and "
    "knows from the helpdesk whose a case is, knows whose the pseudonym is. Both rights are for operators alone.",
    "**Facts carry the number of their case**, so that every number can be explained. Who may query them sees which cases a"
    " department had, and may look in the helpdesk, if they may there. So listing cases is a right of its own, apart from "
    "seeing indicators: in ClickHouse the database `crossdesk_cases`, and the role `crossdesk_lists_cases`; the drawing of a "
    "case over HTTP is off unless a folder is served with `--cases`, and asks for the folder's token. Indicators, history and "
    "Prometheus carry no number of a case.",
    "**Small departments** are known by `head_count` in the company file: without it crossdesk tells of a department however "
    "few are in it. Who may list cases sees those of small departments too, and of pairs with few facts.",
    "**What a source calls its groups, services and cases** is kept as it is: a group called after a person names that "
    "person.",
)

NEVER_READ: Mapping[str, str] = {
    "bamboohr": (
        "Names, job titles, managers, divisions, pay, addresses, telephone numbers, photos, birthdays, "
        "comments, reasons of terminations, kinds, amounts and notes of time off."
    ),
    "bonusly": "The reason, besides its hashtags; amounts, names, pictures, balances, and who received.",
    "cloudevents": (
        "Extension attributes, and fields of `data` that the type does not have: titles, texts, names. Do not"
        " put persons into `id`, groups, services or the subject of a case: these are kept as they are sent."
    ),
    "external_scores": "Everything else: customers, segments, comments.",
    "freshservice": (
        "Subjects, descriptions, what is written in conversations, other tags, attachments, notes of resolution, custom "
        "fields other than that of `service`, phone numbers, addresses, and what is answered to the questions"
        " of a survey."
    ),
    "glpi": (
        "Titles, descriptions, the text of follow-ups, solutions and tasks, documents, names, phone numbers, "
        "locations, and the comment of a survey."
    ),
    "hr_file": "All other columns: names, levels, managers, titles, pay.",
    "http_json": (
        "All that the mapping does not name: titles, texts, names, whatever else is posted. No column of a "
        "person may be part of `change`, and who is assigned is told only by who takes the case."
    ),
    "jira_service_management": (
        "Summaries, descriptions, comments, attachments, worklogs, names, other labels, other custom fields, and "
        "the comment that comes with a rating."
    ),
    "mailbox": "Subjects, bodies, attachments, names, and every other header.",
    "servicenow": (
        "Short descriptions, descriptions, the texts of comments and work notes, close notes, attachments, "
        "names, phone numbers, locations, watch lists, and what is in a deleted record."
    ),
    "survey_file": (
        "Columns that the settings do not name: comments, names, addresses. No exact time of an answer "
        "leaves, only its week."
    ),
    "typeform": (
        "Answers in words, choices, e-mail addresses, phone numbers, files, other hidden fields, the address "
        "and the browser of who answered, the token of the response. No exact time of an answer leaves."
    ),
    "zammad": (
        "Titles, texts, attachments, names, phone numbers, notes, other tags, addresses of mails, time accounting, "
        "checklists and links."
    ),
    "zendesk": (
        "Subjects, descriptions, comments, what is written in chats, attachments, names, phone numbers, addresses, "
        "other tags, and the comment that comes with a rating."
    ),
}
"""What is never read of what each connector is shown, as the page of the connector says it."""


def kept(topic: str) -> str:
    """For how long, as the topic is declared. Raises KeyError."""
    config = next(t.config for t in topics.topics() if t.name == topics.name(topic))
    if TOPICS[topic].kept:
        return TOPICS[topic].kept
    if config["cleanup.policy"] == "compact":
        return LATEST
    milliseconds = int(config["retention.ms"])
    if milliseconds < 0:
        return FOR_EVER
    months, rest = divmod(milliseconds, MONTH_MS)
    return DAYS.format(milliseconds // topics.DAY_MS) if rest else MONTHS.format(months)
