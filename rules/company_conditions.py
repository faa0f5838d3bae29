"""Reads conditions on deals, and on what a lead's company does as a whole."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rules.condition_values import days_of, is_count, is_kind, is_score, only
from rules.documents import Spot
from rules.event_conditions import EventConditions
from rules.hints import did_you_mean, shown
from rules.models import AccountCondition, DealCondition, ScoreCondition
from rules.selectors import NARROWING

_STATUSES = ("open", "won", "lost", "any")
_FORMS = "{people: 2, event: …, within_days: 14}, {event: …, at_least: 5}, {deal: open}, or {score: {at_least: 100}}"


@dataclass(frozen=True)
class CompanyConditions:
    """Reads ``deal`` and ``account`` conditions."""

    events: EventConditions

    def deal(self, raw: dict[str, Any], spot: Spot) -> DealCondition | None:
        """``deal`` in a status, since less than ``within_days``, over ``amount_at_least``."""
        if not only(raw, ("deal", "within_days", "amount_at_least"), spot):
            return None
        status = raw["deal"]
        is_fine = status in _STATUSES
        if not is_fine:
            spot.at("deal").fault(
                "a deal has no such status",
                received=shown(status),
                allowed=", ".join(_STATUSES),
                hint=did_you_mean(str(status), _STATUSES),
            )
        amount = raw.get("amount_at_least")
        if amount is not None and not is_kind(amount, (int, float), "a number", spot.at("amount_at_least")):
            is_fine = False
        window, is_window_fine = days_of(raw, "within_days", spot)
        if not is_fine or not is_window_fine:
            return None
        return DealCondition(status=None if status == "any" else status, within_days=window, amount_at_least=amount)

    def account(self, raw: dict[str, Any], spot: Spot) -> AccountCondition | None:
        """``account``: people who did something, an event of all together, a deal, or a score."""
        if not only(raw, ("account",), spot):
            return None
        asked, here = raw["account"], spot.at("account")
        if not isinstance(asked, dict) or len({"event", "deal", "score"} & set(asked)) != 1:
            here.fault("this is nothing a company can be asked", received=shown(asked), allowed=_FORMS)
            return None
        if "event" in asked:
            return self._event(asked, here)
        if "deal" in asked:
            deal = self.deal(asked, here)
            return None if deal is None else AccountCondition(kind="deal", asked=deal)
        if not only(asked, ("score",), here):
            return None
        score = read_score(asked["score"], here.at("score"))
        return None if score is None else AccountCondition(kind="score", asked=score)

    def _event(self, asked: dict[str, Any], spot: Spot) -> AccountCondition | None:
        if not only(asked, ("people", "event", *NARROWING, "at_least", "within_days"), spot):
            return None
        event = self.events.counted(asked, spot)
        people = asked.get("people")
        if people is not None and not is_count(people, 1, spot.at("people")):
            return None
        if event is None:
            return None
        if people is None:
            return AccountCondition(kind="event", asked=event)
        return AccountCondition(kind="people", people=people, asked=event)


def read_score(bounds: Any, spot: Spot) -> ScoreCondition | None:
    """Return bounds of a score, or None after reporting what is wrong with them."""
    if not isinstance(bounds, dict) or not bounds:
        spot.fault("'score' needs bounds", received=shown(bounds), hint="such as score: {at_least: 30}")
        return None
    if not only(bounds, ("at_least", "at_most"), spot):
        return None
    if not all(is_score(value, spot.at(key)) for key, value in bounds.items()):
        return None
    if "at_least" in bounds and "at_most" in bounds and bounds["at_least"] > bounds["at_most"]:
        received = f"at_least {bounds['at_least']}, at_most {bounds['at_most']}"
        spot.fault("no score is within these bounds", received=received, hint="swap the two")
        return None
    return ScoreCondition.model_validate(bounds)
