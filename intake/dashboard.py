"""Shows the dashboard that the flows wrote to whoever has a link to it that still works.

The page is a file that holds its own script and style. They alone may run: the policy names the scripts by their
hashes, and nothing may be fetched or sent.
"""

from __future__ import annotations

import base64
import hashlib
import re
from datetime import date

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from intake.context import Context, page, sender_name
from tokens import DASHBOARD_SALT, text_reader

_SCRIPT = re.compile(r"<script>(.*?)</script>", re.DOTALL)


class Dashboard:
    """Answers ``/dashboard/{token}``."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._sender = sender_name(context)
        self._until = text_reader(context.settings.secret_keys, DASHBOARD_SALT)
        self._kept: tuple[int, str, str] | None = None
        """When the file was written, its text and its policy."""

    async def dashboard(self, request: Request) -> Response:
        """The page, for as long as the link works."""
        until = self._until(request.path_params["token"])
        today = self._context.clock().astimezone(self._context.settings.zone).date()
        if until is None or date.fromisoformat(until) < today:
            return page(request, "message.html", 404, message="old_dashboard", sender=self._sender)
        found = await run_in_threadpool(self._read)
        if found is None:
            return page(request, "message.html", 404, message="no_dashboard", sender=self._sender)
        text, policy = found
        return HTMLResponse(text, headers={"Content-Security-Policy": policy})

    def _read(self) -> tuple[str, str] | None:
        path = self._context.settings.dashboard
        try:
            written = path.stat().st_mtime_ns
            if self._kept is None or self._kept[0] != written:
                text = path.read_text(encoding="utf-8")
                self._kept = (written, text, _policy(text))
        except FileNotFoundError:
            return None
        return self._kept[1:]


def _policy(text: str) -> str:
    hashes = (base64.b64encode(hashlib.sha256(one.encode()).digest()).decode() for one in _SCRIPT.findall(text))
    scripts = " ".join(f"'sha256-{one}'" for one in hashes)
    # the charts' library compiles the expressions of its specifications, which are ours, and sets styles
    return (
        f"default-src 'none'; script-src {scripts} 'unsafe-eval'; style-src 'unsafe-inline'; img-src data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
