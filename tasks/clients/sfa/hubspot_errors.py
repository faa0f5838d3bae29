"""What HubSpot's refusals say, in words that tell the way out and hold nobody's address.

One refusal concerns the whole account (its token, scopes, properties, requests of the day) and is raised; another
concerns records, and then its reason is told beside them. Of what HubSpot writes only the beginning is shown, with
addresses replaced: its messages repeat the values they refuse.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from tasks.clients.sfa.faults import reason_of
from tasks.errors import RunError

MAX_WAIT_SECONDS = 60.0
DOC = "docs/reference/sfa_hubspot.md"
_DEFAULT_WAIT_SECONDS = 1.0
_BY_RECORD = frozenset({400, 404, 409, 413})
_UNKNOWN_PROPERTY = re.compile(r'Property \\?"([\w]+)\\?" does not exist')
_SCOPE = re.compile(r"[a-z][\w-]*(?:\.[\w-]+)+")


class RefusedError(Exception):
    """HubSpot refused a request for what is in it; ``str()`` of it holds no address.

    Args:
        status: The HTTP status.
        error: The body, decoded.
    """

    def __init__(self, status: int, error: Mapping[str, Any]) -> None:
        super().__init__(reason(error))
        self.status = status
        self.error = error


def decoded(body: bytes | str | None) -> dict[str, Any]:
    """A body as an object; an empty one where it is none, such as the page of a proxy."""
    try:
        found = orjson.loads(body or b"")
    except orjson.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}


def reason(error: Mapping[str, Any]) -> str:
    """HubSpot's own words, short and without addresses."""
    texts = [str(error.get("message") or "")]
    texts += [str(detail.get("message") or "") for detail in _details(error)]
    return reason_of(texts)


def refusal(status: int, body: bytes | str | None) -> Exception:
    """What to raise for an answer that is neither taken, nor to be waited for, nor to be asked for again."""
    error = decoded(body)
    if status == 401:
        return RunError(
            "HubSpot refuses the token: look at NURTURE_SFA_URL, which is hubspot://:TOKEN@api.hubapi.com; the token "
            f"is shown under Settings, Integrations, Private Apps, and may have been rotated ({DOC})"
        )
    if status == 403:
        scopes = ", ".join(_scopes(error)) or "crm.objects.contacts, crm.objects.deals (read) and their schemas"
        return RunError(f"HubSpot's private app lacks scopes: {scopes}; add them to it and commit its changes ({DOC})")
    if status < 500 and (of_all := refusal_of_all(error)) is not None:
        return of_all
    if status == 413 or (status in _BY_RECORD and error.get("category" if status == 404 else "message")):
        return RefusedError(status, error)
    if status == 404:  # which no record is missing for
        return not_hubspot("a page that is not there")
    if status < 400:
        return RunError(f"HubSpot answered with a redirect ({status}), which is not followed; look at NURTURE_SFA_URL")
    return RunError(f"HubSpot answered {status}: {reason(error)}; run again later")


def refusal_of_all(error: Mapping[str, Any]) -> RunError | None:
    """What to raise where an error concerns every record alike: how the account's properties are set up."""
    if missing := _missing_properties(error):
        return RunError(
            f"HubSpot has no property {', '.join(missing)}: create it under Settings, Properties, or name another one "
            f"for that field ({DOC})"
        )
    if "non-unique" in reason(error).lower():
        return RunError(
            "HubSpot's properties nurture_lead_id (contacts) and nurture_handoff_id (tasks) must require unique "
            f"values, which can be chosen only when a property is created: create them anew ({DOC})"
        )
    return None


def not_hubspot(what: str) -> RunError:
    """What to raise for an answer that HubSpot's API does not give."""
    return RunError(f"NURTURE_SFA_URL leads to {what}, not to HubSpot's API: it is hubspot://:TOKEN@api.hubapi.com")


def wait_seconds(body: bytes | str | None, headers: Mapping[str, str]) -> float:
    """How long a rate limit asks to wait.

    Raises:
        RunError: The limit of the day is used up: no wait within a run helps.
    """
    error = decoded(body)
    if "DAILY" in f"{error.get('policyName', '')} {error.get('message', '')}".upper():
        raise RunError(
            "HubSpot's requests of the day are used up, by all private apps of the account together: run again after "
            "midnight in the account's time zone, or let the engine run less often"
        )
    found = _number(headers.get("Retry-After"))
    if found is None:
        milliseconds = _number(headers.get("X-HubSpot-RateLimit-Interval-Milliseconds"))
        found = _DEFAULT_WAIT_SECONDS if milliseconds is None else milliseconds / 1000
    return max(found, 0.05)


def _number(text: str | None) -> float | None:
    try:
        found = float(text or "")
    except ValueError:
        return None
    return found if 0 <= found < 1e9 else None


def _details(error: Mapping[str, Any]) -> list[dict[str, Any]]:
    found = error.get("errors")
    return [detail for detail in found if isinstance(detail, dict)] if isinstance(found, list) else []


def _texts(value: object) -> Iterator[str]:
    """Every text within, however deep: HubSpot writes scopes as a list, as a text, and as a list within a text."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _texts(item)


def _scopes(error: Mapping[str, Any]) -> list[str]:
    contexts = [error.get("context"), *(detail.get("context") for detail in _details(error))]
    return sorted({scope for context in contexts for text in _texts(context) for scope in _SCOPE.findall(text)})


def _missing_properties(error: Mapping[str, Any]) -> list[str]:
    text = " ".join(_texts(dict(error)))
    names = set(_UNKNOWN_PROPERTY.findall(text))
    if not names and "PROPERTY_DOESNT_EXIST" in text:
        contexts = [detail.get("context") for detail in _details(error)]
        named = [_texts(context.get("propertyName")) for context in contexts if isinstance(context, dict)]
        names = {name for found in named for name in found} or {"(it does not say which)"}
    return sorted(names)
