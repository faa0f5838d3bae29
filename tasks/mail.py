"""Makes the request that carries one step's mail to up to 1,000 leads.

A mail is rendered once: what differs between leads is a tag that SendGrid replaces for each. Tags carry a nonce, so no
lead's value can hold one, and there is one for HTML and one for text, so every value is escaped for its place.
"""

from __future__ import annotations

import html
import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import jinja2
from jinja2 import StrictUndefined
from jinja2.sandbox import SandboxedEnvironment
from markupsafe import Markup

from rules.models import Field, Sender, Step, Template
from tasks.tokens import text_signer
from warehouse.claims import Claim

MAX_PERSONALIZATIONS = 1_000
_CONTROL = re.compile(r"[\r\n\x00-\x1f\x7f]+")

Values = Mapping[str, str]


def opt_out_link(public_url: str, secret_key: str) -> Callable[[str], str]:
    """Returns what makes a send's opt-out link: a signed token that names the send and no person."""
    sign = text_signer(secret_key, "unsubscribe")
    return lambda send_id: f"{public_url}/u/{sign(send_id)}"


def shown_fields(templates: Sequence[Template], fields: Sequence[Field]) -> list[Field]:
    """Returns the lead's fields that any of the templates mentions."""
    text = "\n".join(part for template in templates for part in (template.subject, template.text, template.html))
    mentioned = set(re.findall(r"\blead\.(\w+)", text))
    return [field for field in fields if field.id in mentioned and not field.system]


@lru_cache(maxsize=512)
def _compiled(text: str, *, is_html: bool = False) -> jinja2.Template:
    """A template, compiled once and not for every thousand mails."""
    environment = SandboxedEnvironment(undefined=StrictUndefined, keep_trailing_newline=True, autoescape=is_html)
    return environment.from_string(text)


def build_payload(
    step: Step,
    template: Template,
    sender: Sender,
    fields: Sequence[Field],
    claims: Sequence[Claim],
    link_for: Callable[[str], str],
) -> dict[str, Any]:
    """The body of one mail/send request.

    Args:
        step: The step whose mail it is.
        template: Its subject, text and HTML.
        sender: Whom it comes from.
        fields: The lead's fields a template may show.
        claims: The recipients, at most 1,000, each address once.
        link_for: Makes a send's opt-out link.

    Raises:
        jinja2.TemplateError: The template cannot be rendered.
    """
    nonce = secrets.token_hex(6)
    text_tags = {field.id: f"[t-{nonce}-{field.id}]" for field in fields}
    html_tags = {field.id: f"[h-{nonce}-{field.id}]" for field in fields}
    link_tag = f"[l-{nonce}]"
    shared = {"step": {"subject": step.subject or step.label}, "sender": sender.model_dump()}
    text_context = {**shared, "lead": text_tags, "unsubscribe_url": link_tag}
    html_context = {
        **shared,
        # tags are ours and hold nothing to escape; the values that replace them are escaped below
        "lead": {name: Markup(tag) for name, tag in html_tags.items()},  # noqa: S704
        "unsubscribe_url": Markup(link_tag),  # noqa: S704
    }
    subject = one_line(_compiled(template.subject).render(text_context))
    text = _compiled(template.text).render(text_context)
    body = _compiled(template.html, is_html=True).render(html_context)
    shown = [
        (field, field.id, text_tags[field.id], html_tags[field.id])
        for field in fields
        if text_tags[field.id] in subject + text or html_tags[field.id] in body
    ]

    def personalization(claim: Claim) -> dict[str, Any]:
        link = link_for(claim.send_id)
        substitutions = {link_tag: link}
        for field, name, text_tag, html_tag in shown:
            value = one_line(show(field, claim.lead.get(name)))
            substitutions[text_tag] = value
            substitutions[html_tag] = value if value.isalnum() else html.escape(value)
        made: dict[str, Any] = {
            "to": [{"email": claim.email}],
            "substitutions": substitutions,
            "custom_args": {"nurture_send_id": claim.send_id},
        }
        if step.category == "marketing":
            made["headers"] = {
                "List-Unsubscribe": f"<{link}>",
                "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
            }
        return made

    return {
        "from": {"email": sender.email, "name": sender.name},
        "subject": subject,
        "content": [{"type": "text/plain", "value": text}, {"type": "text/html", "value": body}],
        "categories": sorted({step.scenario[:255], step.step[:255]}),
        "tracking_settings": {
            "click_tracking": {"enable": True, "enable_text": False},
            "open_tracking": {"enable": True},
            "subscription_tracking": {"enable": False},
        },
        "personalizations": [personalization(claim) for claim in claims],
    }


def show(field: Field, value: Any) -> str:
    """A field's value as a mail shows it; the field's ``mail_default`` where there is none."""
    if value is None or value == "":
        return field.mail_default
    if isinstance(value, list):
        return "、".join(str(item) for item in value)
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def one_line(text: str) -> str:
    """Without line breaks and control characters, so that no value can begin a header or a line of its own."""
    return (text if text.isprintable() else _CONTROL.sub(" ", text)).strip()
