"""Page views of the company's own site: the script that tells them, and the beacons it sends.

Of an address the page and its ``utm_`` parameters are kept and nothing else, since other parameters may hold anything.
A mail's link carries a token of its send: opened by a person it is told beside the view, as ``link_visit``.
"""

from __future__ import annotations

import uuid
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from agents import is_machine_agent
from intake.bodies import is_untracked, read_fields, visitor_of
from intake.context import Context
from intake.facts import facts_entry

MOST_LETTERS = 2000
_SCRIPT = Path(__file__).parent / "pages" / "t.js"
_ANYWHERE = {"Cross-Origin-Resource-Policy": "cross-origin"}


class Tracking:
    """Answers ``/t.js`` and ``/t``."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._script = _SCRIPT.read_bytes()
        self._sites = {_site(url) for sender in context.rules.senders if (url := kept_url(sender.site_url))}

    async def script(self, _: Request) -> Response:
        """The script that a page of the company's site includes."""
        headers = {"Cache-Control": "public, max-age=3600", **_ANYWHERE}
        return Response(self._script, media_type="text/javascript", headers=headers)

    async def beacon(self, request: Request) -> Response:
        """Take one page view."""
        told = dict(await read_fields(request))
        url, visitor = kept_url(told.get("u", "")), visitor_of(request, told.get("v", ""), is_told_first=True)
        if url is None or visitor is None:
            return PlainTextResponse("v is a visitor, u the address of a page\n", 422, _ANYWHERE)
        if not self._is_own(url):
            return PlainTextResponse("the page is of none of the senders' sites (senders.yaml)\n", 422, _ANYWHERE)
        agent = request.headers.get("user-agent", "")
        if not is_untracked(request) and not is_machine_agent(agent):
            await self._note(visitor, url, self._context.lead(told.get("l", "")))
        return Response(status_code=204, headers=_ANYWHERE)

    def _is_own(self, url: str) -> bool:
        host = _site(url)
        return any(host == site or host.endswith(f".{site}") for site in self._sites)

    async def _note(self, visitor: str, url: str, send_id: str | None) -> None:
        now = self._context.clock().isoformat()
        seen = {"occurred_at": now, "visitor": visitor, "url": url}
        events = [{**seen, "event_id": uuid.uuid4().hex, "event_type": "page_view"}]
        if send_id is not None:
            events.append({**seen, "event_id": uuid.uuid4().hex, "event_type": "link_visit", "send_id": send_id})
        await self._context.inbox.append([facts_entry("page", events=events)])


def _site(url: str) -> str:
    return _host(url).removeprefix("www.")


def _host(url: str) -> str:
    """The host as browsers name it, also where its name is Japanese; a ValueError where it can be none."""
    return (urlsplit(url).hostname or "").encode("idna").decode()


def kept_url(url: str) -> str | None:
    """What is kept of a page's address; None where it is no page's."""
    if len(url) > MOST_LETTERS or not url.isprintable():
        return None
    try:
        parts = urlsplit(url)
        host = _host(url)
        if parts.scheme not in {"http", "https"} or not host:
            return None
        query = [(name, value) for name, value in parse_qsl(parts.query) if name.startswith("utm_")]
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return None
    return f"{parts.scheme}://{host}{port}{parts.path}" + (f"?{urlencode(query)}" if query else "")
