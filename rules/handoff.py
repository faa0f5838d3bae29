"""Checks ``handoff.yaml``: when leads go to sales, to whom, with what, and how long sales has."""

from __future__ import annotations

import re
from collections.abc import Sequence

from rules.business_days import NotADayError, days_between
from rules.delivery import ANY_TIME
from rules.documents import Document, Spot
from rules.files import AlwaysHandOff, HandOffAfter, HandoffFile, HandOffIn
from rules.hints import did_you_mean, shown
from rules.models import EVERYONE, Handoff, Owner, Refusal, Route, SalesAction, TalkingPoint, Tier
from rules.names import Names, check_ids
from rules.selectors import Selectors
from rules.senders import check_address

HOT = "hot"
HOT_AGAIN = "hot_again"
KEPT_CAUSE_LABELS = {HOT: "ホット(スコア到達)", HOT_AGAIN: "ホット(差し戻し後に再び活発)"}
"""What the engine itself calls causes, in Japanese; no rule may bear these names."""
KEPT_REASONS = ("already_handed_off", "account_handed_off", "not_cooled", "holdout")
_TIERS = ("hot", "warm", "cold")
_VARIABLE = re.compile(r"NURTURE_[A-Z0-9_]+")
_TIME = re.compile(r"([01]\d|2[0-3]):[0-5]\d")
_MOST_HOURS = 2_000
_MOST_DAYS = 3_650
_MOST_WEIGHT = 100
_MOST_OPEN = 100_000


