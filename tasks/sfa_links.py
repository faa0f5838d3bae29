"""Where a lead's record can be opened in the SFA; known of Salesforce alone, whose address the settings hold."""

from __future__ import annotations

from settings import Settings
from tasks.clients.sfa.salesforce_address import address_of
from tasks.errors import RunError


def record_url(settings: Settings, sfa_id: str | None) -> str:
    """The page of a record, behind Salesforce's own login; empty where the address is not known.

    A database has no pages, and HubSpot's lie under a number of the portal that no setting holds.
    """
    if sfa_id is None or not settings.sfa.startswith("salesforce://"):
        return ""
    try:
        return f"{address_of(settings.sfa).base}/{sfa_id}"
    except RunError:  # the sync tells what is wrong with it
        return ""
