"""The forms of ``forms.yaml``: shown, checked, and taken with the evidence of what was agreed to.

A form needs no cookie and no login, and gives nothing that its sender did not type: there is nothing another site could
gain by posting it in somebody's name, and embedded forms are posted from the company's own pages.
"""

from __future__ import annotations

import re
import unicodedata
import uuid
from collections.abc import Mapping
from datetime import datetime

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from intake.bodies import is_untracked, read_fields, visitor_of
from intake.context import Context, language_of, page, render, sender_name
from intake.downloads import download_link
from intake.facts import facts_entry
from intake.texts import Language
from rules.forms import CONSENT_ASKED
from rules.models import Form, FormField

MOST_LETTERS: Mapping[str, int] = {"email": 254, "textarea": 4000}
MOST_LETTERS_ELSE = 200
_ADDRESS = re.compile(
    r"[a-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[a-z0-9!#$%&'*+/=?^_`{|}~-]+)*@([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z0-9-]{2,}"
)
_NUMBER = re.compile(r"-?\d{1,15}(\.\d{1,6})?")
_PHONE = re.compile(r"[+\d][\d() .-]{5,24}")
AUTOCOMPLETE: Mapping[str, str] = {
    "email": "email",
    "name": "name",
    "company": "organization",
    "title": "organization-title",
    "phone": "tel",
}


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
            return page(request, "message.html", 404, message="not_found", sender=self._sender)
        if request.method != "POST":
            return self._show(request, form, {}, {})
        given = await read_fields(request)
        if dict(given).get("website"):  # no person sees this field: whatever fills it hears what people hear
            return self._thank(request, form, None)
        values = {"consent": dict(given).get("consent", "")}
        faults: dict[str, str] = {}
        for field in form.fields:
            told = [value for name, value in given if name == field.id]
            values[field.id], fault = checked(field, told)
            if fault:
                faults[field.id] = fault
        if faults:
            return self._show(request, form, values, faults, 422)
        submission = uuid.uuid4().hex
        await self._take(request, form, submission, values, dict(given))
        return self._thank(request, form, submission)

    async def embed(self, request: Request) -> Response:
        """The form as HTML to put into a page of one's own."""
        form = self._forms.get(request.path_params["form"])
        if form is None:
            return page(request, "message.html", 404, message="not_found", sender=self._sender)
        action = f"{self._context.settings.public_url}/forms/{form.id}"
        return PlainTextResponse(render(request, "embed.html", **self._of(form, {}, {}, action)))

    async def _take(
        self, request: Request, form: Form, submission: str, values: Mapping[str, str], given: Mapping[str, str]
    ) -> None:
        now = self._context.clock().isoformat()
        visitor = None if is_untracked(request) else visitor_of(request, given.get("visitor", ""))
        kept = {field.id: values[field.id] for field in form.fields if values[field.id]}
        email = kept.pop("email")
        properties = {
            "form": form.id,
            **dict(form.properties),
            **{field.id: kept.pop(field.id) for field in form.fields if field.is_property and field.id in kept},
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
        if form.consent is not None and given.get("consent") == "yes":
            # what an embedded form showed is in the language it was made in
            language: Language = "en" if given.get("wording") == "en" else "ja"
            words = form.consent.text_en if language == "en" else form.consent.text
            evidence = f"form {form.id}, wording {form.consent.version} ({language}): {words}"
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
                asked = {"properties.evidence": evidence, "properties.mail_kinds": " ".join(form.consent.kinds)}
                events.append({**_own(event), "event_id": uuid.uuid4().hex, "event_type": CONSENT_ASKED, **asked})
            else:
                consents = granted
        leads = [{"email": email, "occurred_at": now, **kept}]
        entry = facts_entry("form", events=events, leads=leads, consents=consents)
        await self._context.inbox.append([entry])

    def _thank(self, request: Request, form: Form, submission: str | None) -> Response:
        asset = self._assets.get(form.asset or "")
        link = None
        if asset is not None and submission is not None:
            link = download_link(self._context, asset.id, submission)
        english = language_of(request) == "en"
        return page(
            request,
            "form_thanks.html",
            title=form.title_en if english else form.title,
            asset=asset and (asset.title_en if english else asset.title),
            link=link,
            sender=self._sender,
        )

    def _show(
        self, request: Request, form: Form, values: Mapping[str, str], faults: Mapping[str, str], status: int = 200
    ) -> Response:
        # as what was typed stands in the page, it is nobody else's to keep: every answer says no-store
        return page(
            request, "form.html", status, **self._of(form, values, faults, f"/forms/{form.id}"), sender=self._sender
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


def _own(event: Mapping[str, str]) -> dict[str, str]:
    return {name: event[name] for name in ("occurred_at", "email", "properties.form")}


def checked(field: FormField, told: list[str]) -> tuple[str, str]:
    """What somebody typed, cleaned, and the name of what is wrong with it, if anything is."""
    if field.kind == "choices":
        chosen = [value for value in field.values if value in told]
        return ";".join(chosen), "required" if field.is_required and not chosen else ""
    value = told[0] if told else ""
    if field.kind == "textarea":
        value = value.replace("\r\n", "\n").replace("\r", "\n").strip()
    else:
        value = unicodedata.normalize("NFKC", value).strip()
    if field.kind == "email":
        value = value.lower()
    if not value:
        return "", "required" if field.is_required else ""
    return value, _fault(field, value)


def _fault(field: FormField, value: str) -> str:
    if len(value) > MOST_LETTERS.get(field.kind, MOST_LETTERS_ELSE):
        return "too_long"
    if not value.replace("\n", "").replace("\t", "").isprintable() or (field.kind != "textarea" and "\n" in value):
        return "unreadable"
    if field.kind == "email" and (not _ADDRESS.fullmatch(value) or len(value.partition("@")[0]) > 64):
        return "no_address"
    if field.kind == "tel" and not _PHONE.fullmatch(value):
        return "no_phone"
    if field.kind == "number" and not _NUMBER.fullmatch(value.replace(",", "")):
        return "no_number"
    if field.kind == "date" and not _is_date(value):
        return "no_date"
    if field.kind == "choice" and value not in field.values:
        return "no_choice"
    if field.kind == "boolean" and value not in {"true", "false"}:
        return "no_choice"
    return ""


def _is_date(value: str) -> bool:
    try:
        return len(value) == 10 and datetime.strptime(value, "%Y-%m-%d").year >= 1900  # noqa: DTZ007
    except ValueError:
        return False
