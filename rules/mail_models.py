"""What goes out: senders, templates, steps of scenarios."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from rules.ab_test_models import AbTest, Variant
from rules.condition_models import Frozen, Selector
from rules.delivery_models import MailKind
from rules.scenario_models import Exit

DEFAULT_VARIANT = "default"
"""The variant of a mail that is not tested."""
EVERYONE = "everyone"
"""The id of the segment that holds every lead; it always exists."""


class Sender(Frozen):
    """Who mails come from, and what the law asks a mail to show."""

    id: str
    name: str
    email: str
    company: str
    postal_address: str
    contact: str
    """Where complaints and questions go: a mail address, a URL or a telephone number."""
    site_url: str = ""
    """The website that links in mails point to, without a slash at its end."""
    utm_source: str = "nurture"
    """What links to the own site carry as ``utm_source``; empty: they carry no ``utm_`` parameters."""
    utm_medium: str = "email"
    names_lead_in_links: bool = True
    """Whether links to the own site carry a signed token that tells the site whose click it is."""
    trap_link: bool = False
    """Whether mails hold a link that no person sees, so that whatever follows it is known for a program."""


class Template(Frozen):
    """A mail's parts as Jinja2 sources, whether written as three files or made of Markdown."""

    id: str
    subject: str
    text: str
    html: str


class Step(Frozen):
    """One mail of one scenario: whom it serves, what triggers it, when it is due, what it asks for.

    The send key is (lead, scenario, step, occurrence). ``priority`` orders steps that answer the same trigger event
    after the same delay: the lowest wins, the others are superseded.
    """

    scenario: str
    step: str
    label: str
    kind: MailKind
    priority: int
    segment: str
    stage: str | None
    """None serves every stage."""
    trigger: Selector | None
    """None: what its scenario or its calendar says."""
    trigger_count: int = 1
    """The trigger is the n-th such event of the lead; with ``re_entry`` every n-th."""
    delay: timedelta = timedelta(0)
    re_entry: timedelta | None = None
    """How long after its last trigger another one starts the step again, as another occurrence; None: never."""
    exits: tuple[Exit, ...] = ()
    """What keeps the mail back when it is due; those of a scenario of its own stand there."""
    asks_segment: bool = True
    """Whether the lead must still be in the segment when the mail is due."""
    category: Literal["marketing", "transactional"]
    window: str | None = None
    """When it may go; None: at any time."""
    subject: str | None
    """The sheet's subject; None where the template has its own."""
    summary: str = ""
    template: str
    sender: str
    cta: Selector | None = None
    cta_label: str = ""
    test: AbTest | None = None
    variant: str = DEFAULT_VARIANT
    is_enabled: bool = True
    source: str
    """Where it was declared, for people: ``scenarios.csv row 2``."""

    def versions(self) -> dict[str, Step]:
        """Return the mail as each variant of its test has it, or the one as it is, by the variant's id."""
        if self.test is None:
            return {DEFAULT_VARIANT: self}
        return {variant.id: self._as(variant) for variant in self.test.variants}

    def _as(self, variant: Variant) -> Step:
        said = {"subject": variant.subject, "template": variant.template, "cta": variant.cta}
        update: dict[str, object] = {name: value for name, value in said.items() if value is not None}
        update |= {"variant": variant.id, "label": f"{self.label} [{variant.label}]", "test": None}
        if variant.cta is not None:
            update["cta_label"] = variant.cta_label
        if variant.has_window:
            update["window"] = variant.window
        return self.model_copy(update=update)
