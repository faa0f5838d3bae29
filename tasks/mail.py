"""Makes the request that carries one step's mail to up to 1,000 leads.

A mail is rendered once: what differs between leads is a tag that SendGrid replaces for each. Tags carry a nonce, so no
lead's value can hold one, and there is one for HTML and one for text, so every value is escaped for its place.
"""

from __future__ import annotations

import html
import re
import secrets
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import jinja2
import orjson
from jinja2 import StrictUndefined
from jinja2.sandbox import SandboxedEnvironment
from markupsafe import Markup

from rules.addresses import is_deliverable
from rules.models import Field, Sender, Step, Template
from tasks.mail_links import Links, tracking_of, with_trap_link
from tokens import payloads_of
from warehouse.claims import Recipients

MAX_PERSONALIZATIONS = 1_000
MAX_SUBSTITUTION_BYTES = 10_000
"""Of one recipient, as the JSON that is sent: how the provider counts is not written anywhere, and this is the most."""
MAX_VALUE_LETTERS = 200
"""Of a lead's value as a mail shows it: what somebody wrote into a form is no place for a mail of their own."""
BAD_ADDRESS = "bad_address"
TOO_LONG = "substitutions_too_long"
# line breaks of every kind, control characters, and marks that turn the direction of what follows
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]+")
_LINK = re.compile(r"://|www\.", re.IGNORECASE)


def shown_fields(templates: Sequence[Template], fields: Sequence[Field]) -> list[Field]:
    """Returns the lead's fields that any of the templates mentions."""
    text = "\n".join(part for template in templates for part in (template.subject, template.text, template.html))
    mentioned = set(re.findall(r"\blead\s*\.\s*(\w+)", text))
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
    recipients: Recipients,
    links: Links,
) -> tuple[dict[str, Any], dict[str, str]]:
    """The body of one mail/send request.

    Args:
        step: The step whose mail it is.
        template: Its subject, text and HTML.
        sender: Whom it comes from.
        fields: The lead's fields a template may show.
        recipients: At most 1,000, each address once.
        links: Makes the links that name a send.

    Returns:
        The body; and why recipients that the provider would refuse are not in it, by send id: one of them would keep
        all others of the request from leaving.

    Raises:
        jinja2.TemplateError: The template cannot be rendered.
    """
    nonce = secrets.token_hex(6)
    text_tags = {field.id: f"[t-{nonce}-{field.id}]" for field in fields}
    html_tags = {field.id: f"[h-{nonce}-{field.id}]" for field in fields}
    token_tag, lead_tag, confirm_tag = f"[k-{nonce}]", f"[v-{nonce}]", f"[c-{nonce}]"
    opt_out_url, preferences_url = f"{links.public_url}/u/{token_tag}", f"{links.public_url}/preferences/{token_tag}"
    shared = {"step": {"subject": step.subject or step.label}, "sender": sender.model_dump()}
    own_links = {
        "unsubscribe_url": opt_out_url,
        "preferences_url": preferences_url,
        "confirm_url": f"{links.public_url}/confirm/{confirm_tag}",
    }
    text_context = {**shared, "lead": text_tags, **own_links}
    html_context = {
        **shared,
        # tags are ours and hold nothing to escape; the values that replace them are escaped below
        "lead": {name: Markup(tag) for name, tag in html_tags.items()},  # noqa: S704
        **own_links,
    }
    tracking = tracking_of(sender, step.scenario, step.step, links, token_tag, lead_tag)
    subject = one_line(_compiled(template.subject).render(text_context))
    text = tracking.in_text(_compiled(template.text).render(text_context))
    body = tracking.in_html(_compiled(template.html, is_html=True).render(html_context))
    if sender.trap_link:
        body = with_trap_link(body, links.public_url)
    both = subject + text
    in_text = {field.id for field in fields if text_tags[field.id] in both}
    in_html = {field.id for field in fields if html_tags[field.id] in body}
    names_lead = lead_tag in text or lead_tag in body
    asks_to_confirm = confirm_tag in text or confirm_tag in body

    signable = payloads_of(recipients.send_ids)
    tokens = links.opt_out.tokens(signable)
    columns = {token_tag: tokens}
    if names_lead:
        columns[lead_tag] = links.lead.tokens(signable)
    if asks_to_confirm:
        columns[confirm_tag] = links.confirm.tokens(signable)
    for field in fields:
        if field.id not in in_text | in_html:
            continue
        default = one_line(field.mail_default)
        shown = [harmless(show(field, value)) or default for value in recipients.shown[field.id]]
        if field.id in in_text:
            columns[text_tags[field.id]] = shown
        if field.id in in_html:
            columns[html_tags[field.id]] = [value if value.isalnum() else html.escape(value) for value in shown]
    substitutions = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]

    of_emails = zip(recipients.send_ids, recipients.emails, strict=True)
    refused = {send_id: BAD_ADDRESS for send_id, email in of_emails if not is_deliverable(email)}
    if _most_bytes(columns) > MAX_SUBSTITUTION_BYTES:
        for send_id, values in zip(recipients.send_ids, substitutions, strict=True):
            if len(orjson.dumps(values)) > MAX_SUBSTITUTION_BYTES:
                refused.setdefault(send_id, TOO_LONG)
    opt_out_begins = f"<{links.public_url}/u/"
    personalizations = [
        {
            "to": [{"email": email}],
            "substitutions": values,
            "custom_args": {"nurture_send_id": send_id},
            "headers": {
                "List-Unsubscribe": f"{opt_out_begins}{token}>",
                "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
            },
        }
        for send_id, email, token, values in zip(
            recipients.send_ids, recipients.emails, tokens, substitutions, strict=True
        )
        if send_id not in refused
    ]
    payload = {
        "from": {"email": sender.email, "name": one_line(sender.name)},
        "subject": subject,
        "content": [{"type": "text/plain", "value": text}, {"type": "text/html", "value": body}],
        "categories": sorted({step.scenario[:255], step.step[:255]}),
        "tracking_settings": {
            "click_tracking": {"enable": True, "enable_text": False},
            "open_tracking": {"enable": True},
            "subscription_tracking": {"enable": False},
        },
        "personalizations": personalizations,
    }
    return payload, refused


def _most_bytes(columns: Mapping[str, Sequence[str]]) -> int:
    """More than the JSON of any recipient's substitutions takes: a letter is at most six bytes of it."""
    return sum(len(tag) + 6 * max(map(len, values), default=0) + 6 for tag, values in columns.items()) + 2


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


def harmless(text: str) -> str:
    """One line, not too long, without what mail programs make a link of: anybody may have written it into a form."""
    if text.isalnum() and len(text) <= MAX_VALUE_LETTERS:
        return text  # as most are
    return one_line(_LINK.sub(" ", one_line(text))[:MAX_VALUE_LETTERS])


def values_by_tag(payload: Mapping[str, Any], recipient: int = 0) -> Mapping[str, str]:
    """Returns what a recipient's tags are replaced by."""
    found: Mapping[str, str] = payload["personalizations"][recipient]["substitutions"]
    return found


def fill(text: str, values: Mapping[str, str]) -> str:
    """Replaces tags by their values as the provider does, in one pass: a value that looks like a tag stays."""
    return re.sub("|".join(map(re.escape, values)), lambda found: values[found.group()], text)
