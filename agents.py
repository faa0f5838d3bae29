"""Tells programs from people by the user agent they give.

The names are those of the list that the package ``crawler-user-agents`` keeps. The proxies through which a person's
mail reader loads pictures stand on that list as well, and are no sign of a machine: they ask when the mail is opened.
"""

from __future__ import annotations

import re
from functools import lru_cache
from importlib.metadata import version

import crawleruseragents

MOST_LETTERS = 500
"""Of a user agent; what follows tells nothing more."""
_PICTURE_PROXIES = re.compile(r"GoogleImageProxy|YahooMailProxy")


def agents_version() -> str:
    """Of the list: a newer one may judge otherwise."""
    return version("crawler-user-agents")


@lru_cache(maxsize=20_000)
def is_machine_agent(agent: str) -> bool:
    """Whether a user agent is a known program's. One that says nothing is no such sign."""
    known = agent[:MOST_LETTERS]
    return bool(crawleruseragents.is_crawler(known)) and not _PICTURE_PROXIES.search(known)
