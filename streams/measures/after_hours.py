"""Work outside opening hours (FEATURES MOR-10): a sign of how a department is, and no answer of anybody."""

from msgspec import Struct

from streams import kinds
from streams.clock import Clock, Context
from streams.fact import UNOWNED
from streams.measure import ENDINGS, Measure, ended
from streams.timeline import HUMAN, OWN, Case, Moment, actor_department

AFTER_HOURS = "after_hours"
ACTS = frozenset((kinds.replied, kinds.noted, kinds.asked_requester, kinds.claimed, kinds.solved))
MILLION = 1_000_000


class Acts(Struct, array_like=True, gc=False):
    """What humans of a department did in an open case, ``outside`` its hours or within; ``opener`` and ``start``: the first."""

    department: str
    outside: bool
    opener: bytes
    start: int
    n: int = 0


class AfterHours(Measure):
    """How much is done outside opening hours? When a case ends, one fact of each department that worked on it for what it did
    within its own hours (``met``), and one for what outside of them (``missed``). Their business time is no time: each act is a
    million of it.

        Mon 09:00 created   finance
        Mon 09:00 routed    it
        Mon 10:00 replied   it
        Mon 11:00 replied   bot
        Mon 17:00 noted     it
        Tue 09:00 solved    it          => met 2 acts, missed 1 act
        Tue 20:00 noted     it

    Answers, questions, notes, taking it up and solving are acts. What is done to a case that is not open counts nowhere.
    """

    name = AFTER_HOURS
    on = (kinds.replied, kinds.noted, kinds.asked_requester, kinds.claimed, *ENDINGS)

    acts: tuple[Acts, ...] = ()

    def step(self, m: Moment, was: Case, case: Case, ctx: Context) -> None:
        if was.open and m.actor == HUMAN and m.kind in ACTS and m.relation == OWN:
            department = actor_department(ctx.config, ctx.source, was, m)
            if department != UNOWNED:
                self.act(department, m, ctx)
        if ended(was, case):
            for acts in self.acts:
                clock = Clock(acts.opener, acts.start, acts.department, since=m.time, stop=m.time)
                clock.worked, clock.due = acts.n * MILLION, m.time - acts.outside
                ctx.draw(AFTER_HOURS, clock)
            self.acts = ()

    def act(self, department: str, m: Moment, ctx: Context) -> None:
        outside = not ctx.calendar(department).open_at(m.time)
        for acts in self.acts:
            if acts.department == department and acts.outside == outside:
                acts.n += 1
                return
        self.acts = (*self.acts, Acts(department, outside, m.id, m.time, 1))
