"""A crossdesk in which a bot's reply is a first response too: ``python other_measures.py COMMAND …`` is its command line."""

from __future__ import annotations

from typing import ClassVar

import interpreted  # noqa: F401

from streams import kinds, measures
from streams.clock import Context
from streams.measures.first_response import FirstResponse
from streams.timeline import Case, Moment


class AlsoOfBots(FirstResponse):
    """It remembers something more, so that the state of the one cannot be read by the other."""

    on: ClassVar[tuple[int, ...]] = (*FirstResponse.on, kinds.bot_replied)  # type: ignore[assignment]  # one more kind

    bots: int = 0

    def step(self, m: Moment, was: Case, case: Case, ctx: Context) -> None:
        if m.kind == kinds.bot_replied:
            self.bots += 1
            self.finish(ctx, m.time)
        else:
            super().step(m, was, case, ctx)


measures.MEASURES = tuple(AlsoOfBots if m is FirstResponse else m for m in measures.MEASURES)

if __name__ == "__main__":
    from deploy.cli import main

    main()
