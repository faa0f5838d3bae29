"""Numbers what a rule set asks, so that SQL can join it: its behaviours, and its questions to a lead.

However many rules ask the same thing, it is asked once.
"""

from __future__ import annotations

from collections.abc import Iterator

from rules.models import (
    AccountCondition,
    Condition,
    DealCondition,
    EventCondition,
    FieldCondition,
    Leaf,
    RuleSet,
    SegmentCondition,
    Selector,
    leaves,
    selectors_of,
)


class Catalogue:
    """The behaviours and questions of one rule set, each with its number."""

    def __init__(self, rules: RuleSet) -> None:
        self.behaviours: dict[Selector, int] = {}
        self.questions: dict[Leaf, int] = {}
        for condition in conditions_of(rules).values():
            for leaf in leaves(condition):
                self._ask(leaf)
        for selector in _selectors(rules):
            self.behaviours.setdefault(selector, len(self.behaviours))

    def _ask(self, leaf: Leaf) -> None:
        match leaf:
            case SegmentCondition():
                return  # answered by the segment's members
            case AccountCondition(kind="people" | "deal", asked=(EventCondition() | DealCondition()) as asked):
                self._ask(asked)
            case FieldCondition(is_known=False):
                leaf = FieldCondition(field=leaf.field, is_known=True)
            case _:
                pass
        for selector in selectors_of(leaf):
            self.behaviours.setdefault(selector, len(self.behaviours))
        self.questions.setdefault(leaf, len(self.questions))

    @property
    def asks_accounts(self) -> bool:
        """Whether what a lead is asked hangs on its colleagues."""
        return any(isinstance(leaf, AccountCondition) for leaf in self.questions)


def conditions_of(rules: RuleSet) -> dict[str, Condition]:
    """Return every condition of a rule set by name: of points, of stages and of segments."""
    found: dict[str, Condition] = {}
    for rule in rules.scoring:
        if rule.where is not None:
            found[f"scoring {rule.id}"] = rule.where
    for stage in rules.stages:
        if stage.enter_when is not None:
            found[f"stage {stage.id}"] = stage.enter_when
    for fall in rules.fall_backs:
        if fall.when is not None:
            found[f"fall back {fall.id}"] = fall.when
    for segment in rules.segments:
        if segment.where is not None:
            found[f"segment {segment.id}"] = segment.where
    return found


def _selectors(rules: RuleSet) -> Iterator[Selector]:
    """Every behaviour that a rule names outside a condition."""
    yield from (rule.on for rule in rules.scoring if rule.on is not None)
    for stage in rules.stages:
        yield from stage.enter_on
    yield from (fall.on for fall in rules.fall_backs if fall.on is not None)
    for step in rules.steps:
        of_tests = (variant.cta for variant in (step.test.variants if step.test else ()))
        named = (step.trigger, step.cta, *(one.on for one in step.exits), *of_tests)
        yield from (on for on in named if on is not None)
    for scenario in rules.scenarios:
        asked = (arm.on for node in scenario.nodes for arm in node.arms)
        yield from (on for on in (scenario.entry, *(one.on for one in scenario.exits), *asked) if on is not None)
    yield from (action.on for action in rules.sales_actions if action.on is not None)
    yield from (point.on for point in rules.handoff.talking_points)
