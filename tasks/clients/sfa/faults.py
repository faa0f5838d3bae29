"""What SFA clients tell of records that cannot be read or are refused, without showing what is in them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import TypeVar

# from end to end, but for the quotes and brackets around it; an address may hold quotes itself
_ADDRESS = re.compile(r"[^\s<(\[{\"'=:]\S*[@＠]\S*[^\s>)\]}\"'.,;:]")
_MOST_CHARACTERS = 500
_Raw = TypeVar("_Raw")
_Read = TypeVar("_Read")


class FaultError(Exception):
    """A record that cannot be read; its text is the line to show."""


def readable(rows: Iterable[_Raw], read: Callable[[_Raw], _Read]) -> tuple[list[_Read], list[str]]:
    """What ``read`` makes of the rows, and a line for each of which it makes nothing."""
    found: list[_Read] = []
    faults: list[str] = []
    for row in rows:
        try:
            found.append(read(row))
        except FaultError as fault:
            faults.append(str(fault))
    return found, faults


def reason_of(texts: Iterable[str]) -> str:
    """A provider's own words, each once, short and without addresses."""
    text = "; ".join(dict.fromkeys(" ".join(text.split()) for text in texts if text))
    return _ADDRESS.sub("<address>", text)[:_MOST_CHARACTERS] or "no reason given"


def without_values(message: str, values: Iterable[object]) -> str:
    """A message that repeats nothing of what was written."""
    for value in sorted({str(value) for value in values if len(str(value)) > 1}, key=len, reverse=True):
        # a number is not sought within a longer one; Japanese stands without spaces
        edge = r"\b" if re.fullmatch(r"\w+", value, re.ASCII) else ""
        message = re.sub(f"{edge}{re.escape(value)}{edge}", "<value>", message)
    return message
