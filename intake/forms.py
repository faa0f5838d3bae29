"""The forms of ``forms.yaml``: shown, checked, and taken with the evidence of what was agreed to.

A form needs no cookie and no login, and gives nothing that its sender did not type: there is nothing another site could
gain by posting it in somebody's name, and embedded forms are posted from the company's own pages.
"""

from __future__ import annotations

import hashlib
import re
import uuid
from collections.abc import Mapping

import orjson
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from intake.answers import MOST_LETTERS, MOST_LETTERS_ELSE, checked
from intake.bodies import is_untracked, read_fields, visitor_of
from intake.context import Context, language_of, page, render, sender_name
from intake.downloads import download_link
from intake.facts import facts_entry
from intake.texts import TEXTS, Language
from rules.forms import CONSENT_ASKED
from rules.models import Form

AUTOCOMPLETE: Mapping[str, str] = {
    "email": "email",
    "name": "name",
    "company": "organization",
    "title": "organization-title",
    "phone": "tel",
}
_ONCE = re.compile(r"[0-9a-f]{32}")


class Forms:
    """Answers ``/forms/{form}``."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._forms = {form.id: form for form in context.rules.forms}
        self._assets = {asset.id: asset for asset in context.rules.assets}
        self._sender = sender_name(context)

    async def form(self, request: Request) -> Response:
        """GET shows the form; POST takes it, or shows it again with what is wrong."""
        form = self._forms.get(request.path_params["form"])
        if form is None:
            raise HTTPException(404)
        if request.method != "POST":
            return self._show(request, form, {}, {})
        fields = await read_fields(request, errors="replace")
        given = dict(fields)
        is_agreed = form.consent is not None and given.get("consent") == "yes"
        if given.get("website"):  # no person sees this field: whatever fills it hears what people hear
            return self._thank(request, form, None, is_agreed=is_agreed)
        values = {"consent": given.get("consent", ""), "once": given.get("once", "")}
        faults: dict[str, str] = {}
        for field in form.fields:
            values[field.id], fault = checked(field, [value for name, value in fields if name == field.id])
            if fault:
                faults[field.id] = fault
        language = agreed_language(form, given.get("wording", ""))
        if is_agreed and language is None:  # nobody agrees to words that were not shown
            faults["consent"] = "new_wording"
        if faults:
            # an embedded form brought its visitor, whom this page cannot ask
            known = None if is_untracked(request) else visitor_of(request, given.get("visitor", ""))
            return self._show(request, form, values | {"visitor": known or ""}, faults, 422)
        submission = submission_id(form, values, given)
        await self._take(request, form, submission, values, given, language if is_agreed else None)
        return self._thank(request, form, submission, is_agreed=is_agreed)

    async def embed(self, request: Request) -> Response:
        """The form as HTML to put into a page of one's own."""
        form = self._forms.get(request.path_params["form"])
        if form is None:
            raise HTTPException(404)
        action = f"{self._context.settings.public_url}/forms/{form.id}"
        return PlainTextResponse(render(request, "embed.html", **self._of(form, {}, {}, action)))

    async def _take(
        self,
        request: Request,
        form: Form,
        submission: str,
        values: Mapping[str, str],
        given: Mapping[str, str],
        agreed_in: Language | None,
    ) -> None:
        now = self._context.clock().isoformat()
        visitor = None if is_untracked(request) else visitor_of(request, given.get("visitor", ""))
        kept = {field.id: values[field.id] for field in form.fields if values[field.id]}
        email = kept.pop("email")
        properties = {
            **dict(form.properties),
            **{field.id: kept.pop(field.id) for field in form.fields if field.is_property and field.id in kept},
            "form": form.id,
        }
        event = {
            "event_id": submission,
            "event_type": form.event,
            "occurred_at": now,
            "email": email,
            **({"visitor": visitor} if visitor else {}),
            **({"asset": form.asset} if form.asset else {}),
            **{f"properties.{name}": value for name, value in properties.items()},
        }
        events, consents = [event], []
        if form.consent is not None and agreed_in is not None:
            words = form.consent.text_en if agreed_in == "en" else form.consent.text
            evidence = f"form {form.id}, wording {form.consent.version} ({agreed_in}): {words}"
            granted = [
                {
                    "email": email,
                    "mail_kind": kind,
                    "basis": "opt_in_form",
                    "evidence": evidence,
                    "occurred_at": now,
                    "is_granted": "true",
                }
                for kind in form.consent.kinds
            ]
            if form.consent.is_double:
                asked = {
                    "event_id": f"{submission} consent",
                    "event_type": CONSENT_ASKED,
                    "properties.evidence": evidence,
                    "properties.mail_kinds": " ".join(form.consent.kinds),
                }
                events.append({name: event[name] for name in ("occurred_at", "email", "properties.form")} | asked)
            else:
                consents = granted
        leads = [{"email": email, "occurred_at": now, **kept}]
        entry = facts_entry("form", events=events, leads=leads, consents=consents, key=submission)
        await self._context.inbox.append([entry])

    def _thank(self, request: Request, form: Form, submission: str | None, *, is_agreed: bool) -> Response:
        asset = self._assets.get(form.asset or "")
        link = None
        if asset is not None and submission is not None:
            link = download_link(self._context, form, submission)
        english = language_of(request) == "en"
        return page(
            request,
            "form_thanks.html",
            title=form.title_en if english else form.title,
            asset=asset and (asset.title_en if english else asset.title),
            link=link,
            asks_to_confirm=is_agreed and form.consent is not None and form.consent.is_double,
            sender=self._sender,
        )

    def _show(
        self, request: Request, form: Form, values: Mapping[str, str], faults: Mapping[str, str], status: int = 200
    ) -> Response:
        # as what was typed stands in the page, it is nobody else's to keep: every answer says no-store
        once = values.get("once", "")
        kept = {**values, "once": once if _ONCE.fullmatch(once) else uuid.uuid4().hex}
        return page(
            request, "form.html", status, **self._of(form, kept, faults, f"/forms/{form.id}"), sender=self._sender
        )

    def _of(self, form: Form, values: Mapping[str, str], faults: Mapping[str, str], action: str) -> dict[str, object]:
        return {
            "form": form,
            "values": values,
            "faults": faults,
            "action": action,
            "autocomplete": AUTOCOMPLETE,
            "most_letters": MOST_LETTERS,
            "most_letters_else": MOST_LETTERS_ELSE,
        }


def agreed_language(form: Form, wording: str) -> Language | None:
    """The language of the words that were agreed to, as the form tells; None where these are not its words now.

    A form that was embedded before the words changed shows the old ones.
    """
    for language in TEXTS:
        if form.consent is not None and wording == f"{language} {form.consent.version}":
            return language
    return None


def submission_id(form: Form, values: Mapping[str, str], given: Mapping[str, str]) -> str:
    """One id for one page that is sent as it stands, however often: pressed twice, or loaded anew."""
    if not _ONCE.fullmatch(values["once"]):
        return uuid.uuid4().hex  # an embedded form is the same for everybody
    told = [form.id, given.get("wording"), sorted(values.items())]
    return hashlib.sha256(orjson.dumps(told)).hexdigest()[:32]
