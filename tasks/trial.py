"""テスト配信: sends mails to an address of one's own, marked as tests, to look at them where mail is read.

They count nowhere: the ledger hears nothing of them, their events name no send, and their links act on nobody.
"""

from __future__ import annotations

from rules.addresses import is_deliverable
from rules.errors import ConfigurationError, Problem
from rules.models import RuleSet
from settings import Settings
from tasks.acts import mail_client
from tasks.errors import RunError
from tasks.mail_links import void_links
from tasks.preview import chosen_steps, known_lead, made_up_lead, payload_for

SUBJECT_MARK = "[テスト] "
CATEGORY = "nurture_test"
TEST_ARGUMENT = "nurture_test"
"""The custom argument by which the provider's events are known to be of a test."""


def send_tests(settings: Settings, rules: RuleSet, address: str, step: str | None, email: str | None) -> int:
    """Send mails as a lead would get them to an address that may get tests.

    Args:
        settings: The settings.
        rules: The rule set.
        address: Where to; one of ``NURTURE_ALLOWLIST``, or any where the provider is a stand-in on this machine.
        step: One step; None for all that are switched on.
        email: An address of the lead whose fields are shown; None for a made-up lead.

    Returns:
        How many mails the provider took.

    Raises:
        ConfigurationError: Delivery is off, the address may not get tests, or there is no such step.
        RunError: There is no such lead, or the provider did not take a mail.
    """
    recipient = address.strip().lower()
    client = mail_client(settings, rules)
    if client is None:
        hint = "set NURTURE_DELIVERY=allowlist, and name the address in NURTURE_ALLOWLIST"
        raise ConfigurationError(
            [Problem("NURTURE_DELIVERY", "", "delivery is off, so no test can leave", "off", "allowlist, live", hint)]
        )
    if not is_deliverable(recipient):
        raise ConfigurationError([Problem("--test-to", "", "this is not a mail address", allowed="name@example.com")])
    if not settings.is_sendgrid_loopback and not settings.allows(recipient):
        hint = "add the address, or its @domain, to NURTURE_ALLOWLIST"
        raise ConfigurationError(
            [Problem("--test-to", "", "tests go only to addresses of NURTURE_ALLOWLIST", hint=hint)]
        )
    steps = [one for one in chosen_steps(rules, step) if step is not None or one.is_enabled]
    lead = made_up_lead(rules.fields) if email is None else known_lead(settings, email)
    links = void_links(settings.public_url)
    for taken, one in enumerate(steps):
        payload = payload_for(rules, one, links, recipient, lead)
        payload["subject"] = SUBJECT_MARK + payload["subject"]
        payload["categories"] = [CATEGORY]
        payload["personalizations"][0]["custom_args"] = {TEST_ARGUMENT: "1"}
        answer = client.send(payload)
        if answer.verdict != "accepted":
            raise RunError(
                f"the test of {one.step} was not taken: {answer.message or answer.verdict}; "
                f"{taken} of {len(steps)} were taken"
            )
    return len(steps)
