"""CONTRACT: what a measure is. One measure = one file in ``measures/``; being there is being in use.

A measure is a small automaton over the moments of one case. It holds the clocks that still run, and draws a fact
whenever one changes (:class:`streams.clock.Context`). It sees moments in order and reads no clock: what the
watermark judges later, the fold takes care of.
"""

from __future__ import annotations

from typing import ClassVar

from msgspec import Struct

from streams import kinds
from streams.clock import Clock, Context
from streams.timeline import Case, Moment

ENDINGS = (kinds.solved, kinds.closed, kinds.deleted)


class Measure(Struct, array_like=True, gc=False):
    """``on``: the kinds of moments that can touch it. ``clock``: what the watermark may judge. ``per_level``: one state for
    each level of the tree, for measures in which two departments of one parent are one; else one state whose facts are
    drawn at every level.
    """

    name: ClassVar[str]
    on: ClassVar[tuple[int, ...]]
    per_level: ClassVar[bool] = False

    clock: Clock | None = None

    def step(self, m: Moment, was: Case, case: Case, ctx: Context, level: int) -> None:
        """``was`` and ``case``: before and after ``m``. ``level`` is -1 unless ``per_level``."""
        raise NotImplementedError

    def draw(self, ctx: Context, level: int) -> None:
        """Draw every fact that may still change."""
        if self.clock is not None:
            ctx.draw(self.name, self.clock, level)

    # -- what several measures do
    def finish(self, ctx: Context, at: int, level: int = -1, flags: str = "") -> None:
        """The clock got what it waited for."""
        if self.clock is not None:
            ctx.end(self.clock, at, flags)
            ctx.draw_last(self.name, self.clock, level)
            self.clock = None

    def give_up(self, ctx: Context, at: int, level: int = -1) -> None:
        """The case ended without it."""
        if self.clock is not None:
            ctx.cancel(self.clock, at)
            ctx.draw_last(self.name, self.clock, level)
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
        if norm and not clock.keeper:
            ctx.judge_by(clock, norm, at)
        ctx.draw(self.name, clock)

    def follow_pause(self, was: Case, case: Case, ctx: Context, at: int, department: str, level: int = -1) -> None:
        """Stand while the case waits for the requester."""
        clock = self.clock
        if clock is None or (was.pause == "requester") == (case.pause == "requester"):
            return
        if case.pause == "requester":
            ctx.pause(clock, at)
        else:
            ctx.resume(clock, at, department)
        ctx.draw(self.name, clock, level)


def ended(was: Case, case: Case) -> bool:
    return was.open and not case.open
