"""Imported before anything of ours: the core is interpreted. What is compiled knows no measures but those of its sources, and
nothing can be put in their place.
"""

import os

os.environ["CROSSDESK_CORE"] = "interpreted"
