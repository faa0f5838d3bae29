"""Says what level a job title is of. A level is not a substring: 営業部長 is 部長職, 副部長 and 部長代理 are not."""

from __future__ import annotations

from collections.abc import Sequence

from rules.models import TitleLevel
from rules.vocabulary import normalised

TITLE_LEVEL = "title_level"
"""The name conditions use for the level; no field may have it."""


def title_level(title: str | None, levels: Sequence[TitleLevel]) -> str | None:
    """Return the id of the first level that matches a title, or None.

    A level matches where the title is one of its ``exact`` titles or ends with one of its ``endings``, both compared in
    NFKC, without case, spaces and hyphens.
    """
    folded = normalised(title or "")
    if not folded:
        return None
    for level in levels:
        if folded in map(normalised, level.exact) or any(folded.endswith(normalised(end)) for end in level.endings):
            return level.id
    return None
