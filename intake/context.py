"""What every answer of the web face needs: the inbox, the keys that count, the clock, and the pages."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from intake.inbox import Entry, Inbox
from intake.texts import TEXTS, Language
from rules.models import RuleSet
from settings import Settings
from tokens import CONFIRM_SALT, LEAD_SALT, OPT_OUT_SALT, text_reader

_PAGES = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "pages"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


@dataclass(frozen=True)
class Context:
    """One running web face. ``opt_out``, ``lead`` and ``confirm`` read the send id of a token, if it is one."""

    settings: Settings
    rules: RuleSet
    inbox: Inbox
    opt_out: Callable[[str], str | None]
    lead: Callable[[str], str | None]
    confirm: Callable[[str], str | None]
    clock: Callable[[], datetime]


def make_context(
    settings: Settings,
    rules: RuleSet,
    clock: Callable[[], datetime],
    on_committed: Callable[[Sequence[Entry]], None],
) -> Context:
    """A context whose inbox is open; close that in the end. ``on_committed`` hears what was committed."""
    return Context(
        settings,
        rules,
        Inbox(settings.inbox, clock, on_committed),
        text_reader(settings.secret_keys, OPT_OUT_SALT),
        text_reader(settings.secret_keys, LEAD_SALT),
        text_reader(settings.secret_keys, CONFIRM_SALT),
        clock,
    )


def language_of(request: Request) -> Language:
    """The first of our languages that the browser names; Japanese where it names neither."""
    ranked: list[tuple[float, Language]] = []
    for part in request.headers.get("accept-language", "")[:200].split(","):
        tag, _, weight = part.partition(";q=")
        for known in TEXTS:
            if tag.strip().lower().partition("-")[0] == known:
                try:
                    ranked.append((-float(weight or 1), known))
                except ValueError:
                    continue
    return min(ranked, key=lambda one: one[0])[1] if ranked else "ja"


def page(request: Request, name: str, status: int = 200, **values: Any) -> Response:
    """A page of ``intake/pages`` in the reader's language."""
    headers = {"Content-Language": language_of(request), "Vary": "Accept-Language"}
    return HTMLResponse(render(request, name, **values), status, headers=headers)


def render(request: Request, name: str, **values: Any) -> str:
    """The HTML of a page of ``intake/pages`` in the reader's language."""
    language = language_of(request)
    return _PAGES.get_template(name).render(texts=TEXTS[language], language=language, **values)


def sender_name(context: Context) -> str:
    """Whose pages these are: the sender's name as mails show it."""
    return context.rules.senders[0].name if context.rules.senders else ""
