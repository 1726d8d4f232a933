"""SLA policies and schedules of a helpdesk become a norms file: what cannot be said there is a comment where it would stand.

A vendor's answers (:mod:`.answers`) are claims, of which the first that fits a case counts (:mod:`.claims`), and opening hours
(:mod:`.calendar`): that is one :class:`~.norms_text.Imported`, which is printed as YAML.
"""
