"""CONTRACT: the catalogue of indicators that are made of several others."""

from __future__ import annotations

from msgspec import Struct

from streams.indicators import unit_of


class Combined(Struct, frozen=True):
    """An indicator that is made of several: the store computes it of their facts, at one ``as_of`` (view ``combined``, with the
    columns of ``indicators`` but for the offset). Neither the topic nor Prometheus has it.

    ``parts``: the indicators whose facts it is made of. ``n`` and ``interval`` say which number stands in ``n``, and what is in
    ``low`` and ``high``, at 95 %; empty: nothing. Where ``n`` is 0 there is no value. ``pairs``: of each ordered pair;
    ``departments``: of each department. ``proxy`` as of an :class:`Indicator`.
    """

    name: str
    parts: tuple[str, ...]
    formula: str
    question: str
    n: str
    interval: str = ""
    departments: bool = True
    pairs: bool = False
    proxy: bool = False

    @property
    def unit(self) -> str:
        return unit_of(self.name)


COMBINED: tuple[Combined, ...] = (
    Combined(
        "promise_slip_ratio",
        ("promise_final_attainment_ratio", "promise_first_attainment_ratio"),
        "promise_final_attainment_ratio - promise_first_attainment_ratio",
        "How many promises are kept only because both agreed on a later date?",
        n="promises judged by either date, the fewer of the two",
        interval="Newcombe's for paired shares",
        pairs=True,
    ),
    Combined(
        "promise_dependable_ratio",
        ("promise_first_attainment_ratio", "reopening_share_ratio"),
        "promise_first_attainment_ratio * (1 - reopening_share_ratio)",
        "How much is delivered when it was first promised, and holds?",
        n="promises, or solutions that were followed up, the fewer of the two",
        interval="made of the Wilson intervals of both shares, as if these were independent",
    ),
    Combined(
        "hand_over_share_ratio",
        ("acceptance_facts",),
        "hand-overs from counterpart to department / all hand-overs at that level of the tree, each when it happened",
        "How much of all that is handed over takes this way?",
        n="all hand-overs",
        interval="Wilson's",
        departments=False,
        pairs=True,
    ),
    Combined(
        "rework_per_case_ratio",
        ("rework_facts", "ownership_facts"),
        "rework_facts / cases that the department had in the window",
        "How often does a department have a case once more, for each case that it has?",
        n="cases",
    ),
    Combined(
        "reopen_heat_ratio",
        ("reopening_share_ratio",),
        "solutions that were reopened / cases that were solved, in the window",
        "How often is a solution reopened, for each case that was solved?",
        n="cases",
        proxy=True,
    ),
)
