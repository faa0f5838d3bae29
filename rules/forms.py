"""What ``forms.yaml`` means: forms of the web face, what they ask and tell, and the papers behind them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from rules.documents import Document, Spot
from rules.errors import Problem
from rules.files import AssetEntry, FormEntry, FormFieldEntry, FormsFile
from rules.form_models import Asset, Form, FormConsent, FormField, InputKind
from rules.hints import listed, shown
from rules.lead_models import Field
from rules.mail_models import Step, Template
from rules.names import Names, check_id, check_ids

CONTENT_TYPES: Mapping[str, str] = {
    ".pdf": "application/pdf",
    ".zip": "application/zip",
    ".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    ".pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    ".docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
}
"""Of the files that may be given, by the end of their names."""
OWN_NAMES = frozenset({"consent", "website", "visitor", "form", "language", "wording", "once"})
"""What a posted form calls things of its own."""
CONSENT_ASKED = "consent_asked"
"""The event of a form whose consent is still to be confirmed."""
_EVENT = re.compile(r"(?!mail_|deal_|consent_)[a-z][a-z0-9_]*")
_KINDS: Mapping[str, InputKind] = {"email": "email", "phone": "tel"}
ENGLISH_LABELS: Mapping[str, str] = {
    "email": "E-mail address",
    "name": "Name",
    "company": "Company",
    "title": "Job title",
    "phone": "Phone number",
}


def check_forms(
    document: Document[FormsFile] | None, folder: Path, fields: tuple[Field, ...] | None, problems: list[Problem]
) -> tuple[tuple[Form, ...], tuple[Asset, ...]]:
    """Return forms and papers, after reporting what is wrong.

    Args:
        document: The file; None where there is none.
        folder: The rule set's folder.
        fields: The lead's fields; None where they could not be read, and are not checked.
        problems: Faults are appended here.
    """
    if document is None:
        return (), ()
    entries, spot = document.value.forms, document.spot(problems, "forms")
    of_assets = document.spot(problems, "assets")
    check_ids(entries, spot, "form")
    check_ids(document.value.assets, of_assets, "asset")
    names = Names("asset", [(asset.id, asset.title) for asset in document.value.assets])
    forms = tuple(_form(entry, names, fields, spot.at(position)) for position, entry in enumerate(entries))
    offered = {form.asset for form in forms}
    are_known = all(entry.asset is None or form.asset for entry, form in zip(entries, forms, strict=True))
    assets = []
    for position, asset in enumerate(document.value.assets):
        here = of_assets.at(position)
        assets.append(_asset(asset, folder, here))
        if asset.gated and asset.id not in offered and are_known:
            here.fault(
                "nobody can get this asset: it is gated, and no form gives it",
                received=shown(asset.id),
                hint="name it as a form's asset, or set gated: false",
            )
    return forms, tuple(assets)


def check_confirmations(
    document: Document[FormsFile], steps: Sequence[Step], templates: Sequence[Template], problems: list[Problem]
) -> None:
    """Report forms with double opt-in that no mail asks to confirm."""
    asking = {
        template.id for template in templates if "confirm_url" in template.text and "confirm_url" in template.html
    }
    is_asked = any(
        step.is_enabled
        and step.category == "transactional"
        and step.trigger is not None
        and step.trigger.event == CONSENT_ASKED
        and step.template in asking
        for step in steps
    )
    for position, form in enumerate(document.value.forms):
        if form.consent is not None and form.consent.double_opt_in and not is_asked:
            document.spot(problems, "forms", position, "consent", "double_opt_in").fault(
                "no mail asks to confirm, so nobody could",
                received=shown(form.id),
                hint=f"enable a trigger mail on {CONSENT_ASKED} of category transactional whose text and HTML hold "
                "{{ confirm_url }}, such as consent_confirmation of rules/guide",
            )


def _asset(entry: AssetEntry, folder: Path, spot: Spot) -> Asset:
    home = (folder / "assets").resolve()
    path = (home / entry.file).resolve()
    here = spot.at("file")
    if path.parent != home:
        here.fault("an asset stands in the folder assets of the rule set", received=shown(entry.file))
    elif path.suffix.lower() not in CONTENT_TYPES:
        here.fault("this kind of file is not given", received=shown(entry.file), allowed=listed(CONTENT_TYPES))
    elif not path.is_file():
        here.fault("the asset's file is missing", received=shown(entry.file), hint=f"put it into {folder.name}/assets")
    return Asset(
        id=entry.id,
        title=entry.title,
        title_en=entry.title_en or entry.title,
        path=path,
        content_type=CONTENT_TYPES.get(path.suffix.lower(), "application/octet-stream"),
        is_gated=entry.gated,
    )


def _form(entry: FormEntry, assets: Names, fields: tuple[Field, ...] | None, spot: Spot) -> Form:
    if _EVENT.fullmatch(entry.event) is None:
        spot.at("event").fault(
            "a form cannot tell this event",
            received=shown(entry.event),
            allowed="document_download, seminar_signup, consultation_request, form_submit, or a name of your own in "
            "small letters that does not begin with mail_, deal_ or consent_",
        )
    asset = assets.resolve(entry.asset, spot.at("asset")) if entry.asset is not None else None
    for name in entry.properties:
        check_id(name, spot.at("properties", name), "property")
    asked = []
    seen: dict[str, int] = {}
    for position, one in enumerate(entry.fields):
        here = spot.at("fields", position)
        found = _field(one, fields, here)
        if found is None:
            continue
        if found.id in seen:
            here.fault("this is asked twice", received=f"{shown(found.id)}, first on line {seen[found.id]}")
        seen.setdefault(found.id, here.line())
        asked.append(found)
    if fields is not None and not any(one.id == "email" and one.is_required for one in asked):
        spot.at("fields").fault(
            "a form has to ask for the mail address", hint="add {field: email, required: true} to its fields"
        )
    consent = entry.consent
    if consent is not None and not (consent.text.strip() and consent.version.strip()):
        spot.at("consent").fault("a consent needs its words and their version", hint="write text and version")
    return Form(
        id=entry.id,
        title=entry.title,
        title_en=entry.title_en or entry.title,
        text=entry.text,
        text_en=entry.text_en or entry.text,
        event=entry.event,
        asset=asset,
        properties=tuple(entry.properties.items()),
        fields=tuple(asked),
        consent=consent
        and FormConsent(
            version=consent.version,
            text=consent.text,
            text_en=consent.text_en or consent.text,
            kinds=consent.kinds,
            is_double=consent.double_opt_in,
        ),
    )


def _field(entry: FormFieldEntry, fields: tuple[Field, ...] | None, spot: Spot) -> FormField | None:
    if (entry.field is None) == (entry.id is None):
        spot.fault(
            "this says not what is asked",
            allowed="field: of a lead's field (fields.yaml), or id: with label: of something the event keeps",
        )
        return None
    if entry.id is not None:
        check_id(entry.id, spot.at("id"), "question")
        if entry.id in OWN_NAMES or entry.id in {field.id for field in fields or ()}:
            spot.at("id").fault("this name is taken", received=shown(entry.id), hint="choose another id")
        if not entry.label:
            spot.fault("a question needs its label", received=shown(entry.id), hint="write label: as people read it")
        if (entry.type == "choice") != bool(entry.values):
            spot.fault("values belong to a choice, and a choice needs them", hint="write type: choice with values: […]")
        return FormField(
            id=entry.id,
            label=entry.label,
            label_en=entry.label_en or entry.label,
            kind=entry.type,
            values=entry.values,
            is_required=entry.required,
            is_property=True,
        )
    if fields is None:
        return None
    known = {field.id: field for field in fields if not field.system}
    found = Names("field", [(field.id, field.label) for field in known.values()]).resolve(
        entry.field or "", spot.at("field")
    )
    if found is None:
        return None
    field = known[found]
    return FormField(
        id=field.id,
        label=entry.label or field.label,
        label_en=entry.label_en or ENGLISH_LABELS.get(field.id, field.label),
        kind=_KINDS.get(field.id, field.type),
        values=field.values,
        is_required=entry.required,
    )
