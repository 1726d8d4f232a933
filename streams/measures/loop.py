"""What became of suggestions (METRICS 3.10, FEATURES MOR-11)."""

from fractions import Fraction

from streams import kinds
from streams.clock import Context
from streams.measure import Measure
from streams.timeline import Case, Moment

WEEK = 7 * 86_400_000_000
ANSWERED_WITHIN = Fraction(20)
"""Business days of the department."""


class Loop(Measure):
    """Are those who suggest something told what became of it? One fact for each suggestion, of the department that it is
    addressed to: ``met`` where they were told within 20 business days. Nobody is its counterpart, for nobody is its author.

        Mon 00:00 you_said  it
        Fri 17:00 now
        Mon 00:00 now
        Fri 17:00 now
        Mon 00:00 now
        Fri 17:00 now
        Mon 00:00 now
        Fri 17:00 now
        Mon 00:00 we_did                => met 160h
        Fri 17:00 now
        Mon 00:00 we_did

    Only the weeks are known, as their Mondays. So the 20 days begin when the week is over in which it was said, and who is told
    in a week is told when that begins. The first time counts. The topic of the suggestion is the flag of its fact.
    """

    name = "loop"
    awaits = "clock"
    on = (kinds.you_said, kinds.we_did)

    told: int | None = None
    said: bool = False

    def step(self, m: Moment, was: Case, case: Case, ctx: Context) -> None:
        if m.kind == kinds.you_said:
            if self.said:
                return
            self.said = True
            department = ctx.config.department(ctx.source, m.group, m.time)
            self.clock = ctx.start(m.id, m.time, department)
            self.clock.flags = m.text
            self.clock.due = ctx.calendar(department).due_days(m.time + WEEK, ANSWERED_WITHIN)
            if self.told is None:
                ctx.draw(self.name, self.clock)
            else:  # in the same week: which of the two comes first is chance
                self.over(self.told, ctx)
        elif self.told is None:
            self.told = m.time
            self.over(m.time, ctx)

    def over_since(self) -> int | None:
        return self.clock.due if self.told is None and self.clock is not None else self.told

    def over(self, at: int, ctx: Context) -> None:
        clock, self.clock = self.clock, None
        if clock is not None:
            ctx.end(clock, max(at, clock.start))
            ctx.draw(self.name, clock)
