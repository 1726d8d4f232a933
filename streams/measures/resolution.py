"""Resolution, by episode (METRICS 2.6)."""

from streams import kinds
from streams.clock import Context
from streams.fact import UNOWNED
from streams.measure import ENDINGS, Measure, ended
from streams.timeline import HUMAN, Case, Moment, actor_department


class Resolution(Measure):
    """How long the work on a case takes: one fact for each episode, without the time in which the requester was asked.

        Mon 09:00 created   finance
        Mon 09:00 routed    it
        Mon 10:00 paused    requester
        Mon 12:00 resumed
        Mon 13:00 solved    it          => met 2h of 8bh
        Mon 14:00 reopened
        Mon 16:00 solved    it          => met 2h of 8bh

    Time while a case is closed never counts. The norm is that of the department which took the case on; the fact is the
    department's that solved, and of the owner while it runs.
    """

    name = "resolution"
    on = (
        kinds.created,
        kinds.classified,
        kinds.routed,
        kinds.reorganised,
        kinds.paused,
        kinds.resumed,
        *ENDINGS,
        kinds.reopened,
    )

    def step(self, m: Moment, was: Case, case: Case, ctx: Context) -> None:
        kind = m.kind
        if kind == kinds.created or kind == kinds.reopened:
            if case.open and not was.open:
                start = m.time if kind == kinds.reopened or case.asked is None else case.asked
                norm = "" if case.owner == UNOWNED else self.name
                self.clock = ctx.start(m.id, start, case.owner, case.beneficiary, norm)
                ctx.draw(self.name, self.clock)
        elif kind == kinds.routed or kind == kinds.reorganised:
            self.pass_to(ctx, case.owner, m.time, "" if case.owner == UNOWNED else self.name)
        elif kind == kinds.classified:
            self.follow_class(was, case, ctx, m.time)
        elif not ended(was, case):
            self.follow_pause(was, case, ctx, m.time, case.owner)
        elif kind == kinds.deleted:
            self.give_up(ctx, m.time)
        else:
            if m.actor == HUMAN:
                self.pass_to(ctx, actor_department(ctx.config, ctx.source, was, m), m.time)
            self.finish(ctx, m.time)
