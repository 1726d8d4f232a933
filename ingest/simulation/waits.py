"""For whom a case waits at each instant (METRICS 2.5)."""

from __future__ import annotations

from collections.abc import Iterator

from ingest.simulation.account import FAR, Place
from ingest.simulation.tenure import Tenures
from ingest.simulation.world import UNOWNED

Share = tuple[str, int, str, int, int | None, str, int, int]


def waiting(case: Tenures, asked: int) -> Iterator[Share]:
    """One value for each party, level and department: (measure, level, department, start, stop, outcome, calendar, business)."""
    account, path, now = case.account, case.places.path, case.now
    stretches = list(_stretches(case, asked))
    last = account.episodes[-1]
    stop = last.until[0] if last.until < FAR else None
    current = stretches[-1]
    for level in range(case.places.levels):
        sums: dict[tuple[str, str], list[int]] = {}
        for party, department, start, end in stretches:
            if party == "closed" and stop is not None and start >= stop:
                continue  # the time after the last solution
            share = sums.setdefault((party, path(department)[level]), [start, 0, 0])
            end = min(end, now)
            share[1] += end - start
            share[2] += case.worked(department, start, end)
        for (party, label), (start, calendar, business) in sums.items():
            if party == "closed" and not calendar:
                continue
            running = party == current[0] and label == path(current[1])[level]
            outcome = "done" if stop is not None else "running" if running else "paused"
            yield (f"waiting_{party}", level, label, start, stop, outcome, calendar, business)


def _stretches(case: Tenures, asked: int) -> Iterator[tuple[str, str, int, int]]:
    """Party, department, from, until; those that took no time too."""
    account = case.account
    cuts: set[Place] = {t.since for t in case.all}
    cuts.update(p for e in account.episodes for p in (e.since, e.until))
    cuts.update(p for pause in case.pauses for p in (pause.since, pause.until))
    cuts.update(p for child in account.children for p in child)
    created = account.episodes[0].since
    ordered = sorted(p for p in cuts if created <= p < FAR)
    for i, at in enumerate(ordered):
        party, department = _party(case, at)
        end = ordered[i + 1][0] if i + 1 < len(ordered) else FAR[0]
        yield party, department, asked if at == created else at[0], end


def _party(case: Tenures, at: Place) -> tuple[str, str]:
    """For whom it waits after the decision at ``at``, and who has it."""
    account = case.account
    if not any(e.since <= at < e.until for e in account.episodes):
        ended = max(e.until for e in account.episodes if e.until <= at)
        return "closed", case.owner(ended)
    owner = case.owner(at)
    pause = next((p.whom for p in case.pauses if p.since <= at < p.until), "")
    if pause:
        return pause, owner
    if owner == UNOWNED:
        return "unowned", owner
    child = any(since <= at < until for since, until in account.children)
    return ("other_department" if child else "provider"), owner
