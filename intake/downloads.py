"""Papers to download: who may have them, and that they were had.

A gated paper goes to whoever sent its form, by the link of the thanks page, and to whoever has a mail with its link.
The link of the thanks page adds no second download to the one its form has told: it is noted as ``asset_fetch``.
"""

from __future__ import annotations

import hashlib
import uuid
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import FileResponse, RedirectResponse, Response

from agents import is_machine_agent
from intake.bodies import is_untracked, visitor_of
from intake.context import Context, page, sender_name
from intake.facts import facts_entry
from tokens import FORM_SALT, LEAD_PARAMETER, text_reader, text_signer

FORM_PARAMETER = "f"


def download_link(context: Context, asset: str, submission: str) -> str:
    """The link by which the sender of a form gets its paper."""
    token = text_signer(context.settings.secret_keys[0], FORM_SALT)(f"{asset} {submission}")
    return f"/d/{asset}?{FORM_PARAMETER}={token}"


class Downloads:
    """Answers ``/d/{asset}``."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._assets = {asset.id: asset for asset in context.rules.assets}
        self._forms = {form.asset: form for form in reversed(context.rules.forms) if form.asset}
        self._read = text_reader(context.settings.secret_keys, FORM_SALT)
        self._sender = sender_name(context)

    async def download(self, request: Request) -> Response:
        """The file; or the form that gives it, where nothing says that one may have it."""
        asset = self._assets.get(request.path_params["asset"])
        if asset is None:
            return page(request, "message.html", 404, message="not_found", sender=self._sender)
        submission = self._submission(request, asset.id)
        send_id = self._context.lead(request.query_params.get(LEAD_PARAMETER, ""))
        form = self._forms.get(asset.id)
        if asset.is_gated and submission is None and send_id is None:
            assert form is not None  # as the rules have been checked
            return RedirectResponse(f"/forms/{form.id}", 303)
        if request.method == "GET" and not is_machine_agent(request.headers.get("user-agent", "")):
            await self._note(request, asset.id, submission, send_id)
        name = quote(asset.path.name)
        headers = {"Content-Disposition": f"attachment; filename*=UTF-8''{name}"}
        return FileResponse(asset.path, media_type=asset.content_type, headers=headers)

    def _submission(self, request: Request, asset: str) -> str | None:
        told = self._read(request.query_params.get(FORM_PARAMETER, "")) or ""
        of, _, submission = told.partition(" ")
        return submission if of == asset else None

    async def _note(self, request: Request, asset: str, submission: str | None, send_id: str | None) -> None:
        """Note a download of somebody who is known or was seen before; by one link it is one, a day at most."""
        now = self._context.clock()
        visitor = None if is_untracked(request) else visitor_of(request)
        form = self._forms.get(asset)
        is_told = submission is not None and form is not None and form.event == "document_download"
        key = submission or (f"{send_id} {now.date()}" if send_id else None)
        event = {
            "event_id": hashlib.sha256(f"{asset} {key}".encode()).hexdigest()[:32] if key else uuid.uuid4().hex,
            "event_type": "asset_fetch" if is_told else "document_download",
            "occurred_at": now.isoformat(),
            "asset": asset,
            **({"visitor": visitor} if visitor else {}),
            **({"send_id": send_id} if send_id and submission is None else {}),
            **({"properties.submission": submission} if submission else {}),
        }
        if visitor or (send_id and submission is None):
            await self._context.inbox.append([facts_entry("download", events=[event])])
