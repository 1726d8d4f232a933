"""CONTRACT: what a measure is. One measure = one file in ``measures/``; being there is being in use.

A measure is a small automaton over the moments of one case. It holds the clocks that still run, and draws a fact
whenever one changes (:class:`streams.clock.Context`). It sees moments in order and reads no clock: what the
watermark judges later, the fold takes care of.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import ClassVar, Literal, Self

from msgspec import Struct

from streams import kinds
from streams.clock import ALL, Clock, Context, Levels
from streams.timeline import Case, Moment

Path = tuple[str, ...]
"""A department at each level of the tree, from the top."""

Named = tuple[str, Clock]
"""A clock, and what its facts are called."""

FOLLOW_UP = Fraction(7)
"""Business days in which what was done may turn out not to hold (METRICS 2.6)."""
ENDINGS = (kinds.solved, kinds.closed, kinds.deleted)


class Apart(Exception):
    """Levels of the tree that were alike are not alike any more: into which parts they fall."""

    def __init__(self, *parts: Levels) -> None:
        super().__init__(parts)
        self.parts = parts


class Measure(Struct, array_like=True, gc=False):
    """``on``: the kinds of moments that can touch it; closing what was solved touches none. ``awaits``: what the watermark may
    have to judge: its ``clock``, or all of its clocks. It never has to where they are followed up, or have stopped.

    ``per_level``: two departments of one parent are one at the parent's level. A moment may then tell levels of the tree apart
    (:meth:`same`), and from there on each part has a state of its own, for its ``levels``; empty: for all of them.
    """

    name: ClassVar[str]
    on: ClassVar[tuple[int, ...]]
    per_level: ClassVar[bool] = False
    awaits: ClassVar[Literal["", "clock", "clocks"]] = ""

    levels: Levels = ALL
    clock: Clock | None = None

    def step(self, m: Moment, was: Case, case: Case, ctx: Context) -> None:
        """``was`` and ``case``: before and after ``m``. Who asks for :meth:`same` asks before anything else is done."""
        raise NotImplementedError

    def clocks(self) -> Iterator[Named]:
        """Those that may still change."""
        if self.clock is not None:
            yield self.name, self.clock

    def with_others(self, name: str, *others: Clock | None) -> Iterator[Named]:
        """The clock, and others whose facts are called ``name``: what the same moments start, or what may have been broken by a
        courtesy. If it was not, or no more, it is drawn anew.
        """
        if self.clock is not None:
            yield self.name, self.clock
        for clock in others:
            if clock is not None:
                yield name, clock

    def over_since(self) -> int | None:
        """When that was over which the measure follows, where it is no case. None: it is a case, or not over."""
        return None

    def draw(self, ctx: Context) -> None:
        """Draw every fact that may still change."""
        for name, clock in self.clocks():
            ctx.draw(name, clock, self.levels)

    # -- levels
    def same(self, a: Path, b: Path) -> bool:
        """Whether two departments, told by their paths, are one. Raises :class:`Apart` where levels do not say the same."""
        if a == b:
            return True
        of = self.levels or range(len(a))
        equal = tuple(level for level in of if a[level] == b[level])
        if equal and len(equal) < len(of):
            raise Apart(equal, tuple(level for level in of if a[level] != b[level]))
        return bool(equal)

    def split(self, parts: Sequence[Levels], ctx: Context) -> list[Self]:
        """A state for each part, and the fact that goes on in each of them."""
        for name, clock in self.clocks():
            ctx.retract(name, clock, self.levels)
        states = [self, *(self._copy(ctx) for _ in parts[1:])]
        for state, levels in zip(states, parts, strict=True):
            state.levels = levels
            state.draw(ctx)
        return states

    def _copy(self, ctx: Context) -> Self:
        other: Self = self.__copy__()  # type: ignore[attr-defined]  # msgspec's own, which its types do not tell
        for name in self.__struct_fields__:
            clock = getattr(self, name)
            if isinstance(clock, Clock):
                setattr(other, name, ctx.copy(clock))
        return other

    # -- what several measures do
    def finish(self, ctx: Context, at: int, flags: str = "") -> None:
        """The clock got what it waited for."""
        if self.clock is not None:
            ctx.end(self.clock, at, flags)
            ctx.draw(self.name, self.clock, self.levels)
            self.clock = None

    def give_up(self, ctx: Context, at: int) -> None:
        """The case ended without it."""
        if self.clock is not None:
            ctx.cancel(self.clock, at)
            ctx.draw(self.name, self.clock, self.levels)
            self.clock = None

    def pass_to(self, ctx: Context, department: str, at: int, norm: str = "") -> None:
        """The clock describes another department from now on, and runs on its hours unless paused.

        With ``norm``, a clock that nobody owed yet is judged by the new department's norm, from ``at``: a fair start.
        """
        clock = self.clock
        if clock is None or clock.department == department:
            return
        ctx.retract(self.name, clock)
        clock.department = department
        if clock.calendar:
            ctx.change_calendar(clock, department, at)
        if norm and not clock.target:
            ctx.judge_by(clock, norm, at)
        ctx.draw(self.name, clock)

    def hold_again(self, ctx: Context, clock: Clock) -> Clock:
        """A follow-up, as if it had not been broken: what broke it was a courtesy."""
        again = ctx.start(clock.opener, clock.start, clock.department, clock.counterpart)
        again.follow_up, again.due, again.flags = True, clock.due, "courtesy_reopen"
        return again

    def follow_class(self, was: Case, case: Case, ctx: Context, at: int) -> None:
        """The case may be of another service or priority now: the norm of this measure may be another one."""
        clock = self.clock
        if clock is not None and (was.service, was.priority) != (case.service, case.priority):
            ctx.judge_anew(clock, self.name, at)
            ctx.draw(self.name, clock, self.levels)

    def follow_pause(self, was: Case, case: Case, ctx: Context, m: Moment, department: str) -> None:
        """Stand while the case waits for the requester."""
        clock = self.clock
        if clock is None or (was.pause == "requester") == (case.pause == "requester"):
            return
        if case.pause == "requester":
            ctx.pause(clock, m.time)
        else:
            ctx.resume(clock, m.time, department)
            if m.kind == kinds.lapsed:
                clock.flags = "pause_without_reason"
        ctx.draw(self.name, clock, self.levels)


def ended(was: Case, case: Case) -> bool:
    return was.open and not case.open
