"""Shows mails without sending them: made as they would be sent, for one lead, as pages to look at.

The links of such a mail act on nobody and name nobody, and nothing is written but the pages.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from rules.errors import ConfigurationError, Problem
from rules.hints import did_you_mean, listed, shown
from rules.models import DEFAULT_VARIANT, Field, RuleSet, Step
from rules.templates import RENDER_ERRORS
from rules.wording import Wording, days
from settings import Settings
from tasks.errors import RunError
from tasks.mail import build_payload, fill, shown_fields, values_by_tag
from tasks.mail_links import Links, void_links
from warehouse.claims import Recipients
from warehouse.lookup import lead_of_address

_PAGES = Path(__file__).parent / "pages"
_MADE_UP: Mapping[str, object] = {
    "name": "見本 太郎",
    "email": "taro.mihon@example.com",
    "company": "株式会社見本製作所",
    "title": "製造部長",
    "phone": "03-0000-0000",
    "corporate_number": "1010001000006",
}
_BY_TYPE: Mapping[str, object] = {"number": 300, "date": "2026-04-01", "boolean": True}
_CATEGORIES = {"marketing": "ご案内 (要同意)", "transactional": "お申し込みへのご回答"}


@dataclass(frozen=True)
class Preview:
    """One mail as one lead would get it."""

    step: Step
    sender: str
    to: str
    subject: str
    text: str
    html: str
    headers: Mapping[str, str]


def made_up_lead(fields: Sequence[Field]) -> dict[str, Any]:
    """Returns a lead that does not exist, with a value in every field."""

    def value(field: Field) -> object:
        if field.type == "choices":
            return list(field.values[:2])
        if field.type == "choice":
            return field.values[0] if field.values else ""
        return _MADE_UP.get(field.id) or _BY_TYPE.get(field.type, f"({field.label})")

    return {field.id: value(field) for field in fields if not field.system}


def known_lead(settings: Settings, email: str) -> dict[str, Any]:
    """Returns the fields of the lead of an address, as of the last recompute.

    Raises:
        RunError: Nobody has the address.
        WarehouseError: There is no warehouse.
    """
    address = unicodedata.normalize("NFKC", email).strip().lower()
    lead = lead_of_address(settings, address)
    if lead is None:
        raise RunError(
            "no lead is known by this address as of the last recompute; check its spelling, or leave --lead out "
            "for a made-up lead"
        )
    return lead


def chosen_steps(rules: RuleSet, name: str | None) -> list[Step]:
    """Returns the steps of a name, ``step`` or ``scenario/step``, in each version that is tested; all without one.

    Raises:
        ConfigurationError: There is none of this name.
    """
    found = [step for step in rules.steps if name in {None, step.step, f"{step.scenario}/{step.step}"}]
    if name is not None and not found:
        names = [step.step for step in rules.steps]
        problem = Problem(
            "--step", "", "there is no step of this name", shown(name), listed(names), did_you_mean(name, names)
        )
        raise ConfigurationError([problem])
    return [version for step in found for version in step.versions().values()]


def payload_for(rules: RuleSet, step: Step, links: Links, address: str, lead: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the request that would carry a step's mail to an address, showing a lead's fields.

    Raises:
        RunError: It cannot be rendered, or the provider would refuse it.
    """
    template = next(template for template in rules.templates if template.id == step.template)
    sender = next(sender for sender in rules.senders if sender.id == step.sender)
    fields = shown_fields([template], rules.fields)
    recipient = Recipients(["preview"], [address], {field.id: [lead.get(field.id)] for field in fields})
    try:
        payload, refused = build_payload(step, template, sender, fields, recipient, links)
    except RENDER_ERRORS as error:
        raise RunError(f"mails/{step.template} cannot be rendered: {error}; correct its files") from error
    if refused:
        raise RunError(f"the mail {step.step} could not be sent to this lead: {refused['preview']}")
    return payload


def preview(rules: RuleSet, step: Step, public_url: str, lead: Mapping[str, Any]) -> Preview:
    """Returns one mail as a lead would get it."""
    payload = payload_for(rules, step, void_links(public_url), str(lead.get("email") or ""), lead)
    values = values_by_tag(payload)
    text, html = (fill(part["value"], values) for part in payload["content"])
    (personalization,) = payload["personalizations"]
    return Preview(
        step=step,
        sender=f"{payload['from']['name']} <{payload['from']['email']}>",
        to=personalization["to"][0]["email"],
        subject=fill(payload["subject"], values),
        text=text,
        html=html,
        headers=personalization["headers"],
    )


def write_previews(settings: Settings, rules: RuleSet, folder: Path, step: str | None, email: str | None) -> Path:
    """Writes each mail for one lead as a page, and a page that lists them.

    Args:
        settings: Where the warehouse is, which is only read and only for a lead that is asked for.
        rules: The rule set.
        folder: Where the pages go.
        step: One step; None for all.
        email: An address of the lead; None for a made-up one.

    Returns:
        The page that lists them.

    Raises:
        ConfigurationError: There is no such step.
        RunError: There is no such lead, or the folder cannot be written.
    """
    steps = chosen_steps(rules, step)
    lead = made_up_lead(rules.fields) if email is None else known_lead(settings, email)
    wording = Wording(rules)
    environment = Environment(
        loader=FileSystemLoader(_PAGES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    entries = [
        {
            "preview": preview(rules, one, settings.public_url, lead),
            "page": _page(one),
            "scenario": wording.scenario(one.scenario),
            "segment": wording.label("segment", one.segment),
            "stage": wording.label("stage", one.stage) if one.stage else "すべて",
            "timing": _timing(one, wording),
            "category": _CATEGORIES[one.category],
        }
        for one in steps
    ]
    shared = {"title": rules.title, "entries": entries, "is_made_up": email is None}
    index = folder / "index.html"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for number, entry in enumerate(entries):
            page = environment.get_template("mail.html").render(shared, entry=entry, number=number)
            (folder / str(entry["page"])).write_text(page, encoding="utf-8")
        index.write_text(environment.get_template("index.html").render(shared), encoding="utf-8")
    except OSError as error:
        raise RunError(f"{folder} cannot be written: {error.strerror}; give another folder by --out") from error
    return index


def _page(step: Step) -> str:
    names = [step.scenario, step.step, *([step.variant] if step.variant != DEFAULT_VARIANT else [])]
    return "~".join(re.sub(r"[^\w.-]", "_", name) for name in names) + ".html"  # no id holds the separator


def _timing(step: Step, wording: Wording) -> str:
    if step.trigger is None:
        return "配信カレンダーの日時" if step.kind == "newsletter" else "シナリオの流れに沿って"
    count = f"{step.trigger_count}回目の" if step.trigger_count > 1 else ""
    after = "直後" if step.delay == timedelta(0) else f"から{days(step.delay / timedelta(days=1))}後"
    return f"{count}{wording.behaviour(step.trigger)}{after}"
