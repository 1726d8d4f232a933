"""A crossdesk in which the fold fails once, in the middle of much: ``python failing_worker.py COMMAND …`` is its command line."""

from __future__ import annotations

import os
from itertools import count

os.environ["CROSSDESK_CORE"] = "interpreted"  # in the compiled one nothing can be put in another's place

from streams import cases  # noqa: E402
from streams.touch import Touch  # noqa: E402

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