class HandoffChecks:
    """Reads one ``handoff.yaml`` against the names of the rule set. Names that are None are not checked."""

    def __init__(
        self,
        document: Document[HandoffFile],
        selectors: Selectors,
        senders: Names | None,
        segments: Names | None,
        windows: Names | None,
        tiers: Sequence[Tier] | None,
    ) -> None:
        self._file = document.file
        self._value = document.value
        self._document = document
        self._selectors = selectors
        self._senders = senders
        self._segments = segments
        self._windows = windows
        self._tiers = tiers

    def read(self, spot: Spot) -> tuple[Handoff | None, list[SalesAction]]:
        """Return the rules of handoff, and the behaviours and segments that hand off, after reporting what is wrong."""
        value = self._value
        owners = self._check_people(spot)
        self._check_hours(spot)
        self._check_again(spot)
        routes = [self._route(route, owners, spot.at("routes", at)) for at, route in enumerate(value.routes)]
        refusals = [self._refusal(one, spot.at("not_when", at)) for at, one in enumerate(value.not_when)]
        for key, what in (("routes", "route"), ("not_when", "rule"), ("return_reasons", "reason")):
            check_ids(getattr(value, key), spot.at(key), what)
        self._check_channels(spot.at("channels"))
        says = []
        for at, point in enumerate(value.talking_points):
            selector = self._selectors.read(point.on, spot.at("talking_points", at, "on"))
            if not point.say.strip():
                spot.at("talking_points", at, "say").fault("'say' is empty", hint="write what to speak of")
            if selector is not None:
                says.append(TalkingPoint(on=selector, say=point.say.strip()))
        actions = self._actions(spot)
        sender = self._senders.resolve(value.sender, spot.at("sender")) if self._senders is not None else None
        window = None
        if value.limit_window is not None and self._windows is not None:
            window = self._windows.resolve(value.limit_window, spot.at("limit_window"))
        if sender is None or value.hot_tier not in _TIERS:
            return None, actions
        read = {
            "sender": sender,
            "limit_window": None if window == ANY_TIME else window,
            "routes": [route for route in routes if route],
            "not_when": [one for one in refusals if one],
            "talking_points": says,
        }
        taken = {"always_on", "when_did", "when_in", *read}
        return Handoff.model_validate({**value.model_dump(exclude=taken), **read}), actions

    def _check_people(self, spot: Spot) -> Names:
        value = self._value
        check_ids(value.owners, spot.at("owners"), "owner")
        check_ids(value.managers, spot.at("managers"), "manager")
        managers = Names("manager", [(one.id, one.name) for one in value.managers])
        check_ids(value.reviewers, spot.at("reviewers"), "reviewer")
        for key in ("managers", "reviewers"):
            for at, person in enumerate(getattr(value, key)):
                check_address(person.email, spot.at(key, at, "email"))
        for at, owner in enumerate(value.owners):
            here = spot.at("owners", at)
            check_address(owner.email, here.at("email"))
            if owner.manager is not None and owner.manager not in managers.labels:
                managers.resolve(owner.manager, here.at("manager"))
            if not 0 < owner.weight <= _MOST_WEIGHT:
                here.at("weight").fault(
                    "this is no weight", received=shown(owner.weight), allowed=f"more than 0, up to {_MOST_WEIGHT}",
                    hint="2 is twice as often as 1; who takes none is left out, or absent",
                )  # fmt: skip
            if owner.capacity is not None and not 1 <= owner.capacity <= _MOST_OPEN:
                here.at("capacity").fault(
                    "this is no capacity", received=shown(owner.capacity), allowed=f"1 to {_MOST_OPEN}",
                    hint="leave it out where there is no limit",
                )  # fmt: skip
            for place, days in enumerate(owner.absent):
                try:
                    days_between(days)
                except NotADayError as error:
                    here.at("absent", place).fault(
                        "this is no day", received=shown(error.text), allowed="2026-12-29, or 12-29 for every year",
                        hint=error.hint,
                    )  # fmt: skip
        self._check_same(spot)
        return Names("owner", [(owner.id, owner.name) for owner in value.owners])

    def _check_same(self, spot: Spot) -> None:
        """Report two people whom one name means: one of them would get what is the other's."""
        owners: dict[str, Owner] = {}
        for at, owner in enumerate(self._value.owners):
            # of two owners with one id the id is at fault
            first = owners.setdefault(owner.sfa_user or owner.id, owner)
            if first.id != owner.id:
                spot.at("owners", at, "sfa_user").fault(
                    "two owners are the same user of the SFA", received=shown(owner.sfa_user or owner.id),
                    hint=f"'{first.id}' is that user: give each their own sfa_user",
                )  # fmt: skip
        addresses = {owner.id: owner.email for owner in self._value.owners}
        for at, manager in enumerate(self._value.managers):
            if addresses.get(manager.id, manager.email) != manager.email:
                spot.at("managers", at, "id").fault(
                    "two people have one id", received=shown(manager.id),
                    hint="rename one of them; an owner who is a manager, too, has the same address in both places",
                )  # fmt: skip

    def _check_hours(self, spot: Spot) -> None:
        value = self._value
        for key in ("limit_hours", "second_limit_hours"):
            if getattr(value, key) > _MOST_HOURS:
                spot.at(key).fault(
                    "so long is no limit", received=shown(getattr(value, key)), allowed=f"up to {_MOST_HOURS}"
                )
        if value.second_limit_hours <= value.limit_hours:
            spot.at("second_limit_hours").fault(
                "the second limit comes after the first",
                received=shown(value.second_limit_hours),
                allowed=f"more than {value.limit_hours:g}",
            )
        if value.remind_before_hours is not None and value.remind_before_hours >= value.limit_hours:
            spot.at("remind_before_hours").fault(
                "the reminder comes within the limit",
                received=shown(value.remind_before_hours),
                allowed=f"less than {value.limit_hours:g}",
            )
        if _TIME.fullmatch(value.digest_at) is None:
            spot.at("digest_at").fault(
                "this is no time of day", received=shown(value.digest_at), allowed='from "00:00" to "23:59"'
            )
        if value.reassigns and len(value.owners) < 2:
            spot.at("reassigns").fault(
                "there is nobody else to give a handoff to", received="1 owner", hint="add owners, or remove reassigns"
            )

    def _check_again(self, spot: Spot) -> None:
        value = self._value
        if value.again_after_days > _MOST_DAYS:
            spot.at("again_after_days").fault(
                "so long is no wait", received=shown(value.again_after_days), allowed=f"up to {_MOST_DAYS}"
            )
        if value.hot_tier not in _TIERS:
            spot.at("hot_tier").fault(
                "there is no such tier",
                received=shown(value.hot_tier),
                allowed=", ".join(_TIERS),
                hint=did_you_mean(value.hot_tier, _TIERS),
            )
        floor = next((tier.minimum_score for tier in self._tiers or () if tier.id == value.hot_tier), None)
        if value.cools_below is not None and floor is not None and value.cools_below > floor:
            spot.at("cools_below").fault(
                "a score cools off below its tier",
                received=shown(value.cools_below),
                allowed=f"up to {floor}, where {value.hot_tier} begins",
            )

    def _route(self, route: Route, owners: Names, spot: Spot) -> Route | None:
        segment = self._segments.resolve(route.segment, spot.at("segment")) if self._segments is not None else None
        if not route.owners:
            spot.at("owners").fault("a route without owners leads nowhere", hint="name who takes these leads")
        found = [owners.resolve(name, spot.at("owners", at)) for at, name in enumerate(route.owners)]
        if segment is None or None in found:
            return None
        return route.model_copy(update={"segment": segment, "owners": tuple(dict.fromkeys(found))})

    def _refusal(self, one: Refusal, spot: Spot) -> Refusal | None:
        if one.id in KEPT_REASONS:
            spot.at("id").fault("the engine gives this reason itself", received=shown(one.id), hint="choose another id")
        segment = self._segments.resolve(one.segment, spot.at("segment")) if self._segments is not None else None
        if segment == EVERYONE:
            spot.at("segment").fault("no lead would go to sales", received=shown(one.segment))
        return None if segment is None else one.model_copy(update={"segment": segment})

    def _check_channels(self, spot: Spot) -> None:
        check_ids(self._value.channels, spot, "channel")
        for at, channel in enumerate(self._value.channels):
            if _VARIABLE.fullmatch(channel.url) is None:
                spot.at(at, "url").fault(
                    "this is not the name of a variable", received=shown(channel.url, "secret"),
                    allowed="a name such as NURTURE_CHANNEL_SALES",
                    hint="the address of a channel is a secret: set it in that variable",
                )  # fmt: skip

    def _actions(self, spot: Spot) -> list[SalesAction]:
        value = self._value
        rules: list[AlwaysHandOff | HandOffAfter | HandOffIn] = [
            *value.always_on, *value.when_did, *value.when_in,
        ]  # fmt: skip
        for key in ("always_on", "when_did", "when_in"):
            check_ids(getattr(value, key), spot.at(key), "rule")
            for at, rule in enumerate(getattr(value, key)):
                here = spot.at(key, at, "id")
                if rule.id in KEPT_CAUSE_LABELS:
                    here.fault("the engine names a cause so itself", received=shown(rule.id), hint="choose another id")
                first = next(one for one in rules if one.id == rule.id)
                if first is not rule and first not in getattr(value, key):
                    here.fault("two rules have the same name", received=shown(rule.id), hint="rename one of them")
        actions = []
        for key, is_request in (("always_on", True), ("when_did", False)):
            for at, entry in enumerate(getattr(value, key)):
                here = spot.at(key, at)
                selector = self._selectors.read(entry.on, here.at("on"))
                if selector is not None:
                    actions.append(
                        SalesAction(
                            kind="handoff", id=entry.id, label=entry.label, on=selector, segment=EVERYONE,
                            on_count=getattr(entry, "count", 1), is_request=is_request, source=self._source(here),
                        )
                    )  # fmt: skip
        for at, entering in enumerate(value.when_in):
            here = spot.at("when_in", at)
            segment = self._segments.resolve(entering.segment, here.at("segment")) if self._segments else None
            if segment == EVERYONE:
                here.at("segment").fault("every lead would go to sales", received=shown(entering.segment))
            elif segment is not None:
                actions.append(
                    SalesAction(
                        kind="handoff", id=entering.id, label=entering.label, on=None, segment=segment,
                        once_per_account=entering.once_per_account, is_request=False, source=self._source(here),
                    )
                )  # fmt: skip
        return actions

    def _source(self, spot: Spot) -> str:
        return f"{self._file} line {spot.line()}"
