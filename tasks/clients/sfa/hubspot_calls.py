"""Requests to HubSpot's CRM: each with a time-out, tried again where that helps, and answered record by record.

All of them may be made twice: reads change nothing, and writes name each record by its id or by ours. A batch of which
HubSpot refuses the whole for one record is halved until that record stands alone.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from importlib import import_module
from typing import Any
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

from settings import LOOPBACK_HOSTS
from tasks.clients.sfa.hubspot_errors import MAX_WAIT_SECONDS, RefusedError, decoded, reason, refusal, wait_seconds
from tasks.errors import RunError

BATCH_SIZE = 100
"""Inputs of one batch; HubSpot takes no more."""
_TRIES = 3
_PAUSE_SECONDS = 0.5


@dataclass(frozen=True)
class Row:
    """One record of whichever kind."""

    id: str
    properties: Mapping[str, str | None] = field(default_factory=dict)
    archived_at: datetime | None = None

    def get(self, name: str) -> str | None:
        """A property's value; None where it is empty or absent."""
        return self.properties.get(name) or None

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Row:
        """A record as HubSpot answers it."""
        archived_at = value.get("archivedAt")
        return cls(
            str(value["id"]),
            value.get("properties") or {},
            datetime.fromisoformat(archived_at) if archived_at else None,
        )


@dataclass(frozen=True)
class Outcome:
    """What became of one input: the record's id, or why there is none."""

    id: str | None = None
    message: str | None = None
    is_gone: bool = False


