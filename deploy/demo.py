"""The demo: which company is simulated for how long, and what it leaves in its folder."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

from deploy import config_files
from deploy.ahead import Source
from deploy.truth_file import TRUTH, recorded, truth_of
from ingest.connectors.simulated import START, example_configuration
from ingest.simulation.truth import Run, Truth
from streams.company import CompanyFile
from streams.configuration import Configuration, Files
from streams.norm_entry import NormsFile

MOST_DEPARTMENT_DAYS = 5_000
"""What is at hand at a time: five gigabytes, and minutes."""
AT_HAND_DAYS = 63
"""How long a case stays in memory: 28 days of windows, and 35 that it is closed."""

EXAMPLE = Path(__file__).parent / "example"


@dataclass(frozen=True)
class Demo:
    """``departments``: of a company of that many; None: of the example company."""

    seed: int
    days: int
    departments: int | None = None

    @property
    def folder(self) -> str:
        return "-".join(map(str, ("demo", self.seed, self.days, *([self.departments] if self.departments else []))))

    @property
    def name(self) -> str:
        """Names all that it says: what a folder holds of one is not mixed with another."""
        size = f", {self.departments} departments" if self.departments else ""
        return f"simulated seed {self.seed}, {self.days} days{size}"

    @property
    def run(self) -> Run:
        return Run(self.seed, self.days, START.isoformat(), departments=self.departments)

    @property
    def too_large(self) -> str:
        """Why it does not fit into memory, and what would; empty: it does."""
        if self.departments is None or self.departments * min(self.days, AT_HAND_DAYS) <= MOST_DEPARTMENT_DAYS:
            return ""
        days, departments = (
            MOST_DEPARTMENT_DAYS // self.departments,
            MOST_DEPARTMENT_DAYS // min(self.days, AT_HAND_DAYS),
        )
        return (
            f"{self.departments} departments over {self.days} days do not fit into the memory that a demo may take: "
            f"write --days {days} or less, or --departments {departments} or less"
        )

    def configuration(self) -> Configuration:
        """The company as its own files describe it."""
        if self.departments is None:
            return config_files.load(EXAMPLE).configuration
        company, norms = example_configuration(self.seed, self.departments)
        files = {config_files.NORMS: NormsFile.model_validate(norms)}
        return Configuration(Files(version=1, company=CompanyFile.model_validate(company), norms=files))

    def source(self, folder: Path) -> Source:
        """All that happens. Its truth lies in ``folder`` when it has ended."""
        return partial(recorded, self.run, folder / TRUTH)

    def truth(self, folder: Path) -> Truth:
        """What the simulation wrote down there. Raises :class:`deploy.folder.Stopped`."""
        return truth_of(self.run, folder / TRUTH)

    def refuse_other_truth(self, folder: Path) -> None:
        """Raises :class:`deploy.folder.Stopped` where the truth of another run, or a damaged one, lies in the folder."""
        if (folder / TRUTH).exists():
            self.truth(folder)
