"""How a value received is shown in a problem: short, never secret, and with the nearest thing that would be right."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

_SECRET_NAME = re.compile(r"(?i)(api_?key|secret|token|passw|credential|private|webhook_?key)")
_SECRET_VALUE = (
    re.compile(r"SG\.[\w-]+"),
    re.compile(r"-----BEGIN"),
    re.compile(r"://[^/\s:@]*:[^/\s@]+@"),
    re.compile(r"(?i)\bbearer\s+\S+"),
    re.compile(r"(?=[\w+/=.-]*\d)(?=[\w+/=.-]*[A-Za-z])(?<![\w+/=.-])[A-Za-z0-9_+/=-]{32,}"),
)
_MAIL_ADDRESS = re.compile(r"[^\s@<>\"'(),;:]+@(?=[^\s@]+)")
_LONGEST = 60


def shown(value: object, key: str = "") -> str:
    """Return ``value`` as a person may read it in a message or a log.

    Args:
        value: What was received.
        key: The name it stood under, where it has one: a value under ``api_key`` is hidden whatever it looks like.

    Returns:
        At most 60 characters; nothing that looks like a secret, and no local part of a mail address.
    """
    if value is None:
        return "nothing"
    if isinstance(value, dict):
        return f"a mapping with {', '.join(shown(name) for name in list(value)[:5])}" if value else "an empty mapping"
    if isinstance(value, (list, tuple)):
        return f"a list of {len(value)}"
    if isinstance(value, bool):
        return "true" if value else "false"
    text = str(value)
    if text and (_SECRET_NAME.search(key) or any(pattern.search(text) for pattern in _SECRET_VALUE)):
        return "(hidden: it looks like a secret)"
    text = _MAIL_ADDRESS.sub("***@", " ".join(text.split()))
    if len(text) > _LONGEST:
        text = text[: _LONGEST - 1] + "…"
    return f"'{text}'" if isinstance(value, str) else text


def nearest(word: str, choices: Iterable[str], *, count: int = 1, cutoff: float = 0.6) -> list[str]:
    """Return the choices most like ``word``, best first; none where nothing is near."""
    by_folded: dict[str, str] = {}
    for choice in choices:
        by_folded.setdefault(choice.casefold(), choice)
    found = difflib.get_close_matches(word.casefold(), by_folded, n=count, cutoff=cutoff)
    return [by_folded[folded] for folded in found]


def did_you_mean(word: str, choices: Iterable[str]) -> str:
    """Return ``did you mean 'x'?``, or an empty string where nothing is near."""
    found = nearest(word, choices)
    return f"did you mean '{found[0]}'?" if found else ""


def listed(choices: Iterable[str], *, limit: int = 20) -> str:
    """Return choices as one line, cut after ``limit`` of them."""
    names = list(choices)
    if len(names) > limit:
        return f"{', '.join(names[:limit])} and {len(names) - limit} more"
    return ", ".join(names)
