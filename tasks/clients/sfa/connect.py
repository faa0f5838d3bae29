"""Opens the SFA that the settings name."""

from __future__ import annotations

from importlib.util import find_spec

from rules.models import RuleSet
from settings import Settings
from tasks.clients.sfa.protocol import Sfa
from tasks.clients.sfa.sql import SqlSfa
from tasks.errors import RunError


def connect_sfa(settings: Settings, rules: RuleSet) -> Sfa:
    """Return the client of ``NURTURE_SFA_URL``; close it in the end.

    Raises:
        RunError: What it needs is not installed, or the URL lacks a part.
    """
    scheme = settings.sfa.partition("://")[0]
    fields = {synced.field: synced.name for synced in rules.sfa.fields if synced.name}
    if scheme == "hubspot":
        _need("hubspot", "hubspot")
        from tasks.clients.sfa.hubspot import HubSpot

        return HubSpot(settings.sfa, fields)
    if scheme == "salesforce":
        _need("simple_salesforce", "salesforce")
        from tasks.clients.sfa.salesforce import Salesforce

        return Salesforce(settings.sfa, fields, timezone=settings.timezone)
    return SqlSfa(settings.sfa, {synced.field: synced.name or synced.field for synced in rules.sfa.fields})


def _need(module: str, extra: str) -> None:
    if find_spec(module) is None:
        raise RunError(f"NURTURE_SFA_URL names {extra}, whose library is missing; pip install 'nurture[{extra}]'")
