"""Requests to HubSpot's CRM: each with a time-out, waited for and tried again where that helps.

All of them may be made twice: reads change nothing, and writes name each record by its id or by ours.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from importlib import import_module
from typing import Any, Literal

from settings import LOOPBACK_HOSTS
from tasks.clients.sfa.hubspot_address import address_of, proxy_of
from tasks.clients.sfa.hubspot_errors import (
    MAX_WAIT_SECONDS,
    RefusedError,
    decoded,
    not_hubspot,
    reason,
    refusal,
    wait_seconds,
)
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


class Calls:
    """The requests that the client is made of.

    Args:
        url: ``hubspot://:TOKEN@api.hubapi.com``; a loopback host is spoken to over http, with a port.
        timeout_seconds: On connecting, and on every wait for bytes of the answer.

    Raises:
        RunError: The library is not installed, or the URL names no host or no token.
    """

    def __init__(self, url: str, timeout_seconds: float) -> None:
        host, port, token = address_of(url)
        self.is_local = host in LOOPBACK_HOSTS
        self._timeout = (timeout_seconds, timeout_seconds)
        base = f"{'http' if self.is_local else 'https'}://{f'[{host}]' if ':' in host else host}"
        config: dict[str, Any] = {"access_token": token, "host": base if port is None else f"{base}:{port}"}
        try:
            library = import_module("hubspot")
            # neither tries again nor follows redirects: that is decided here
            config["retry"] = import_module("urllib3.util").Retry(total=False, redirect=False)
            config |= proxy_of(host, import_module("urllib3.util").make_headers)
        except ModuleNotFoundError:
            raise RunError("HubSpot needs its library: pip install 'nurture[hubspot]'") from None
        self._network_error: type[Exception] = import_module("urllib3.exceptions").HTTPError
        self._api_error: type[Exception] = import_module("hubspot.crm.objects.exceptions").ApiException
        self._association_error: type[Exception] = import_module("hubspot.crm.associations.v4.exceptions").ApiException
        crm = library.HubSpot(**config).crm
        self._batch, self._basic = crm.objects.batch_api, crm.objects.basic_api
        self._search, self._associations = crm.objects.search_api, crm.associations.v4.batch_api

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
        return [Row.from_json(row) for row in self._read(self._search.do_search, kind, query).get("results", [])]

    def read(self, kind: str, ids: Sequence[str], names: Sequence[str], id_property: str | None = None) -> list[Row]:
        """Those of the records that exist; a merged one is answered by that which took its place."""
        rows = []
        for start in range(0, len(ids), BATCH_SIZE):
            query: dict[str, Any] = {"inputs": [{"id": id_} for id_ in ids[start : start + BATCH_SIZE]]}
            query |= {"properties": list(names)} | ({"idProperty": id_property} if id_property else {})
            answer = self._read(self._batch.read, kind, query)
            for error in answer.get("errors") or []:
                if error.get("category") != "OBJECT_NOT_FOUND":  # or it would be taken for deleted
                    raise RunError(f"HubSpot cannot read some {kind}: {reason(error)}; run again later")
            rows += [Row.from_json(row) for row in answer.get("results", [])]
        return rows

    def archived(self, kind: str, names: Sequence[str]) -> Iterator[Row]:
        """Every deleted record that HubSpot still lists, in no order."""
        after: str | None = None
        while True:
            more = {"after": after} if after else {}
            answer = self._read(
                self._basic.get_page, kind, limit=BATCH_SIZE, archived=True, properties=list(names), **more
            )
            yield from (Row.from_json(row) for row in answer.get("results", []))
            after = ((answer.get("paging") or {}).get("next") or {}).get("after")
            if not after:
                return

    def batch(
        self, action: Literal["update", "upsert"], kind: str, inputs: Sequence[Mapping[str, Any]]
    ) -> dict[str, Any]:
        """Write records at once; HubSpot's answer.

        Raises:
            RefusedError: None of them is written.
        """
        return self._asked(getattr(self._batch, action), kind, {"inputs": list(inputs)})

    def tie(self, kind: str, to_kind: str, pairs: Sequence[tuple[str, str]]) -> dict[str, Any]:
        """Tie records to others; HubSpot's answer.

        Raises:
            RefusedError: None of them is tied.
        """
        query = {"inputs": [{"from": {"id": one}, "to": {"id": other}} for one, other in pairs]}
        return self._asked(self._associations.create_default, kind, query, to_kind=to_kind)

    def associated(self, kind: str, to_kind: str, ids: Sequence[str]) -> dict[str, str]:
        """The first associated record of each that has one."""
        found: dict[str, str] = {}
        for start in range(0, len(ids), BATCH_SIZE):
            query = {"inputs": [{"id": id_} for id_ in ids[start : start + BATCH_SIZE]]}
            answer = self._read(self._associations.get_page, kind, query, to_kind=to_kind)
            found |= {
                str(row["from"]["id"]): str(row["to"][0]["toObjectId"])
                for row in answer.get("results", [])
                if row.get("to")
            }
        return found

    def _read(self, call: Callable[..., Any], kind: str, *query: Any, **more: Any) -> dict[str, Any]:
        """A request that changes nothing, and its answer; an empty one where none of the records exists."""
        try:
            return self._asked(call, kind, *query, **more)
        except RefusedError as error:
            if error.status == 404:
                return {}
            raise RunError(f"HubSpot refuses to read {kind}: {error}") from None

    def _asked(
        self, call: Callable[..., Any], kind: str, *query: Any, to_kind: str | None = None, **more: Any
    ) -> dict[str, Any]:
        """One request and its answer, after the waits and the tries that it takes."""
        kinds = (kind,) if to_kind is None else (kind, to_kind)
        waited, failures, rest = 0.0, 0, {"_request_timeout": self._timeout, "_preload_content": False}
        while True:
            try:
                reply = call(*kinds, *query, **more, **rest)
                answer = decoded(reply.data)
                if "results" not in answer:
                    raise not_hubspot("something else")
                return answer
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
