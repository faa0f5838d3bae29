"""The links of a mail: which send they stand in, told by signed tokens and never by a name or an address.

Links to the sender's own site say in ``utm_`` parameters which mail brought a visitor, and by a token which lead: so a
click ends the visitor's being unknown. Links that end the mails carry neither, and nobody tracks them.
"""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from dataclasses import dataclass
from html.entities import html5
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from rules.models import Sender
from tokens import CONFIRM_SALT, LEAD_PARAMETER, LEAD_SALT, OPT_OUT_SALT, TextSigner

_TAG = re.compile(r"<(?:a|area|v:\w+)\b(?:[^>\"']|\"[^\"]*\"|'[^']*')*>", re.IGNORECASE)
_ATTRIBUTE = re.compile(r"([^\s\"'<>/=]+)(?:\s*=\s*(\"[^\"]*\"|'[^']*'|[^\s\"'>]+))?")
_ENTITY = re.compile(r"&(?:#\d+|#[xX][0-9a-fA-F]+|\w+);")
_TEXT_URL = re.compile(r"https?://[\w\-.~:/?#\[\]@!$&'()*+,;=%]+", re.IGNORECASE | re.ASCII)
_SENTENCE_END = ".,;:!?)'"


@dataclass(frozen=True)
class Links:
    """What makes the tokens of a send's links, and the address they lead to."""

    public_url: str
    opt_out: TextSigner
    """The token of ``/u/`` and ``/preferences/``, of a send id."""
    lead: TextSigner
    """The token by which a click tells who it was, of a send id."""
    confirm: TextSigner
    """The token of ``/confirm/``, of a send id."""


def signed_links(public_url: str, secret_key: str) -> Links:
    """Return links whose tokens only this secret can make."""
    opt_out, lead, confirm = (TextSigner(secret_key, salt) for salt in (OPT_OUT_SALT, LEAD_SALT, CONFIRM_SALT))
    return Links(public_url, opt_out, lead, confirm)


class _SignsNothing(TextSigner):
    def __init__(self) -> None:
        pass

    def tokens(self, payloads: Sequence[bytes]) -> list[str]:
        return ["preview"] * len(payloads)


def void_links(public_url: str) -> Links:
    """Return links that act on nobody and name nobody, for mails that are only looked at."""
    return Links(public_url, *[_SignsNothing()] * 3)


@dataclass(frozen=True)
class Tracking:
    """What the links of one step's mail to the own site carry.

    Attributes:
        host: The own site's; empty where there is none.
        utm: ``utm_`` parameters and their values: ids of rules, never of a person.
        lead_tag: The tag that is replaced by each lead's token; None: links name nobody.
        never: What a link holds that is to be left alone.
    """

    host: str
    utm: tuple[tuple[str, str], ...]
    lead_tag: str | None
    never: tuple[str, ...]
    papers: str
    """What links to our own papers begin with; they know their reader as the site does."""

    def in_text(self, text: str) -> str:
        """Return a text with its links told apart."""

        def changed(found: re.Match[str]) -> str:
            url = found.group()
            bare = url.rstrip(_SENTENCE_END)
            if bare.count("(") > bare.count(")") and url[len(bare) :].startswith(")"):
                bare += ")"
            return self._with_parameters(bare) + url[len(bare) :]

        return _TEXT_URL.sub(changed, text)

    def in_html(self, body: str) -> str:
        """Return an HTML mail with its links told apart, and nobody tracking those that end the mails."""

        def changed(found: re.Match[str]) -> str:
            tag = found.group()
            attributes: dict[str, re.Match[str]] = {}
            for one in _ATTRIBUTE.finditer(tag):
                attributes.setdefault(one.group(1).lower(), one)  # the first counts
            href = attributes.get("href")
            if href is None or href.group(2) is None:
                return tag
            url = _unescaped(href.group(2))
            if any(part in url for part in self.never):
                ends_in = 2 if tag.endswith("/>") else 1
                mark = "" if "clicktracking" in attributes else ' clicktracking="off"'
                return tag[:-ends_in] + mark + tag[-ends_in:]
            made = self._with_parameters(url)
            if made == url:
                return tag
            return f'{tag[: href.start(2)]}"{html.escape(made)}"{tag[href.end(2) :]}'

        return _TAG.sub(changed, body)

    def _with_parameters(self, url: str) -> str:
        """Add to a link of the own site what it does not say already; any other is as it was."""
        if any(part in url for part in self.never):
            return url
        try:
            parts = urlsplit(url)
            is_own = bool(self.host) and parts.scheme in {"http", "https"} and parts.netloc.lower() == self.host
            is_own = is_own or url.startswith(self.papers)
        except ValueError:
            return url
        if not is_own:
            return url
        present = {name for name, _ in parse_qsl(parts.query, keep_blank_values=True)}
        added = urlencode([(name, value) for name, value in self.utm if name not in present])
        if self.lead_tag is not None and LEAD_PARAMETER not in present:
            added += f"{'&' if added else ''}{LEAD_PARAMETER}={self.lead_tag}"
        query = "&".join(part for part in (parts.query, added) if part)
        return urlunsplit(parts._replace(query=query))


def with_trap_link(body: str, public_url: str) -> str:
    """Return an HTML mail with a link at its end that no person sees, hears or reaches by keys."""
    hidden = "display:none;max-height:0;overflow:hidden"
    link = f'<a href="{public_url}/trap/mail" style="{hidden}" aria-hidden="true" tabindex="-1"></a>'
    place = body.lower().rfind("</body>")
    return f"{body}{link}" if place < 0 else f"{body[:place]}{link}{body[place:]}"


def _unescaped(value: str) -> str:
    """An attribute's value, with or without quotes. What only looks like an entity, as in ``?a=1&section=2``, stays."""

    def character(found: re.Match[str]) -> str:
        entity = found.group()
        return html.unescape(entity) if entity[1] == "#" else html5.get(entity[1:], entity)

    return _ENTITY.sub(character, value[1:-1] if value[0] in "\"'" else value)


def tracking_of(sender: Sender, scenario: str, step: str, links: Links, token_tag: str, lead_tag: str) -> Tracking:
    """Return what a step's links carry.

    Args:
        sender: Whose site it is.
        scenario: The step's scenario, as ``utm_campaign``.
        step: The step, as ``utm_content``.
        links: The links that are never tracked.
        token_tag: The tag in the links that end the mails.
        lead_tag: The tag of a lead's token.
    """
    utm = (
        ("utm_source", sender.utm_source),
        ("utm_medium", sender.utm_medium),
        ("utm_campaign", scenario),
        ("utm_content", step),
    )
    return Tracking(
        host=urlsplit(sender.site_url).netloc.lower(),
        utm=utm if sender.utm_source else (),
        lead_tag=lead_tag if sender.names_lead_in_links else None,
        papers=f"{links.public_url}/d/",
        never=(token_tag, *(f"{links.public_url}/{page}/" for page in ("u", "preferences", "confirm"))),
    )
