"""The fold of one case: moments, in order, step measures, which draw facts.

What comes out is a pure function of the *set* of moments, the configuration and the watermark (DESIGN 5.2);
``streams.cases`` makes it incremental.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from operator import attrgetter
from typing import Any, NamedTuple

import msgspec
from msgspec import Struct

from streams import kinds
from streams.clock import ALL, FAR, Clock, Context, Levels
from streams.fact import Outcome
from streams.measure import Apart, Measure
from streams.measures import MEASURES
from streams.picture import Key, Picture, retracted
from streams.timeline import CHILD, FIRST, HUMAN, Case, Moment, Order, advance

HOUR = 3_600_000_000
DAY = 24 * HOUR
STUB_AFTER = 35 * DAY
STRUCTURAL = frozenset((kinds.merged, kinds.unmerged, kinds.deleted, kinds.restored, kinds.corrected, kinds.excluded))


def _states(name: str, per_level: bool) -> type[Struct]:
    """A struct with the state of each measure under its name, so that it is decoded with its type; ``per_level``: with one for each
    part of the levels that moments have told apart.
    """
    fields: list[tuple[str, Any, Any]] = []
    for measure in MEASURES:
        if measure.per_level == per_level:
            kind, new = (list[measure], partial(_one, measure)) if per_level else (measure, measure)  # type: ignore[valid-type]
            fields.append((measure.name, kind, msgspec.field(default_factory=new)))
    return msgspec.defstruct(name, fields, array_like=True, gc=False, module=__name__)


def _one(measure: type[Measure]) -> list[Measure]:
    return [measure()]


WholeStates = _states("WholeStates", per_level=False)
LevelStates = _states("LevelStates", per_level=True)


def _every(attributes: Iterable[str]) -> Callable[[Any], tuple[Any, ...]]:
    """Several attributes of a struct at once."""
    names = tuple(attributes)
    if len(names) > 1:
        return attrgetter(*names)
    return (lambda states: (getattr(states, names[0]),)) if names else lambda _: ()


_WHOLE = [m for m in MEASURES if not m.per_level]
_LEVEL = [m for m in MEASURES if m.per_level]
_every_whole = _every(m.name for m in _WHOLE)
_every_level = _every(m.name for m in _LEVEL)
_touched_whole = {kind: _every(m.name for m in _WHOLE if kind in m.on) for kind in kinds.NAMES}
_touched_level = {kind: _every(m.name for m in _LEVEL if kind in m.on) for kind in kinds.NAMES}
_AWAIT_ONE = [m.name for m in _WHOLE if m.awaits == "clock"]
_await_one = _every(f"{name}.clock" for name in _AWAIT_ONE)
_await_several = _every(m.name for m in _WHOLE if m.awaits == "clocks")
_LEVEL_AWAIT_ONE = [m.name for m in _LEVEL if m.awaits == "clock"]
_level_await_one = _every(_LEVEL_AWAIT_ONE)
if any(m.awaits == "clocks" for m in _LEVEL):
    raise TypeError("of a measure by levels only its clock is awaited: see _awaited")


class Head(Struct, array_like=True, gc=False):
    """Where the fold of a case stands: after the moment ``last``."""

    last: Order
    case: Case
    whole: WholeStates  # type: ignore[valid-type]
    by_level: LevelStates  # type: ignore[valid-type]


def format_of(kept: type[Struct]) -> int:
    """What is stored of it, without the words about that: they may be mended, and Python 3.13 indents them otherwise."""
    look = repr(_without_words(msgspec.json.schema(kept)))
    return int.from_bytes(hashlib.blake2b(look.encode(), digest_size=6).digest())


def _without_words(schema: Any) -> Any:
    if isinstance(schema, dict):
        return {key: _without_words(value) for key, value in schema.items() if key not in ("title", "description")}
    return [_without_words(one) for one in schema] if isinstance(schema, list | tuple) else schema


FORMAT = format_of(Head)
"""Names what a stored head looks like: another set of measures, or another look of what they keep, reads it wrongly."""


def new_head() -> Head:
    return Head(FIRST, Case(), WholeStates(), LevelStates())


def step(head: Head, m: Moment, ctx: Context) -> None:
    """One moment, after all before it. Draws the facts that change."""
    case = head.case
    if case.split_at is not None or case.lapses_at is not None:
        happen(head, ctx, m.time)
    if m.relation:
        _step_foreign(head, m, ctx)
    else:
        _step(head, m, m.kind, ctx)
    head.last = m.order


def _step(head: Head, m: Moment, kind: int, ctx: Context) -> None:
    case = head.case
    if kind == kinds.closed and not case.open and case.opener:
        return  # what was solved is put away: that touches nobody
    was: Case = case.__copy__()  # type: ignore[attr-defined]  # msgspec's own, which its types do not tell
    advance(case, m, ctx.config, ctx.source)
    ctx.case = case
    state: Measure
    for state in _touched_whole[kind](head.whole):
        state.step(m, was, case, ctx)
    states: list[Measure]
    for states in _touched_level[kind](head.by_level):
        i = 0
        while i < len(states):
            state = states[i]
            try:
                state.step(m, was, case, ctx)
                i += 1
            except Apart as apart:
                states[i : i + 1] = state.split(apart.parts, ctx)


def _step_foreign(head: Head, m: Moment, ctx: Context) -> None:
    """A child tells only that it is open; a merged case lends its request and its replies."""
    if m.relation == CHILD:
        _step(head, m, kinds.child_linked, ctx)
    elif head.case.opener and m.kind in (kinds.replied, kinds.asked_requester):
        _step(head, m, m.kind, ctx)
    else:
        advance(head.case, m, ctx.config, ctx.source)


def happen(head: Head, ctx: Context, until: int) -> None:
    """Take what no event tells, up to ``until``, as moments of their own: the organisation moves the owner's group, and nobody
    hands over; a pause ends for which nobody gave a reason.
    """
    while (following := head.case.happens_next) is not None and following[0] <= until:
        at, kind = following
        what = b"%d" if kind == kinds.reorganised else b"%d lapsed"
        id = hashlib.blake2b(what % at, key=head.case.opener, digest_size=16).digest()
        m = Moment(at, -1, id, kind, 0)
        _step(head, m, kind, ctx)
        head.last = m.order
    if following is not None:
        ctx.wake = min(ctx.wake, following[0])


def settle(head: Head, ctx: Context) -> None:
    """Let the watermark judge what it can, and find when it must come back (``ctx.wake``)."""
    happen(head, ctx, ctx.now)
    clocks = awaited(head)
    for name, levels, clock in clocks:
        if clock.due is not None and clock.due <= ctx.now:
            ctx.draw(name, clock, levels)
    ctx.wake = min(ctx.wake, _soonest(head, clocks))
    if (ended := over(head)) is not None:
        rest = ended + STUB_AFTER
        if rest > ctx.now or at_rest(head, ctx.now):  # else a clock still runs, and wakes it
            ctx.wake = min(ctx.wake, rest)


def next_wake(head: Head) -> int:
    """The least watermark at which something will be decided, as things stand."""
    return _soonest(head, awaited(head))


def _soonest(head: Head, clocks: list[tuple[str, Levels, Clock]]) -> int:
    """``clocks``: those that were awaited, of which some may be judged by now."""
    following = head.case.happens_next
    wake = FAR if following is None else following[0]
    for _, _, clock in clocks:
        if clock.due is not None and clock.due < wake and not clock.judged:
            wake = clock.due
    return wake


def awaited(head: Head) -> list[tuple[str, Levels, Clock]]:
    """The clocks that the watermark may still have to judge, with the names of their facts and their levels."""
    found: list[tuple[str, Levels, Clock]] = []
    clock: Clock | None
    for name, clock in zip(_AWAIT_ONE, _await_one(head.whole), strict=True):
        if clock is not None and clock.due is not None and not clock.judged:
            found.append((name, ALL, clock))
    state: Measure
    states: list[Measure]
    for state in _await_several(head.whole):
        for name, clock in state.clocks():
            if clock.due is not None and not clock.judged:
                found.append((name, ALL, clock))
    for name, states in zip(_LEVEL_AWAIT_ONE, _level_await_one(head.by_level), strict=True):
        for state in states:
            clock = state.clock
            if clock is not None and clock.due is not None and not clock.judged:
                found.append((name, state.levels, clock))
    return found


def _states_of(head: Head) -> list[Measure]:
    """The states of all measures."""
    states: list[Measure] = list(_every_whole(head.whole))
    for some in _every_level(head.by_level):
        states += some
    return states


def draw(head: Head, ctx: Context) -> None:
    """Every fact that may still change."""
    state: Measure
    for state in _states_of(head):
        state.draw(ctx)


def over(head: Head) -> int | None:
    """When the case ended, or what is no case was over. None: it is open."""
    case = head.case
    if case.ended is not None or case.open:
        return case.ended
    return max((at for state in _every_whole(head.whole) if (at := state.over_since()) is not None), default=None)


def at_rest(head: Head, now: int) -> bool:
    """True when the case ended, or a suggestion was over, long ago and nothing of it awaits the watermark: it may become a stub."""
    ended = over(head)
    if ended is None or now < ended + STUB_AFTER:
        return False
    return all(clock.judged for state in _states_of(head) for _, clock in state.clocks())


class Standing(NamedTuple):
    """What the structural moments of a case say: ``reason`` it is out of all denominators since ``since`` (by the moment
    ``by``), the case it was merged ``into``."""

    reason: str = ""
    since: int = 0
    by: bytes = b""
    into: str = ""


def resolve(moments: Sequence[Moment]) -> tuple[list[Moment], Standing]:
    """Apply corrections, and find out whether the case counts (METRICS 2.10). ``moments`` are in order, and so is the result.

    Deleted within an hour and never answered by a human: spam. Deleted later: an end like others. What was restored,
    unmerged or included again is as if it had never happened.
    """
    void: dict[bytes, int] = {}
    for m in moments:
        if m.kind == kinds.corrected and not m.relation and m.id not in void:
            void[corrects(m)] = m.at
    kept: list[Moment] = []
    merged = deleted = excluded = None
    for m in sorted((_moved(m, void) for m in moments if void.get(m.id) != 0), key=lambda m: m.order):
        kind = m.kind if not m.relation else -1
        if kind == kinds.merged:
            merged = m
        elif kind == kinds.unmerged:
            merged = None
        elif kind == kinds.deleted:
            deleted = m
        elif kind == kinds.restored:
            kept = [k for k in kept if k.kind != kinds.deleted or k.relation]
            deleted = None
        elif kind == kinds.excluded:
            excluded = m if m.extra else None
        kept.append(m)
    if merged is not None:
        return kept, Standing("merged", merged.time, merged.id, merged.text)
    if excluded is not None:
        return kept, Standing(excluded.text, excluded.time, excluded.id)
    if deleted is not None and _spam(kept, deleted):
        return kept, Standing("spam", deleted.time, deleted.id)
    return kept, Standing()


def corrects(m: Moment) -> bytes:
    """The id of the moment that a correction is about."""
    return bytes.fromhex(m.text.replace("-", ""))


def _moved(m: Moment, void: dict[bytes, int]) -> Moment:
    return msgspec.structs.replace(m, time=void[m.id]) if void.get(m.id) else m


def _spam(moments: Iterable[Moment], deleted: Moment) -> bool:
    created = next((m for m in moments if m.kind == kinds.created and not m.relation), None)
    answered = any(m.kind in (kinds.replied, kinds.asked_requester, kinds.solved) and m.actor == HUMAN for m in moments)
    return created is not None and deleted.time - created.time <= HOUR and not answered


def fold(head: Head, moments: Iterable[Moment], ctx: Context) -> None:
    """From ``head`` on through ``moments`` and up to the watermark; ``ctx.pictures`` holds everything that may have changed."""
    draw(head, ctx)
    for m in moments:
        step(head, m, ctx)
    settle(head, ctx)


def fold_whole(moments: Sequence[Moment], ctx: Context) -> tuple[Head, Standing]:
    """The fold of all moments of a case, structural ones included: the definition that everything else must agree with."""
    kept, standing = resolve(moments)
    head = new_head()
    fold(head, kept, ctx)
    if standing.reason:
        exclude(head, kept, ctx, standing)
    return head, standing


def exclude(head: Head, moments: Iterable[Moment], ctx: Context, standing: Standing) -> None:
    """The case counts nowhere: one fact of who had it then says why, so that the share of exclusions can be shown."""
    routed = [m.group for m in moments if m.kind == kinds.routed and not m.relation and m.time <= standing.since]
    owner = ctx.config.department(ctx.source, routed[-1] if routed else "", standing.since)
    ctx.pictures.clear()
    path = ctx.path(owner, standing.since)
    since = standing.since
    shared = (
        Outcome.done,
        since,
        since,
        ctx.case_id,
        "excluded",
        standing.by,
        since,
        None,
        since,
        "",
        0,
        0,
        "",
        standing.reason,
    )
    ctx.put(shared, ALL, path, ("",) * len(path))
    head.case = Case(ended=standing.since)
    head.whole, head.by_level = WholeStates(), LevelStates()
    ctx.wake = FAR
    settle(head, ctx)


def difference(before: Context, after: Context) -> dict[Key, Picture]:
    """What must be said so that who knows what ``before`` has drawn knows what ``after`` has. Both are of one version."""
    known, now = before.pictures, after.pictures
    gone = {k: after.retraction(k) for k, p in known.items() if not retracted(p) and k not in now}
    return gone | {k: p for k, p in now.items() if known.get(k) != p and not (retracted(p) and k not in known)}
