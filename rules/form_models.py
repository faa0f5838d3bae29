"""Forms of the web face, and the papers they give."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from rules.condition_models import Frozen
from rules.delivery_models import MailKind

InputKind = Literal[
    "text", "email", "tel", "number", "date", "textarea", "choice", "choices", "boolean", "corporate_number"
]


class FormField(Frozen):
    """One thing a form asks for: a field of the lead, or (``is_property``) a property of the event."""

    id: str
    label: str
    label_en: str
    kind: InputKind
    values: tuple[str, ...] = ()
    is_required: bool = False
    is_property: bool = False


class FormConsent(Frozen):
    """What is agreed to by ticking the box: its words are kept with each consent."""

    version: str
    text: str
    text_en: str
    kinds: tuple[MailKind | Literal["marketing"], ...] = ("marketing",)
    is_double: bool = False
    """It counts only once it is confirmed by the link of a mail."""


class Form(Frozen):
    """A form of ``forms.yaml``: whoever sends it has done ``event``."""

    id: str
    title: str
    title_en: str
    text: str = ""
    text_en: str = ""
    event: str
    asset: str | None = None
    """What the thanks page gives."""
    properties: tuple[tuple[str, str], ...] = ()
    """Of the event, the same for everybody."""
    fields: tuple[FormField, ...]
    consent: FormConsent | None = None


class Asset(Frozen):
    """A paper that ``/d/{id}`` gives: a file of the rule set's folder ``assets``."""

    id: str
    title: str
    title_en: str
    path: Path
    content_type: str
    is_gated: bool = True
    """Only who sent a form or got a mail with its link may have it."""
