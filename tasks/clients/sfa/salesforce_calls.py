"""Requests to Salesforce: what is asked and written, a page or a batch at a time."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from importlib import import_module
from typing import Any, Literal
from urllib.parse import quote

from tasks.clients.sfa.salesforce_address import address_of
from tasks.clients.sfa.salesforce_errors import RefusedError, not_salesforce, reason, refusal
from tasks.errors import RunError

COLLECTION_SIZE = 200
"""Records of one request; Salesforce takes no more."""
BULK_WAIT_SECONDS = 1.0
"""Between two looks at a bulk job, at first."""
_BULK_MOST_SECONDS = 900
_QUERIES_AT_ONCE = 5
_VALUES_LENGTH = 8_000  # a request's address may be 16 KB long, and holds the names of the fields as well
Action = Literal["update", "upsert"]


@dataclass(frozen=True)
class Row:
    """One record of whichever object."""

    kind: str
    values: Mapping[str, Any]

    @property
    def id(self) -> str:
        """The record's id."""
        return str(self.values["Id"])

    def get(self, name: str) -> str | None:
        """A field's value as text, or that of a record it leads to; None where it is empty or absent."""
        value: Any = self.values
        for part in name.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
        if isinstance(value, bool):
            return str(value).lower()
        if isinstance(value, Decimal):
            value = format(value.normalize(), "f") if value.is_finite() else None
        return None if value is None else str(value) or None

    def is_set(self, name: str) -> bool:
        """Whether a checkbox is ticked."""
        return self.values.get(name) is True


