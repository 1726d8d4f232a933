"""A crossdesk in which the fold fails once, in the middle of much: ``python failing_worker.py COMMAND …`` is its command line."""

from __future__ import annotations

from itertools import count

import interpreted  # noqa: F401

from streams import cases
from streams.touch import Touch

FAILS_AT = 700

touches = count(1)


class Failing(Touch):
    def close(self) -> None:
        if next(touches) == FAILS_AT:
            raise RuntimeError("this had to come")
        super().close()


setattr(cases, "Touch", Failing)  # noqa: B010  # by its name there

if __name__ == "__main__":
    from deploy.cli import main

    main()
