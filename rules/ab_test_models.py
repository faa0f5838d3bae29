"""A/B tests of mails: the variants, their shares, and when a test is over."""

from __future__ import annotations

from typing import Literal

from rules.condition_models import Frozen, Selector

Metric = Literal["opened", "clicked", "converted"]


class Variant(Frozen):
    """One version of a tested mail. What it does not say is as the step says."""

    id: str
    label: str
    share: float = 1
    """Its part of the sample, in proportion to the other variants' shares."""
    subject: str | None = None
    template: str | None = None
    window: str | None = None
    """None: the step's; see ``has_window`` for one that is always open."""
    has_window: bool = False
    cta: Selector | None = None
    cta_label: str = ""


class AbTest(Frozen):
    """A test of one step's mail, over when ``sample_size`` mails have gone and were measured, or after ``days``."""

    id: str
    label: str
    metric: Metric
    variants: tuple[Variant, ...]
    """The first is the one that goes on where none wins."""
    sample_size: int | None = None
    sample_share: float | None = None
    """Of a newsletter's readers; the others get the winner."""
    days: float | None = None
    smallest_effect: float = 0.05
    """The smallest difference of two rates that is worth knowing."""
    measure_hours: float = 48
    """How long after the last mail of the sample the figures are read."""
