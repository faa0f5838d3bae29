"""What people do with a mail: leave it, open it, click, do what it asks, or have no more of it."""

from __future__ import annotations

import html
import random
import re
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from sandbox.chance import awake
from sandbox.clock import from_epoch
from sandbox.events import Event, make_event
from sandbox.mailbox import Mail
from sandbox.people import Lead
from sandbox.website import Post, fill_form

_HREF = re.compile(r"""href\s*=\s*["']?(https?://[^"'\s>]+)""", re.IGNORECASE)
_URL = re.compile(r"https?://[^\s<>\"'）」]+")
_NO_MORE = re.compile(r"/u/|/preferences|unsubscribe|opt-?out|haishin-teishi", re.IGNORECASE)
_CALLS = (
    ("consultation_request", ("consult", "/contact", "個別相談", "相談")),
    ("seminar_signup", ("seminar", "webinar", "ウェビナー", "セミナー")),
    ("document_download", ("/d/", "/documents", "/forms/document", "download", "case-studies", "事例集", "資料")),
)
_ABOUT_THE_MAIL = re.compile(r"[?&](?:utm_\w+|nl)=[^&]*")
_SCANNER = "Mozilla/5.0 (compatible; LinkGuard/1.0)"
_APPLE_PROXY = "Mozilla/5.0"


@dataclass(frozen=True, slots=True)
class Reaction:
    """What follows one mail: events with their instants, and a visit of the site where a link was clicked."""

    events: list[tuple[int, Event]]
    opted_out_at: int | None = None
    visit_at: int | None = None
    landing: str | None = None
    post: Post | None = None


def react(rng: random.Random, lead: Lead, mail: Mail) -> Reaction:
    """Decides what a lead does with a delivered mail.

    Args:
        rng: The generator of this mail alone.
        lead: Who got it.
        mail: The mail; its body is read only by those who click.

    Returns:
        The reaction, every instant after the delivery.
    """
    events: list[tuple[int, Event]] = []
    delivered = int(mail.delivered_at.timestamp())

    def tell(kind: str, at: int, **details: object) -> None:
        events.append((at, make_event(mail, kind, from_epoch(at), **details)))

    if lead.firm.has_scanner:
        for scanned in links_of(mail):
            tell("click", delivered + rng.randrange(1, 4), url=scanned, useragent=_SCANNER, ip="203.0.113.250")
    if lead.reads_on_apple:
        at = delivered + rng.randrange(1, 90)
        tell("open", at, useragent=_APPLE_PROXY, ip="203.0.113.17", sg_machine_open=True)
    if rng.random() < 0.0004:
        tell("spamreport", awake(rng, delivered + rng.randrange(600, 86_400)))
        return Reaction(events)
    if rng.random() >= lead.liveliness.open_chance:
        return Reaction(events)
    opened = awake(rng, delivered + _delay_seconds(rng))
    reader = {"useragent": lead.browser, "ip": lead.ip}
    tell("open", opened, **reader, sg_machine_open=False)
    if rng.random() < 0.3:
        tell("open", awake(rng, opened + rng.randrange(300, 2 * 86_400)), **reader, sg_machine_open=False)
    if rng.random() < 0.01:
        left = opened + rng.randrange(10, 120)
        tell("unsubscribe", left)
        return Reaction(events, opted_out_at=left)
    if rng.random() >= lead.liveliness.click_chance:
        return Reaction(events)
    link = _choose_link(rng, mail)
    if link is None:
        return Reaction(events)
    clicked = opened + rng.randrange(8, 240)
    tell("click", clicked, url=link, **reader)
    return Reaction(events, None, clicked + 2, _path_of(link), _follow_call(rng, mail, link))


def links_of(mail: Mail) -> list[str]:
    """Returns the links of a mail in order, without those that end the mails, which are not click-tracked."""
    found = [html.unescape(link) for link in _HREF.findall(mail.html)] or _URL.findall(mail.text)
    return [link for link in dict.fromkeys(found) if not _NO_MORE.search(link)]


def asked_action(text: str) -> str | None:
    """Recognises the action a link or a subject asks for: the name of a form, or None.

    What a link says of the mail it came from is not what it leads to.
    """
    lowered = unquote(_ABOUT_THE_MAIL.sub("", text)).lower()
    return next((form for form, marks in _CALLS if any(mark in lowered for mark in marks)), None)


def _choose_link(rng: random.Random, mail: Mail) -> str | None:
    links = links_of(mail)
    if not links:
        return None
    calls = [link for link in links if asked_action(_path_of(link))]
    return calls[0] if calls and rng.random() < 0.8 else rng.choice(links)


def _follow_call(rng: random.Random, mail: Mail, link: str) -> Post | None:
    path = _path_of(link)
    form = asked_action(path) or asked_action(mail.subject)
    chance = {None: 0.0, "document_download": 0.55, "seminar_signup": 0.25, "consultation_request": 0.15}[form]
    if form is None or rng.random() >= chance:
        return None
    named = re.search(r"/d/([\w-]+)|[?&]asset=([\w-]+)|/documents/([\w-]+)", path)
    asset = next((name for name in named.groups() if name), None) if named else None
    if asset is None and form == "document_download" and "事例集" in mail.subject:
        asset = "case-studies"
    return fill_form(rng, form, asset)


def _path_of(link: str) -> str:
    parts = urlsplit(link)
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def _delay_seconds(rng: random.Random) -> int:
    """Half within the hour, most within the day, the rest within three."""
    at = rng.random()
    if at < 0.5:
        return rng.randrange(30, 3_600)
    return rng.randrange(3_600, 8 * 3_600) if at < 0.85 else rng.randrange(8 * 3_600, 3 * 86_400)
