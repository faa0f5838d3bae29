"""The form in which job titles are compared."""

from __future__ import annotations

import re
import unicodedata

TITLE_LEVEL = "title_level"
"""The name conditions use for the level; no field may have it."""


def compared_title(title: str) -> str:
    """Return a title as it is compared: NFKC, lower case, without spaces. A rule set's levels hold titles so."""
    return "".join(unicodedata.normalize("NFKC", title).lower().split())


_SETS_APART = re.compile(r"[,、。・/&;:|@()\[\]{}<>【】〔〕「」『』〈〉《》–—―兼]| (and|of|to|for|at|-) ")


def is_one_title(text: str) -> bool:
    """Whether nothing in a text sets titles apart, or a title from what it is of: so that a title may end so."""
    return _SETS_APART.search(unicodedata.normalize("NFKC", text).lower()) is None
