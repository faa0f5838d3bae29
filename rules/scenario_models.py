"""Scenarios with waits and branches: how a lead enters one, what it comes by, and what ends its run early."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from rules.condition_models import Frozen, Selector

ExitKind = Literal["goal", "deal", "hot", "consent", "segment"]


class Exit(Frozen):
    """What makes a lead leave: ``goal``: it has done ``on`` since it entered; ``deal``: it has an open deal; ``hot``:
    its tier is the one that goes to sales; ``consent``: it may not be mailed any more; ``segment``: it has left it.
    """

    kind: ExitKind
    on: Selector | None = None


class Wait(Frozen):
    """How long a run stands: for a time, for business days, or until a weekday or an hour. Exactly one of the first
    three is given, or ``at`` alone.
    """

    delay: timedelta | None = None
    business_days: int | None = None
    weekday: int | None = None
    """1 is Monday, as ISO 8601 counts."""
    at: timedelta | None = None
    """The time of day, since midnight, by the clock where the lead is."""


class Arm(Frozen):
    """One way out of a branch: taken where what it asks holds. What asks nothing is taken by all the others."""

    segment: str | None = None
    on: Selector | None = None
    """Done since the lead entered the scenario."""
    at_least: int = 1
    next: str | None


class Node(Frozen):
    """One place in a scenario. ``next`` is where its runs go on; None: they are at the end."""

    node: str
    kind: Literal["mail", "wait", "branch"]
    next: str | None
    wait: Wait | None = None
    arms: tuple[Arm, ...] = ()


class Scenario(Frozen):
    """A scenario of ``scenarios.yaml``. Its mails are steps of the rule set; a mail node bears its step's id."""

    id: str
    label: str
    segment: str
    """Whom it serves."""
    entry: Selector | None
    """None: entering the segment begins it."""
    entry_count: int = 1
    with_members: bool = False
    """Whether those who are in the segment already enter, too."""
    re_entry: timedelta | None
    """After how long since it last entered a lead may enter again; None: never."""
    exits: tuple[Exit, ...] = ()
    nodes: tuple[Node, ...]
    is_enabled: bool = True
    source: str
