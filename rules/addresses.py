"""Which mail addresses can be mailed to."""

from __future__ import annotations

import re

_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_ADDRESS = re.compile(rf"(?=.{{3,254}}\Z)(?=[^@]{{1,64}}@){_ATOM}(?:\.{_ATOM})*@{_LABEL}(?:\.{_LABEL})+")


def is_deliverable(address: str | None) -> bool:
    """Whether the provider takes an address: ASCII, a dot-atom, and a domain with a dot. macros.sql asks the same."""
    return address is not None and _ADDRESS.fullmatch(address) is not None
