"""What can go wrong outside: a source that is down, a file that is not what it was said to be."""

from __future__ import annotations

import re

_LONGEST = 200
_MAIL_ADDRESS = re.compile(r"[^\s@<>\"'(),;:=]+@(?=[^\s@]+)")
_URL_CREDENTIAL = re.compile(r"://[^/\s@]*@")


class SourceError(Exception):
    """A source could not be read: which, what failed, what to do. Holds no address and no credential."""

    def __init__(self, source: str, what: str, todo: str) -> None:
        self.source = source
        super().__init__(f"source {source}: {what}; {todo}")


def safe_text(text: str, secrets: tuple[str, ...] = ()) -> str:
    """Return the first line of another program's message without addresses, credentials or the given secrets."""
    line = text.strip().splitlines()[0] if text.strip() else "no message"
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        line = line.replace(secret, "***")
    line = _URL_CREDENTIAL.sub("://***@", line)
    line = _MAIL_ADDRESS.sub("***@", line)
    return line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "…"
