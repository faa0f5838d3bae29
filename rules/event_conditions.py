"""Reads conditions on what a lead did: how often, when first or last, never, and one thing after another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rules.condition_values import days_of, is_count, only
from rules.documents import Spot
from rules.hints import shown
from rules.models import All, Condition, EventCondition, Not, OccasionCondition, Selector, SequenceCondition
from rules.selectors import NARROWING, Selectors


@dataclass(frozen=True)
class EventConditions:
    """Reads conditions on behaviour."""

    selectors: Selectors

    def event(self, raw: dict[str, Any], spot: Spot) -> Condition | None:
        """``event`` with ``at_least``, ``at_most`` and ``within_days``."""
        if not only(raw, ("event", *NARROWING, "at_least", "at_most", "within_days"), spot):
            return None
        on = self._inline(raw, spot)
        least, most = raw.get("at_least"), raw.get("at_most")
        is_fine = True
        if least is not None:
            is_fine = is_count(least, 1, spot.at("at_least"), hint="for leads who never did it, write {never: …}")
        if most is not None:
            hint = "for leads who never did it, write {never: …}"
            is_fine = is_count(most, 1, spot.at("at_most"), hint=hint) and is_fine
        window, is_window_fine = days_of(raw, "within_days", spot)
        if on is None or not is_fine or not is_window_fine:
            return None
        if least is not None and most is not None and least > most:
            received = f"at_least {least}, at_most {most}"
            spot.fault("no number of times is within these bounds", received=received, hint="swap the two")
            return None
        enough = EventCondition(on=on, at_least=least or 1, within_days=window)
        if most is None:
            return enough
        not_too_often = Not(part=EventCondition(on=on, at_least=most + 1, within_days=window))
        return not_too_often if least is None else All(parts=(enough, not_too_often))

    def never(self, raw: dict[str, Any], spot: Spot) -> Condition | None:
        """``never``, ever or ``within_days``."""
        if not only(raw, ("never", "within_days"), spot):
            return None
        on = self.selectors.read(raw["never"], spot.at("never"), is_question=True)
        window, is_window_fine = days_of(raw, "within_days", spot)
        if on is None or not is_window_fine:
            return None
        if window is None:
            return Not(part=EventCondition(on=on))
        # whoever opens an old mail again has opened one, though it counts once
        return Not(part=OccasionCondition(on=on, which="last", within_days=window))

    def first(self, raw: dict[str, Any], spot: Spot) -> Condition | None:
        """``first``: when a behaviour happened for the first time."""
        return self._occasion("first", raw, spot)

    def last(self, raw: dict[str, Any], spot: Spot) -> Condition | None:
        """``last``: when a behaviour happened for the last time."""
        return self._occasion("last", raw, spot)

    def _occasion(self, which: str, raw: dict[str, Any], spot: Spot) -> Condition | None:
        if not only(raw, (which, "before_days", "within_days"), spot):
            return None
        on = self.selectors.read(raw[which], spot.at(which), is_question=True)
        before, is_before_fine = days_of(raw, "before_days", spot)
        within, is_within_fine = days_of(raw, "within_days", spot)
        if on is None or not is_before_fine or not is_within_fine:
            return None
        if before is None and within is None:
            hint = f"such as {{{which}: …, within_days: 30}}; for whether it ever happened write {{event: …}}"
            spot.fault(f"'{which}' asks when it happened", allowed="within_days, before_days, or both", hint=hint)
            return None
        if before is not None and within is not None and before >= within:
            received = f"before_days {before:g}, within_days {within:g}"
            spot.fault(
                "no instant is so long ago and so recent",
                received=received,
                allowed="before_days smaller than within_days",
                hint="swap the two",
            )
            return None
        return OccasionCondition.model_validate(
            {"on": on, "which": which, "before_days": before, "within_days": within}
        )

    def sequence(self, raw: dict[str, Any], spot: Spot) -> Condition | None:
        """``sequence`` of behaviours, each ``within_days`` of the one before it."""
        if not only(raw, ("sequence", "within_days", "ended_within_days"), spot):
            return None
        values = raw["sequence"]
        if not isinstance(values, list) or len(values) < 2:
            hint = "such as sequence: [事例集DL, 価格ページ閲覧]"
            spot.at("sequence").fault(
                "a sequence is a list of two or more behaviours", received=shown(values), hint=hint
            )
            return None
        read = [
            self.selectors.read(value, spot.at("sequence", position), is_question=True)
            for position, value in enumerate(values)
        ]
        steps = tuple(selector for selector in read if selector is not None)
        if raw.get("within_days") is None:
            spot.fault("a sequence has a window: how long after one the next may come", hint="add within_days: 7")
            return None
        within, is_within_fine = days_of(raw, "within_days", spot)
        ended, is_ended_fine = days_of(raw, "ended_within_days", spot)
        if len(steps) != len(values) or within is None or not is_within_fine or not is_ended_fine:
            return None
        return SequenceCondition(steps=steps, within_days=within, ended_within_days=ended)

    def counted(self, raw: dict[str, Any], spot: Spot) -> EventCondition | None:
        """An event with its count and window, as a company is asked for: without an upper bound."""
        on = self._inline(raw, spot)
        least = raw.get("at_least", 1)
        is_fine = is_count(least, 1, spot.at("at_least"))
        window, is_window_fine = days_of(raw, "within_days", spot)
        if on is None or not is_fine or not is_window_fine:
            return None
        return EventCondition(on=on, at_least=least, within_days=window)

    def _inline(self, raw: dict[str, Any], spot: Spot) -> Selector | None:
        """The selector whose keys stand beside the count and the window."""
        if isinstance(raw["event"], dict):
            spot.at("event").fault(
                "what narrows an event stands beside it",
                received=shown(raw["event"]),
                hint="such as {event: page_view, page_group: price, at_least: 3}",
            )
            return None
        named = {key: raw[key] for key in ("event", *NARROWING) if key in raw}
        return self.selectors.read(named, spot, is_question=True)
