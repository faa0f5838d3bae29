"""Reads which events a rule means: a word of the vocabulary, or an event narrowed by what it bears."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from rules.condition_values import is_kind, only
from rules.documents import Spot
from rules.hints import did_you_mean, listed, shown
from rules.models import ANY_EVENT, Selector, Step
from rules.names import Names
from rules.property_tests import read_property_tests
from rules.vocabulary import Vocabulary

KNOWN_EVENTS = (
    "page_view",
    "document_download",
    "form_submit",
    "seminar_signup",
    "seminar_attend",
    "consultation_request",
    "mail_sent",
    "mail_processed",
    "mail_delivered",
    "mail_open",
    "mail_click",
    "mail_bounce",
    "mail_dropped",
    "mail_deferred",
    "mail_spam_report",
    "mail_unsubscribe",
    "mail_resubscribe",
    "deal_created",
    "deal_won",
    "deal_lost",
)
"""The events that sources, the web face and the engine deliver; a rule set may name others of its own."""

NARROWING = ("page_group", "asset_group", "asset", "scenario", "step", "properties")
"""The keys that narrow an event."""

_EVENT = re.compile(r"[a-z][a-z0-9_]*")
_NEVER_HAS = {"page_group": "document_download", "asset_group": "page_view", "asset": "page_view"}


class Selectors:
    """Reads selectors against the groups, the words and the scenarios of one rule set. None: not checked."""

    def __init__(
        self,
        page_groups: Names | None = None,
        asset_groups: Names | None = None,
        vocabulary: Vocabulary | None = None,
        scenarios: Names | None = None,
    ) -> None:
        self._groups = {"page_group": page_groups, "asset_group": asset_groups}
        self._vocabulary = vocabulary
        self._scenarios = scenarios
        self._steps_named: list[tuple[Selector, Spot]] = []

    def with_vocabulary(self, vocabulary: Vocabulary) -> Selectors:
        """Return the same, with words."""
        found = Selectors(self._groups["page_group"], self._groups["asset_group"], vocabulary, self._scenarios)
        found._steps_named = self._steps_named
        return found

    def read(self, raw: Any, spot: Spot, *, is_question: bool = False) -> Selector | None:
        """Return the selector that is meant, or None after reporting what is wrong with it.

        Args:
            raw: A word of the vocabulary or of ``KNOWN_EVENTS``, or a mapping with ``event`` and what narrows it.
            spot: Where it stands.
            is_question: Whether it is part of a condition, which may ask for ``any`` behaviour.
        """
        if isinstance(raw, str):
            return self._word(raw, spot, is_question)
        if not isinstance(raw, dict):
            spot.fault(
                "this names no behaviour",
                received=shown(raw),
                allowed="a word of vocabulary.yaml, or a mapping such as {event: page_view}",
            )
            return None
        if not only(raw, ("event", *NARROWING), spot):
            return None
        if raw.get("event") is None:
            spot.at("event").fault("the event is empty", hint="such as event: page_view")
            return None
        if not is_kind(raw["event"], str, "a name", spot.at("event")):
            return None
        meant = self._event(raw["event"], spot.at("event"), is_question)
        return None if meant is None else self._narrowed(meant, raw, spot)

    def _word(self, word: str, spot: Spot, is_question: bool) -> Selector | None:
        if word == ANY_EVENT and is_question:
            return Selector(event=ANY_EVENT)
        if self._vocabulary is None:
            return None
        term = self._vocabulary.find(word)
        if term is not None:
            return term.selector
        if word in KNOWN_EVENTS:
            return Selector(event=word)
        any_event = f"{ANY_EVENT}, " if is_question else ""
        spot.fault(
            "there is no behaviour of this name in vocabulary.yaml",
            received=shown(word),
            allowed=f"{any_event}{listed(self._vocabulary.main_words())}, or a mapping such as {{event: page_view}}",
            hint=did_you_mean(word, [*self._vocabulary.words(), *KNOWN_EVENTS]),
        )
        return None

    def _event(self, event: str, spot: Spot, is_question: bool) -> Selector | None:
        """The name of an event, or a word that the rest narrows further."""
        if event == ANY_EVENT:
            if is_question:
                return Selector(event=ANY_EVENT)
            spot.fault("only a condition can ask for any behaviour", received=shown(event), hint="name the event")
            return None
        if _EVENT.fullmatch(event) is None:
            term = self._vocabulary.find(event) if self._vocabulary is not None else None
            if term is not None:
                return term.selector
            if self._vocabulary is None and self._groups["page_group"] is None:
                return None
            known = [*KNOWN_EVENTS, *(self._vocabulary.words() if self._vocabulary is not None else ())]
            spot.fault(
                "this is not the name of an event",
                received=shown(event),
                allowed=listed(KNOWN_EVENTS),
                hint=did_you_mean(event, known) or "small letters a to z, digits and _",
            )
            return None
        if event not in KNOWN_EVENTS and (near := did_you_mean(event, KNOWN_EVENTS)):
            spot.fault(
                "nothing the engine ships delivers this event",
                received=shown(event),
                allowed=f"{listed(KNOWN_EVENTS)}, or an event of your own sources",
                hint=near,
                is_warning=True,
            )
        return Selector(event=event)

    def _narrowed(self, meant: Selector, raw: dict[str, Any], spot: Spot) -> Selector | None:
        given = {key: raw[key] for key in NARROWING if raw.get(key) is not None}
        if meant.event == ANY_EVENT and given:
            spot.at(next(iter(given))).fault(
                "any behaviour cannot be narrowed", received=" and ".join(given), hint="name the event, or remove this"
            )
            return None
        values: dict[str, Any] = {}
        if "properties" in given:
            values["properties"] = read_property_tests(given.pop("properties"), spot.at("properties"))
        for key, text in given.items():
            here = spot.at(key)
            if not is_kind(text, str, "a name", here):
                values[key] = None
            elif not text.strip():
                here.fault(f"'{key}' is empty", hint="remove it, or name what is meant")
                values[key] = None
            elif getattr(meant, key) is not None:
                here.fault(f"'{raw['event']}' has a {key} already", received=shown(text), hint=f"remove {key}")
                values[key] = None
            else:
                values[key] = self._name(key, text, meant.event, here)
        if None in values.values():
            return None
        values["properties"] = (*meant.properties, *values.get("properties", ()))
        selector = meant.model_copy(update=values)
        return selector if self._is_possible(selector, spot) else None

    def _name(self, key: str, text: str, event: str, spot: Spot) -> str | None:
        if event == _NEVER_HAS.get(key):
            other = "asset_group" if key == "page_group" else "page_group"
            spot.fault(f"a {event} has no {key}", received=shown(text), hint=f"did you mean '{other}'?")
            return None
        if key in {"scenario", "step"} and not event.startswith("mail_"):
            spot.fault(
                f"a {event} is not about a mail, so it has no {key}",
                received=shown(text),
                allowed=f"{key} with {listed(name for name in KNOWN_EVENTS if name.startswith('mail_'))}",
            )
            return None
        names = self._scenarios if key == "scenario" else self._groups.get(key)
        return text if names is None else names.resolve(text, spot)

    def _is_possible(self, selector: Selector, spot: Spot) -> bool:
        if selector.page_group is not None and selector.asset_group is not None:
            spot.fault(
                "an event is narrowed to a page group or to an asset group, never to both",
                received=f"{shown(selector.page_group)} and {shown(selector.asset_group)}",
                hint="remove one of the two",
            )
            return False
        if selector.step is not None and selector.scenario is None:
            spot.at("step").fault(
                "a step belongs to a scenario", received=shown(selector.step), hint="add scenario: … beside it"
            )
            return False
        if selector.scenario is not None:
            self._steps_named.append((selector, spot))
        return True

    def check_steps(self, steps: Sequence[Step]) -> None:
        """Report selectors of mails that no step sends, once all steps are known."""
        for selector, spot in self._steps_named:
            of_scenario = [step.step for step in steps if step.scenario == selector.scenario]
            if not of_scenario:
                spot.at("scenario").fault(
                    "no step of this scenario sends a mail",
                    received=shown(selector.scenario),
                    allowed=listed(dict.fromkeys(step.scenario for step in steps)),
                )
            elif selector.step is not None and selector.step not in of_scenario:
                spot.at("step").fault(
                    "the scenario has no such step",
                    received=shown(selector.step),
                    allowed=listed(of_scenario),
                    hint=did_you_mean(selector.step, of_scenario),
                )
