"""What of the indicators Prometheus gets to see, from a version of the configuration (DESIGN 5.14)."""

from __future__ import annotations

from sinks.prometheus import Pair
from streams.company import ANYBODY
from streams.configuration import Configuration
from streams.fact import UNMAPPED, UNOWNED
from streams.norm_entry import ACCEPTANCE


def exported_departments(configuration: Configuration, at: int) -> frozenset[str] | None:
    """Those that it names and that are not hidden at the instant ``at`` (µs), and where cases lie that have none. None: all, where
    every group is a department of its own.
    """
    if configuration.company.each:
        return None
    return frozenset({*configuration.departments, UNMAPPED, UNOWNED}.difference(configuration.hidden(at)))


def pairs_with_a_norm_of_their_own(configuration: Configuration, at: int) -> frozenset[Pair]:
    """Where a department promises to take up what another hands over, naming it, at the instant ``at`` (µs) or later."""
    return frozenset(
        Pair(giver, department)
        for department, versions in configuration.norms.versions.items()
        for version in (versions.at(at), *(later for since, later in versions if since > at))
        if version is not None
        for kind, giver in version.norms
        if kind == ACCEPTANCE and giver != ANYBODY
    )
