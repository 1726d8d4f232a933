"""First resolution (METRICS 2.6)."""

from streams import kinds
from streams.clock import Context
from streams.measure import ENDINGS, Measure, ended
from streams.timeline import HUMAN, Case, Moment, actor_department


class FirstResolution(Measure):
    """How long until a case is solved for the first time, pauses included.

        Mon 09:00 created  finance
        Mon 09:00 routed   it
        Mon 12:00 routed   legal
        Mon 15:00 solved   legal    => done 6h
        Mon 16:00 reopened
        Mon 17:00 solved   legal

    The time runs on the hours of whoever owns the case at each instant; the fact is the department's that solved.
    Closing without solving counts as solving.
    """

    name = "first_resolution"
    on = (kinds.created, kinds.routed, kinds.reorganised, *ENDINGS)

    def step(self, m: Moment, was: Case, case: Case, ctx: Context) -> None:
        kind = m.kind
        if kind == kinds.created:
            if case.opener == m.id and not was.opener:
                self.clock = ctx.start(m.id, case.asked or m.time, case.owner, case.beneficiary)
                ctx.draw(self.name, self.clock)
        elif kind == kinds.routed or kind == kinds.reorganised:
            self.pass_to(ctx, case.owner, m.time)
        elif ended(was, case):
            if kind == kinds.deleted:
                self.give_up(ctx, m.time)
                return
            if m.actor == HUMAN:
                self.pass_to(ctx, actor_department(ctx.config, ctx.source, was, m), m.time)
            self.finish(ctx, m.time)
