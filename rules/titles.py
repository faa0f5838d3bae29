"""The form in which job titles are compared."""

from __future__ import annotations

import unicodedata

TITLE_LEVEL = "title_level"
"""The name conditions use for the level; no field may have it."""


def compared_title(title: str) -> str:
    """Return a title as it is compared: NFKC, lower case, without spaces. A rule set's levels hold titles so."""
    return "".join(unicodedata.normalize("NFKC", title).lower().split())
