"""Says what level a job title is of. A level is not a substring: 営業部長 is 部長職, 副部長 and 部長代理 are not."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from rules.models import TitleLevel

TITLE_LEVEL = "title_level"
"""The name conditions use for the level; no field may have it."""


def compared_title(title: str) -> str:
    """Return a title as it is compared: NFKC, lower case, without spaces. A rule set's levels hold titles so."""
    return "".join(unicodedata.normalize("NFKC", title).lower().split())


def title_level(title: str | None, levels: Sequence[TitleLevel]) -> str | None:
    """Return the id of the first level that matches a title, or None.

    A level matches where the title is one of its ``exact`` titles or ends with one of its ``endings``. Levels are those
    of a rule set that was read: their titles are in the form of ``compared_title``.
    """
    compared = compared_title(title or "")
    if not compared:
        return None
    for level in levels:
        if compared in level.exact or compared.endswith(level.endings):
            return level.id
    return None
