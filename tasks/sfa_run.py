"""One run of the sync with the SFA: what all of its steps share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from rules.models import RuleSet
from settings import Settings
from tasks.clients.sfa.protocol import Sfa

Tell = Callable[[str], None]


@dataclass(frozen=True)
class SfaRun:
    """Whom it asks, for which instant, and what has come of it so far."""

    settings: Settings
    rules: RuleSet
    as_of: datetime
    sfa: Sfa
    tell: Tell
    counts: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    """A line each, of what could not be read or was refused."""
