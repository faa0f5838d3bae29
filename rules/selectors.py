"""Checks which events a rule means: the event's name, the group it is narrowed to, or a word of the vocabulary."""

from __future__ import annotations

import re

from rules.hints import did_you_mean, listed, shown
from rules.models import Selector
from rules.names import Names, Reports
from rules.vocabulary import Vocabulary

KNOWN_EVENTS = (
    "page_view",
    "document_download",
    "form_submit",
    "seminar_signup",
    "seminar_attend",
    "consultation_request",
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
"""The events that sources and the web face deliver; a rule set may name others of its own."""

_EVENT = re.compile(r"[a-z][a-z0-9_]*")
_NEVER_HAS = {"page_group": "document_download", "asset_group": "page_view"}


class Selectors:
    """Checks selectors against the groups and the words of one rule set."""

    def __init__(self, page_groups: Names | None, asset_groups: Names | None, vocabulary: Vocabulary | None) -> None:
        self._page_groups = page_groups
        self._asset_groups = asset_groups
        self._vocabulary = vocabulary

    def resolve(self, selector: Selector | str, spot: Reports) -> Selector | None:
        """Return the selector that is meant, or report what is wrong with it."""
        if isinstance(selector, Selector):
            return self._checked(selector, spot)
        if self._vocabulary is None:
            return None
        term = self._vocabulary.find(selector)
        if term is None and selector in KNOWN_EVENTS:
            return Selector(event=selector)
        if term is None:
            spot.fault(
                "there is no behaviour of this name in vocabulary.yaml",
                received=shown(selector),
                allowed=f"{listed(self._vocabulary.main_words())}, or a mapping such as {{event: page_view}}",
                hint=did_you_mean(selector, [*self._vocabulary.words(), *KNOWN_EVENTS]),
            )
            return None
        return term.selector

    def _checked(self, selector: Selector, spot: Reports) -> Selector | None:
        event = selector.event
        if _EVENT.fullmatch(event) is None:
            spot.fault(
                "this is not the name of an event",
                received=shown(event),
                allowed=listed(KNOWN_EVENTS),
                hint=did_you_mean(event, KNOWN_EVENTS) or "small letters a to z, digits and _",
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
        if selector.page_group is not None and selector.asset_group is not None:
            spot.fault(
                "an event is narrowed to a page group or to an asset group, never to both",
                received=f"{shown(selector.page_group)} and {shown(selector.asset_group)}",
                hint="remove one of the two",
            )
            return None
        if selector.page_group is not None:
            group = self._group("page_group", selector.page_group, self._page_groups, event, spot)
            return None if group is None else Selector(event=event, page_group=group)
        if selector.asset_group is not None:
            group = self._group("asset_group", selector.asset_group, self._asset_groups, event, spot)
            return None if group is None else Selector(event=event, asset_group=group)
        return selector

    def _group(self, key: str, group: str, names: Names | None, event: str, spot: Reports) -> str | None:
        if event == _NEVER_HAS[key]:
            other = "asset_group" if key == "page_group" else "page_group"
            spot.fault(f"a {event} has no {key}", received=shown(group), hint=f"did you mean '{other}'?")
            return None
        return group if names is None else names.resolve(group, spot)
