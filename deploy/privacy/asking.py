"""What a person gets who asks what is stored of them, or asks to be erased: for the page."""

from __future__ import annotations

STORED = (
    "**What is stored of me?** `crossdesk privacy person --kafka` asks for the address on stdin, and counts what is stored "
    "under its pseudonym; with `--json` it prints a copy of every record. Of a folder it says so with `--data`."
)
ERASED = (
    "**Erase me.** Records of a log cannot be changed, and need not be: a pseudonym is computed from an address under a "
    "key, and without it nobody's can be found, in no topic, state, store or backup. So what is erased is the key. "
    "Everybody gets another pseudonym by that, and no number changes: a pseudonym is there to know in which department "
    "somebody was, and that stays as it was; that the old one and the new one are one person, no number needs to know."
)
STEPS = (
    "**In the sources first**, and in the file of aliases: what these go on telling of the person is read under the new "
    "pseudonym.",
    "**On a Monday**, when the week before is published and no survey is open: who answers under both keys would count as "
    "two persons.",
    "**A new key in a new file, under a new name**: `CROSSDESK_INGEST_KEY_FILE`, and `CROSSDESK_INGEST_KEY_ID`, such as "
    "`k2`. Start `crossdesk ingest` again. It reads HR systems that have an API anew, from their beginning; take HR files "
    "in once more, and files of surveys not.",
    "**Who is named in** `company.yaml` under `people`: add a line with the new pseudonym, which `privacy person` says; "
    "leave the old line, for cases of before. Then `crossdesk apply`.",
    "**Destroy the old key**, with every copy in a backup. Of a folder it is `identity.key`: the next `replay` makes "
    "another one.",
)
STAYS = (
    "**What stays** under the old pseudonyms: events for 13 months; the state of cases, the directory and the versions of "
    "the configuration for ever. Who knows from elsewhere on which day somebody moved can still find the entry of the "
    "directory with that day, and who knows whose a case is, the events of that case: so these topics are for operators "
    "alone. HR's corrections of earlier times reach cases of the old pseudonyms no more."
)
