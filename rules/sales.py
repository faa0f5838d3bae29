"""Checks who mails come from and who takes leads over: senders, owners and the rules of handoff."""

from __future__ import annotations

import re

from rules.documents import Document, Spot
from rules.errors import Problem
from rules.files import HandoffFile, SendersFile
from rules.hints import did_you_mean, shown
from rules.models import EVERYONE, Handoff, SalesAction, Sender
from rules.names import Names, check_ids
from rules.selectors import Selectors

_ADDRESS = re.compile(r"[^\s@<>,;]+@[^\s@<>,;]+\.[^\s@<>,;]+")
_CONTACT = re.compile(rf"(?:.*\s)?(?:{_ADDRESS.pattern}|https?://[^\s/]+\S*|\+?[\d((][\d()() ‐–ー−-]{{7,}}\d)(?:\s.*)?")
"""A mail address, a URL or a telephone number, with words around it or without."""
_OPAQUE = re.compile(r"[a-z0-9_.-]{0,50}")
_TIERS = ("hot", "warm", "cold")


def check_senders(document: Document[SendersFile], problems: list[Problem]) -> tuple[Sender, ...]:
    """Return the senders, after reporting what is wrong with them."""
    spot = document.spot(problems, "senders")
    check_ids(document.value.senders, spot, "sender")
    for position, sender in enumerate(document.value.senders):
        here = spot.at(position)
        _check_address(sender.email, here.at("email"))
        for key in ("name", "company", "postal_address", "contact"):
            if not getattr(sender, key).strip():
                here.at(key).fault(f"'{key}' is empty", hint="the law asks every mail to show it: fill it in")
        if not re.match(r"https?://[^/\s]+", sender.site_url) or sender.site_url.endswith("/"):
            here.at("site_url").fault(
                "this is not the address of a website",
                received=shown(sender.site_url),
                allowed="https://… without a slash at its end",
            )
        if sender.contact.strip() and _CONTACT.fullmatch(sender.contact.strip()) is None:
            here.at("contact").fault(
                "complaints cannot reach this",
                received=shown(sender.contact),
                allowed="a mail address, a URL (https://…) or a telephone number",
                hint="the law asks every mail to show where complaints and questions go",
            )
        for key in ("utm_source", "utm_medium"):
            if _OPAQUE.fullmatch(getattr(sender, key)) is None:
                here.at(key).fault(
                    "this would show in links, and be changed on the way",
                    received=shown(getattr(sender, key)),
                    allowed="up to 50 small letters, digits, '_', '-' and '.'",
                    hint="name a place, not a person; utm_source: '' leaves the parameters out",
                )
    return document.value.senders


def check_handoff(
    document: Document[HandoffFile],
    senders: Names | None,
    selectors: Selectors,
    segments: Names | None,
    problems: list[Problem],
) -> tuple[Handoff | None, list[SalesAction]]:
    """Return the rules of handoff, and the behaviours and segments that hand off, after reporting what is wrong."""
    value = document.value
    spot = document.spot(problems)
    check_ids(value.owners, spot.at("owners"), "owner")
    check_ids(value.always_on, spot.at("always_on"), "rule")
    check_ids(value.when_in, spot.at("when_in"), "rule")
    for position, entering in enumerate(value.when_in):
        if entering.id in {always.id for always in value.always_on}:
            spot.at("when_in", position, "id").fault(
                "two rules have the same name", received=shown(entering.id), hint="rename one of them"
            )
    for position, owner in enumerate(value.owners):
        _check_address(owner.email, spot.at("owners", position, "email"))
    if value.second_limit_hours <= value.limit_hours:
        spot.at("second_limit_hours").fault(
            "the second limit comes after the first",
            received=shown(value.second_limit_hours),
            allowed=f"more than {value.limit_hours:g}",
        )
    if value.hot_tier not in _TIERS:
        spot.at("hot_tier").fault(
            "there is no such tier",
            received=shown(value.hot_tier),
            allowed=", ".join(_TIERS),
            hint=did_you_mean(value.hot_tier, _TIERS),
        )
    sender = senders.resolve(value.sender, spot.at("sender")) if senders is not None else None
    actions = []
    for position, entry in enumerate(value.always_on):
        here = spot.at("always_on", position)
        selector = selectors.read(entry.on, here.at("on"))
        if selector is not None:
            source = f"{document.file} line {here.line()}"
            actions.append(
                SalesAction(
                    kind="handoff", id=entry.id, label=entry.label, on=selector, segment=EVERYONE, source=source
                )
            )
    for position, entering in enumerate(value.when_in):
        here = spot.at("when_in", position)
        segment = segments.resolve(entering.segment, here.at("segment")) if segments is not None else None
        if segment == EVERYONE:
            here.at("segment").fault("every lead would go to sales", received=shown(entering.segment))
        elif segment is not None:
            actions.append(
                SalesAction(
                    kind="handoff",
                    id=entering.id,
                    label=entering.label,
                    on=None,
                    segment=segment,
                    once_per_account=entering.once_per_account,
                    source=f"{document.file} line {here.line()}",
                )
            )
    if sender is None or value.hot_tier not in _TIERS:
        return None, actions
    kept = value.model_dump(exclude={"always_on", "when_in", "sender"})
    return Handoff.model_validate({**kept, "sender": sender}), actions


def _check_address(address: str, spot: Spot) -> None:
    if _ADDRESS.fullmatch(address) is None:
        spot.fault("this is not a mail address", received=shown(address), allowed="name@example.com")
