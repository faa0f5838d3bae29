"""Papers to download: who may have them, and that they were had.

A gated paper goes to whoever sent its form, by the link of the thanks page, and to whoever has a mail with its link.
The link of the thanks page adds no second download to the one its form has told: it is noted as ``asset_fetch``.
"""

from __future__ import annotations

import hashlib
from urllib.parse import quote

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, RedirectResponse, Response

from agents import is_machine_agent
from intake.bodies import is_untracked, visitor_of
from intake.context import Context
from intake.facts import facts_entry
from rules.models import Form
from tokens import FORM_SALT, LEAD_PARAMETER, TextSigner, text_reader

FORM_PARAMETER = "f"
DOWNLOAD = "document_download"
_IS_TOLD = "told"
"""Stands in the token of a form that has told of the download itself."""


def download_link(context: Context, form: Form, submission: str) -> str:
    """The link by which the sender of a form gets its paper."""
    told = f"{form.asset} {submission} {_IS_TOLD if form.event == DOWNLOAD else ''}"
    key = context.settings.signing_key
    assert key is not None, "the web face does not start without one"
    token = TextSigner(key, FORM_SALT)(told)
    return f"/d/{form.asset}?{FORM_PARAMETER}={token}"


class Downloads:
    """Answers ``/d/{asset}``."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._assets = {asset.id: asset for asset in context.rules.assets}
        self._forms = {form.asset: form for form in reversed(context.rules.forms) if form.asset}
        self._read = text_reader(context.settings.secret_keys, FORM_SALT)

    async def download(self, request: Request) -> Response:
        """The file; or the form that gives it, where nothing says that one may have it."""
        asset = self._assets.get(request.path_params["asset"])
        if asset is None:
            raise HTTPException(404)
        submission, is_told = self._submission(request, asset.id)
        send_id = self._context.lead(request.query_params.get(LEAD_PARAMETER, ""))
        form = self._forms.get(asset.id)
        if asset.is_gated and not submission and send_id is None:
            assert form is not None  # as the rules have been checked
            return RedirectResponse(f"/forms/{form.id}", 303)
        if request.method == "GET" and not is_machine_agent(request.headers.get("user-agent", "")):
            await self._note(request, asset.id, submission, send_id, is_told=is_told)
        name = quote(asset.path.name)
        headers = {"Content-Disposition": f"attachment; filename*=UTF-8''{name}"}
        return FileResponse(asset.path, media_type=asset.content_type, headers=headers)

    def _submission(self, request: Request, asset: str) -> tuple[str, bool]:
        """Whose form's link it is, and whether the form has told of the download; nobody's where it is none."""
        of, _, rest = (self._read(request.query_params.get(FORM_PARAMETER, "")) or "").partition(" ")
        submission, _, told = rest.partition(" ")
        return (submission, told == _IS_TOLD) if of == asset else ("", False)

    async def _note(self, request: Request, asset: str, submission: str, send_id: str | None, *, is_told: bool) -> None:
        """Note a download of somebody who is known or was seen before: one by a form's link, else one a day."""
        now = self._context.clock()
        visitor = None if is_untracked(request) else visitor_of(request)
        if visitor is None and (submission or not send_id):
            return  # nobody could tell whose it was
        key = submission or f"{send_id or visitor} {now.astimezone(self._context.settings.zone).date()}"
        event = {
            "event_id": hashlib.sha256(f"{asset} {key}".encode()).hexdigest()[:32],
            "event_type": "asset_fetch" if is_told else DOWNLOAD,
            "occurred_at": now.isoformat(),
            "asset": asset,
            **({"visitor": visitor} if visitor else {}),
            # whoever has a form's link has sent it, in whatever mail the link may stand
            **({"properties.submission": submission} if submission else {"send_id": send_id} if send_id else {}),
        }
        await self._context.inbox.append([facts_entry("download", events=[event])])