class Calls:
    """The requests that the client is made of.

    Args:
        url: ``hubspot://:TOKEN@api.hubapi.com``; a loopback host is spoken to over http, with a port.
        timeout_seconds: On connecting, and on every wait for bytes of the answer.

    Raises:
        RunError: The library is not installed, or the URL names no host or no token.
    """

    def __init__(self, url: str, timeout_seconds: float) -> None:
        parts = urlsplit(url)
        host, token = parts.hostname or "", unquote(parts.password or "")
        if parts.scheme != "hubspot" or not host or not token or not token.isprintable():
            raise RunError("NURTURE_SFA_URL must be hubspot://:TOKEN@api.hubapi.com, with a private app's access token")
        self.is_local = host in LOOPBACK_HOSTS
        self._timeout = (timeout_seconds, timeout_seconds)
        at = f"[{host}]" if ":" in host else host
        base = f"{'http' if self.is_local else 'https'}://{at}{f':{parts.port}' if parts.port else ''}"
        config: dict[str, Any] = {"access_token": token, "host": base}
        if not self.is_local and not proxy_bypass(host):
            config["proxy"] = getproxies().get("https")
        try:
            library = import_module("hubspot")
            # neither tries again nor follows redirects: that is decided here
            config["retry"] = import_module("urllib3.util").Retry(total=False, redirect=False)
        except ModuleNotFoundError:
            raise RunError("HubSpot needs its library: pip install 'nurture[hubspot]'") from None
        self._network_error: type[Exception] = import_module("urllib3.exceptions").HTTPError
        self._api_error: type[Exception] = import_module("hubspot.crm.objects.exceptions").ApiException
        self._association_error: type[Exception] = import_module("hubspot.crm.associations.v4.exceptions").ApiException
        crm = library.HubSpot(**config).crm
        self._batch, self._basic = crm.objects.batch_api, crm.objects.basic_api
        self._search, self._associations = crm.objects.search_api, crm.associations.v4.batch_api
        for name in ("hubspot", "urllib3"):  # prints bodies at DEBUG
            logging.getLogger(name).setLevel(logging.WARNING)

    def close(self) -> None:
        """Let go of connections."""
        for api in (self._batch, self._basic, self._search, self._associations):
            api.api_client.rest_client.pool_manager.clear()

    def search(
        self, kind: str, filters: Sequence[Mapping[str, Any]], sort: str, names: Sequence[str], limit: int
    ) -> list[Row]:
        """The first records that fulfil all filters, ascending by one property."""
        query = {
            "filterGroups": [{"filters": list(filters)}],
            "sorts": [{"propertyName": sort, "direction": "ASCENDING"}],
            "properties": list(names),
            "limit": limit,
        }
        return [Row.from_json(row) for row in self._asked(self._search.do_search, kind, query).get("results", [])]

    def read(self, kind: str, ids: Sequence[str], names: Sequence[str], id_property: str | None = None) -> list[Row]:
        """Those of the records that exist; a merged one is answered by that which took its place."""
        rows = []
        for start in range(0, len(ids), BATCH_SIZE):
            query: dict[str, Any] = {"inputs": [{"id": id_} for id_ in ids[start : start + BATCH_SIZE]]}
            query |= {"properties": list(names)} | ({"idProperty": id_property} if id_property else {})
            try:
                answer = self._asked(self._batch.read, kind, query)
            except RefusedError as error:
                if error.status != 404:
                    raise RunError(f"HubSpot refuses to read {kind}: {error}") from None
                continue  # none of them exists
            rows += [Row.from_json(row) for row in answer.get("results", [])]
        return rows

    def archived(self, kind: str, names: Sequence[str]) -> Iterator[Row]:
        """Every deleted record that HubSpot still lists, in no order."""
        after: str | None = None
        while True:
            more = {"after": after} if after else {}
            answer = self._asked(
                self._basic.get_page, kind, limit=BATCH_SIZE, archived=True, properties=list(names), **more
            )
            yield from (Row.from_json(row) for row in answer.get("results", []))
            after = ((answer.get("paging") or {}).get("next") or {}).get("after")
            if not after:
                return

    def update(self, kind: str, inputs: Sequence[Mapping[str, Any]]) -> list[Outcome]:
        """Change records named by ``id``; one outcome each, in their order."""
        return self._written(self._batch.update, kind, inputs)

    def upsert(self, kind: str, inputs: Sequence[Mapping[str, Any]]) -> list[Outcome]:
        """Make or change records named by the value ``id`` of ``idProperty``; one outcome each, in their order."""
        return self._written(self._batch.upsert, kind, inputs)

    def associated(self, kind: str, to_kind: str, ids: Sequence[str]) -> dict[str, str]:
        """The first associated record of each that has one."""
        found: dict[str, str] = {}
        for start in range(0, len(ids), BATCH_SIZE):
            query = {"inputs": [{"id": id_} for id_ in ids[start : start + BATCH_SIZE]]}
            try:
                answer = self._asked(self._associations.get_page, kind, query, to_kind=to_kind)
            except RefusedError as error:
                if error.status != 404:
                    raise RunError(f"HubSpot refuses to read associations of {kind}: {error}") from None
                continue  # none of them has any
            found |= {
                str(row["from"]["id"]): str(row["to"][0]["toObjectId"]) for row in answer["results"] if row.get("to")
            }
        return found

    def associate(self, kind: str, to_kind: str, pairs: Sequence[tuple[str, str]]) -> list[str | None]:
        """Tie records to others; why not, or None, for each pair in their order."""
        query = {"inputs": [{"from": {"id": one}, "to": {"id": other}} for one, other in pairs]}
        if not pairs:
            return []
        try:
            answer = self._asked(self._associations.create_default, kind, query, to_kind=to_kind)
        except RefusedError as error:
            if len(pairs) == 1:
                return [str(error)]
            return [why for pair in pairs for why in self.associate(kind, to_kind, [pair])]
        tied = {(str(row["from"]["id"]), str(row["to"]["id"])) for row in answer.get("results", [])}
        errors = answer.get("errors") or [{}]
        return [None if pair in tied else reason(errors[0]) for pair in pairs]

    def _written(self, call: Callable[..., Any], kind: str, inputs: Sequence[Mapping[str, Any]]) -> list[Outcome]:
        if not inputs:
            return []
        marked = [{**item, "objectWriteTraceId": str(number)} for number, item in enumerate(inputs)]
        try:
            answer = self._asked(call, kind, {"inputs": marked})
        except RefusedError as error:
            if len(inputs) == 1:
                return [Outcome(message=str(error), is_gone=error.status == 404)]
            half = len(inputs) // 2
            return self._written(call, kind, inputs[:half]) + self._written(call, kind, inputs[half:])
        outcomes = _outcomes(answer, marked)
        if len(inputs) == 1:
            return [outcomes.get("0") or Outcome(message="HubSpot's answer tells nothing of this record")]
        # whose fate the answer leaves open is written again alone, which is harmless
        return [outcomes.get(str(number)) or self._written(call, kind, [item])[0] for number, item in enumerate(inputs)]

    def _asked(
        self, call: Callable[..., Any], kind: str, *query: Any, to_kind: str | None = None, **more: Any
    ) -> dict[str, Any]:
        """One request and its answer, after the waits and the tries that it takes."""
        kinds = (kind,) if to_kind is None else (kind, to_kind)
        waited, failures, rest = 0.0, 0, {"_request_timeout": self._timeout, "_preload_content": False}
        while True:
            try:
                reply = call(*kinds, *query, **more, **rest)
                return decoded(reply.data)
            except (self._api_error, self._association_error) as error:
                status, body, headers = int(error.status or 0), error.body, error.headers or {}  # type: ignore[attr-defined]
                if status == 429:
                    seconds = wait_seconds(body, headers)
                    waited += seconds
                    if waited > MAX_WAIT_SECONDS:
                        raise RunError("HubSpot's rate limit does not lift within a minute: run again later") from None
                    time.sleep(seconds)
                    continue
                if 0 < status < 500 or failures + 1 >= _TRIES:
                    raise refusal(status, body) from None
                failures += 1
            except (self._network_error, UnicodeDecodeError, AttributeError) as error:
                # for a certificate that cannot be verified the library stumbles over the body that is not there
                failures += 1
                if failures >= _TRIES:
                    name = "TLS" if isinstance(error, AttributeError) else type(error).__name__
                    raise RunError(f"HubSpot gives no answer after {_TRIES} tries ({name}): run again later") from None
            time.sleep(_PAUSE_SECONDS * failures)


def _outcomes(answer: Mapping[str, Any], inputs: Sequence[Mapping[str, Any]]) -> dict[str, Outcome]:
    """What an answer says of which input, by the mark that HubSpot repeats, else by the id."""
    found: dict[str, Outcome] = {}
    by_id = {str(item["id"]): str(item["objectWriteTraceId"]) for item in inputs}
    names = {str(item["idProperty"]) for item in inputs if "idProperty" in item}
    for row in answer.get("results", []):
        values = [str((row.get("properties") or {}).get(name)) for name in names] or [str(row["id"])]
        mark = str(row.get("objectWriteTraceId") or by_id.get(values[0]))
        found[mark] = Outcome(id=str(row["id"]))
    errors = [error for error in answer.get("errors") or [] if isinstance(error, dict)]
    for error in errors:
        context = error.get("context") or {}
        marks = list(context.get("objectWriteTraceId") or []) + [
            by_id.get(str(id_)) for id_ in context.get("ids") or []
        ]
        outcome = Outcome(message=reason(error), is_gone=error.get("category") == "OBJECT_NOT_FOUND")
        found |= {str(mark): outcome for mark in marks if mark is not None and str(mark) not in found}
    return found
