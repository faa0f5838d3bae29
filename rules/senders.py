"""Checks ``senders.yaml``: who mails come from."""

from __future__ import annotations

import re

from rules.documents import Document, Spot
from rules.errors import Problem
from rules.files import SendersFile
from rules.hints import shown
from rules.models import Sender
from rules.names import check_ids

_ADDRESS = re.compile(r"[^\s@<>,;]+@[^\s@<>,;]+\.[^\s@<>,;]+")
_CONTACT = re.compile(rf"(?:.*\s)?(?:{_ADDRESS.pattern}|https?://[^\s/]+\S*|\+?[\d((][\d()() ‐–ー−-]{{7,}}\d)(?:\s.*)?")
"""A mail address, a URL or a telephone number, with words around it or without."""
_OPAQUE = re.compile(r"[a-z0-9_.-]{0,50}")


def check_senders(document: Document[SendersFile], problems: list[Problem]) -> tuple[Sender, ...]:
    """Return the senders, after reporting what is wrong with them."""
    spot = document.spot(problems, "senders")
    check_ids(document.value.senders, spot, "sender")
    for position, sender in enumerate(document.value.senders):
        here = spot.at(position)
        check_address(sender.email, here.at("email"))
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


def check_address(address: str, spot: Spot) -> None:
    """Report what is no mail address."""
    if _ADDRESS.fullmatch(address) is None:
        spot.fault("this is not a mail address", received=shown(address), allowed="name@example.com")
