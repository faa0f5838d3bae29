"""What Salesforce's refusals say, in words that tell the way out and hold nobody's address.

One refusal concerns the whole org (its login, permissions, fields, requests of the day) and is raised; another concerns
records, and then its reason is told beside them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson

from tasks.clients.sfa.faults import reason_of
from tasks.clients.sfa.salesforce_address import URL_FORM
from tasks.errors import RunError

MAX_WAIT_SECONDS = 60.0
DOC = "docs/reference/sfa_salesforce.md"
LOCKED = "UNABLE_TO_LOCK_ROW"
GONE = frozenset({"ENTITY_IS_DELETED", "CANNOT_UPDATE_CONVERTED_LEAD"})
_DEFAULT_WAIT_SECONDS = 2.0
_SETUP = frozenset({"INVALID_FIELD", "INVALID_FIELD_FOR_INSERT_UPDATE", "INVALID_TYPE"})
# the rest of such a message is the query, with the fields that are there
_MISSING = re.compile(r"(?:column|relationship|type) '([A-Za-z]\w*)'")
_OWN_NAME = re.compile(r"\b[A-Za-z]\w*__c\b")

Error = Mapping[str, Any]


class RefusedError(Exception):
    """Salesforce refused a request for what is in it; ``str()`` of it holds no address.

    Args:
        errors: The body, decoded.
    """

    def __init__(self, errors: Sequence[Error]) -> None:
        super().__init__(reason(errors))
        self.errors = errors


def decoded(body: bytes) -> list[dict[str, Any]]:
    """A body's errors; none where it holds none, such as the page of a proxy."""
    try:
        found = orjson.loads(body or b"[]")
    except orjson.JSONDecodeError:
        return []
    return [error for error in (found if isinstance(found, list) else [found]) if isinstance(error, dict)]


def code_of(error: Error) -> str:
    """The name of an error, which stands under one key for requests and under another for records."""
    return str(error.get("errorCode") or error.get("statusCode") or "")


def reason(errors: Iterable[Error]) -> str:
    """Salesforce's own words, short and without addresses."""
    return reason_of(": ".join(filter(None, (code_of(error), str(error.get("message") or "")))) for error in errors)


def refusal(status: int, body: bytes) -> Exception:
    """What to raise for an answer that is neither taken, nor to be waited for, nor to be asked for again."""
    errors = decoded(body)
    codes = {code_of(error) for error in errors}
    if status == 401:
        return RunError(
            "Salesforce refuses the session it has just opened: look at the app's policies and at its run-as user, who "
            f"needs the permission API Enabled ({DOC})"
        )
    if status < 500 and (of_all := refusal_of_all(errors)) is not None:
        return of_all
    if status == 403:
        return RunError(
            f"Salesforce's run-as user lacks a permission: {reason(errors)}; assign the permission set ({DOC})"
        )
    if status == 404 and "external id" in reason(errors).lower():
        return RunError(
            "Salesforce's fields Nurture_Lead_Id__c (Lead, Contact) and Nurture_Handoff_Id__c (Activity) must be "
            f"marked External ID, and be visible to the run-as user ({DOC})"
        )
    if "INVALID_QUERY_LOCATOR" in codes:
        return RunError("Salesforce has forgotten how far a list was read: run again")
    if 400 <= status < 500 and codes - {""}:
        return RefusedError(errors)
    if 300 <= status < 400:
        return RunError(
            f"Salesforce answered with a redirect ({status}), which is not followed; look at NURTURE_SFA_URL"
        )
    if status < 500:
        return not_salesforce("a page that is not there")
    return RunError(f"Salesforce answered {status}: {reason(errors)}; run again later")


def refusal_of_all(errors: Sequence[Error]) -> RunError | None:
    """What to raise where an error concerns every record alike: how the org is set up."""
    for error in errors:
        if code_of(error) in _SETUP:
            text = str(error.get("message") or "")
            named = [str(name) for name in error.get("fields") or []]
            named = named or _MISSING.findall(text) or _OWN_NAME.findall(text)
            names = ", ".join(dict.fromkeys(named)) or "(it does not say which)"
            return RunError(
                f"Salesforce has no field or object {names}, or hides it from the run-as user: create it under Setup, "
                f"Object Manager, and let the permission set read and edit it, or name another one for it ({DOC})"
            )
    return None


def login_refusal(status: int, body: bytes) -> RunError:
    """What to raise where no session is opened."""
    [error, *_] = decoded(body) or [{}]
    name = str(error.get("error") or "")
    if not name:
        return not_salesforce(f"something that opens no session ({status})")
    why = reason_of([f"{name}: {error.get('error_description') or 'no reason given'}"])
    return RunError(
        f"Salesforce opens no session ({why}): look at NURTURE_SFA_URL, which is {URL_FORM}; the app needs the client "
        f"credentials flow and a run-as user ({DOC})"
    )


def not_salesforce(what: str) -> RunError:
    """What to raise for an answer that Salesforce's API does not give."""
    return RunError(f"NURTURE_SFA_URL leads to {what}, not to Salesforce's API: it is {URL_FORM}")


def wait_seconds(status: int, body: bytes, headers: Mapping[str, str]) -> float | None:
    """How long a rate limit asks to wait; None where there is none.

    Raises:
        RunError: The limit of the day is used up: no wait within a run helps.
    """
    is_limit = any(code_of(error) == "REQUEST_LIMIT_EXCEEDED" for error in decoded(body))
    if is_limit and "concurrent" not in reason(decoded(body)).lower():
        raise RunError(
            "Salesforce's API requests are used up, by all apps of the org together, counted over the last 24 hours: "
            "run again in a few hours (Setup, System Overview tells how many are left), or let the engine run less "
            "often"
        )
    if not is_limit and status != 429:
        return None
    try:
        found = float(headers.get("Retry-After") or "")
    except ValueError:
        found = _DEFAULT_WAIT_SECONDS
    return max(found, 0.05) if found < 1e9 else _DEFAULT_WAIT_SECONDS