class Calls:
    """The requests that the client is made of.

    Args:
        url: ``salesforce://CLIENT_ID:CLIENT_SECRET@mydomain.my.salesforce.com``.
        timeout_seconds: On connecting, and on every wait for bytes of the answer.

    Raises:
        RunError: The library is not installed, or the URL lacks a part.
    """

    def __init__(self, url: str, timeout_seconds: float) -> None:
        address = address_of(url)
        self.is_local = address.is_local
        try:
            library = import_module("simple_salesforce")
        except ModuleNotFoundError:
            raise RunError("Salesforce needs its library: pip install 'nurture[salesforce]'") from None
        self._session = import_module("tasks.clients.sfa.salesforce_session").Session(address, timeout_seconds)
        self._quoted = library.format.quote_soql_value
        self._path = f"/services/data/v{address.version}"
        self._bulk_error: type[Exception] = library.exceptions.SalesforceOperationError
        # the token is the session's affair
        self._library = library.Salesforce(
            instance_url=address.base,
            session_id="-",
            session=self._session,
            version=address.version,
            parse_float=Decimal,
        )

    @property
    def user_id(self) -> str | None:
        """The run-as user, once a session is open."""
        found = self._session.user_id
        return None if found is None else str(found)

    def close(self) -> None:
        """Let go of connections."""
        self._session.close()

    def quoted(self, value: object) -> str:
        """A value as SOQL holds it."""
        return str(self._quoted(value))

    def query(self, soql: str) -> Iterator[Row]:
        """Records, deleted and archived ones among them."""
        answer = self._read(lambda: self._library.query(soql, include_deleted=True))
        while True:
            yield from _rows(answer)
            following = answer.get("nextRecordsUrl")
            if not following:
                return
            answer = self._read(lambda: self._library.query_more(following, identifier_is_url=True))  # noqa: B023

    def find(self, soql: str, column: str, values: Sequence[str]) -> list[Row]:
        """Records that bear one of many values; ``soql`` ends where the condition is to stand."""
        return [row for some in self._in_reach(values) for row in self.query(f"{soql} {column} IN {self.quoted(some)}")]

    def find_unseen(self, queries: Sequence[str], column: str, values: Sequence[str]) -> list[Row]:
        """Records that bear one of many values which may stand in no address of a request, and so in no log."""
        asked = [f"{soql} {column} IN {self.quoted(some)}" for some in self._in_reach(values) for soql in queries]
        found = []
        for start in range(0, len(asked), _QUERIES_AT_ONCE):
            parts = [
                {
                    "method": "GET",
                    "url": f"{self._path}/query/?q={quote(soql, safe='')}",
                    "referenceId": f"query{number}",
                }
                for number, soql in enumerate(asked[start : start + _QUERIES_AT_ONCE])
            ]
            answer = self._read(lambda: self._sent("POST", "composite", {"compositeRequest": parts}))  # noqa: B023
            answers = answer.get("compositeResponse")
            if not isinstance(answers, list) or len(answers) != len(parts):  # or a person would be taken for unknown
                raise not_salesforce("something else")
            for part in answers:
                body = part["body"]
                if part["httpStatusCode"] >= 300:
                    raise _unreadable(refusal(part["httpStatusCode"], json.dumps(body, default=str).encode()))
                found += _rows(body)
                while following := body.get("nextRecordsUrl"):
                    body = self._read(lambda: self._library.query_more(following, identifier_is_url=True))
                    found += _rows(body)
        return found

    def save(self, action: Action, kind: str, key: str, records: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Write at most 200 records, by ``Id`` or by the field ``key``; what became of each, in their order.

        Raises:
            RefusedError: None of them is written.
        """
        path = "composite/sobjects" if action == "update" else f"composite/sobjects/{kind}/{key}"
        # the one is asked for by its name in small letters
        body = [
            {"attributes": {"type": kind}} | {("id" if name == "Id" else name): value for name, value in record.items()}
            for record in records
        ]
        answer = self._sent("PATCH", path, {"allOrNone": False, "records": body})
        if not isinstance(answer, list) or len(answer) != len(records):
            raise not_salesforce("something else")
        return answer

    def save_bulk(
        self, action: Action, kind: str, key: str, records: Sequence[Mapping[str, Any]]
    ) -> dict[str, dict[str, Any]]:
        """Write many records by a bulk job; what became of each, by the field ``key``, which all of them bear."""
        table = [{name: _cell(value) for name, value in record.items()} for record in records]
        by = "Id" if action == "update" else key
        handler = getattr(self._library.bulk2, kind)
        handler._client.DEFAULT_WAIT_TIMEOUT_SECONDS = _BULK_MOST_SECONDS
        more = {} if action == "update" else {"external_id_field": by}
        found: dict[str, dict[str, Any]] = {}
        try:
            for job in getattr(handler, action)(records=table, wait=BULK_WAIT_SECONDS, **more):
                for row in _table(handler.get_successful_records(job["job_id"])):
                    found[row[key]] = {"success": True, "id": row["sf__Id"]}
                for row in _table(handler.get_failed_records(job["job_id"])):
                    code, _, message = row["sf__Error"].partition(":")
                    message = message.removesuffix(":--")
                    found[row[key]] = {"success": False, "errors": [{"statusCode": code, "message": message}]}
        except RefusedError as error:
            raise RunError(f"Salesforce refuses a bulk job of {kind}: {error}") from None
        except self._bulk_error as error:
            why = reason([{"message": str(error)}])
            raise RunError(
                f"Salesforce ended a bulk job of {kind}: {why}; correct what it names, and run again"
            ) from None
        except (ValueError, KeyError, TypeError):
            raise not_salesforce("something else") from None
        return found

    def _in_reach(self, values: Sequence[str]) -> Iterator[list[str]]:
        """The values, as many at once as the address of a request holds."""
        some: list[str] = []
        length = 0
        for value in dict.fromkeys(values):
            size = len(quote(self.quoted(value), safe="")) + 3
            if some and length + size > _VALUES_LENGTH:
                yield some
                some, length = [], 0
            some.append(value)
            length += size
        if some:
            yield some

    def _sent(self, method: str, path: str, body: Mapping[str, Any]) -> Any:
        try:
            return self._library.restful(path, method=method, json=body)
        except (ValueError, TypeError):
            raise not_salesforce("something else") from None

    def _read(self, ask: Any) -> dict[str, Any]:
        """The answer to what changes nothing."""
        try:
            answer = ask()
        except RefusedError as error:
            raise _unreadable(error) from None
        except ValueError:
            raise not_salesforce("something else") from None
        if not isinstance(answer, dict):
            raise not_salesforce("something else")
        return answer


def _rows(answer: Mapping[str, Any]) -> list[Row]:
    try:
        return [Row(str(record["attributes"]["type"]), record) for record in answer["records"]]
    except (KeyError, TypeError):
        raise not_salesforce("something else") from None


def _unreadable(error: Exception) -> RunError:
    return error if isinstance(error, RunError) else RunError(f"Salesforce refuses to read: {error}")


def _cell(value: object) -> str:
    """A value as a bulk job's table holds it; an empty cell would leave the field as it is."""
    return "#N/A" if value is None or value == "" else str(value)


def _table(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))
