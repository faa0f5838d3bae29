"""The addresses of a stand-in HubSpot: what each is asked and answers, with the limits that HubSpot sets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request

from sandbox.hubspot_account import Account, Record
from sandbox.hubspot_rules import STAMPS, Refused, iso


class Desk:
    """Answers requests to one account.

    Args:
        search_limit: How far an offset of a search reaches.
        search_page: The most records one page of a search gives.
        list_page: The most records one page of a list gives.
    """

    def __init__(self, search_limit: int, search_page: int, list_page: int) -> None:
        self.search_limit = search_limit
        self.search_page = search_page
        self.list_page = list_page
        self.reset()

    def reset(self) -> None:
        """Begins with an empty account."""
        self.account = Account()
        self.refused: set[str] = set()
        self.is_unmarked = False
        self.checks_by_record = False

    def list(self, kind: str, _: str, request: Request, __: Any) -> tuple[int, dict[str, Any]]:
        """GET objects, such as the archived ones."""
        query = request.query_params
        size = min(int(query.get("limit", 10)), self.list_page)
        is_archived = query.get("archived", "").lower() == "true"
        rows = sorted(
            (record for record in self.account.records[kind].values() if (record.archived is not None) == is_archived),
            key=lambda record: int(record.id),
        )
        rest = [record for record in rows if int(record.id) > int(query.get("after", 0))]
        found: dict[str, Any] = {"results": [_shown(kind, row, query.getlist("properties")) for row in rest[:size]]}
        if len(rest) > size:
            found["paging"] = {"next": {"after": rest[size - 1].id}}
        return 200, found

    def search(self, kind: str, _: str, __: Request, body: Any) -> tuple[int, dict[str, Any]]:
        """POST search."""
        offset, size = int(body.get("after", 0)), int(body.get("limit", 10))
        if size > self.search_page:
            raise Refused(400, f"limit must not exceed {self.search_page}")
        if offset + size > self.search_limit:
            raise Refused(400, f"Paging through more than {self.search_limit} results is not supported")
        if len(body.get("sorts", [])) > 1:
            raise Refused(400, "Only one sort is supported")
        [group] = body["filterGroups"]
        known = self.account.properties[kind] | {STAMPS[kind], "hs_object_id"}
        if not {test["propertyName"] for test in group["filters"]} <= known:
            raise Refused(400, "There was a problem with the request.")
        rows = [row for row in self.account.alive(kind) if all(_fulfils(kind, row, test) for test in group["filters"])]
        for sort in body.get("sorts", []):
            rows.sort(key=lambda row: int(_value(kind, row, sort["propertyName"]) or 0))
        found: dict[str, Any] = {
            "total": len(rows),
            "results": [_shown(kind, row, body["properties"]) for row in rows[offset : offset + size]],
        }
        if len(rows) > offset + size:
            found["paging"] = {"next": {"after": str(offset + size)}}
        return 200, found

    def read(self, kind: str, _: str, __: Request, body: Any) -> tuple[int, dict[str, Any]]:
        """POST batch/read."""
        ids = [item["id"] for item in _batch(body)]
        rows = {id_: self.account.find(kind, id_, body.get("idProperty")) for id_ in ids}
        found = {row.id: row for row in rows.values() if row is not None}
        answer: dict[str, Any] = {"results": [_shown(kind, row, body["properties"]) for row in found.values()]}
        gone = [id_ for id_, row in rows.items() if row is None]
        return _told(answer, [_not_found(gone)] if gone else [])

    def write(self, kind: str, _: str, __: Request, body: Any) -> tuple[int, dict[str, Any]]:
        """POST batch/update and batch/upsert."""
        inputs = _batch(body)
        if not self.checks_by_record:
            self.account.check(kind, inputs)
        results, errors = [], []
        for item in inputs:
            mark = item.get("objectWriteTraceId")
            try:
                if item["id"] in self.refused:
                    email = item["properties"].get("email", "this record")
                    raise Refused(400, f"{email} is refused by a rule of the account")
                self.account.check(kind, [item])
            except Refused as refused:
                context = {} if self.is_unmarked else {"objectWriteTraceId": [mark]}
                errors.append(refused.body | {"context": context})
                continue
            written = self.account.write(kind, item)
            if written is None:
                errors.append(_not_found([item["id"]]))
                continue
            shown = _shown(kind, written[0], item["properties"]) | {"new": written[1]}
            results.append(shown if self.is_unmarked else shown | {"objectWriteTraceId": mark})
        return _told({"results": results}, errors)

    def tied(self, kind: str, to: str, __: Request, body: Any) -> tuple[int, dict[str, Any]]:
        """POST associations batch/read."""
        results, missing = [], []
        for item in _batch(body):
            if others := self.account.tied(kind, item["id"], to):
                ties = [{"toObjectId": int(other), "associationTypes": []} for other in others]
                results.append({"from": {"id": item["id"]}, "to": ties})
            else:
                missing.append(item["id"])
        return _told({"results": results}, [_not_found(missing)] if missing else [])

    def tie(self, kind: str, to: str, __: Request, body: Any) -> tuple[int, dict[str, Any]]:
        """POST associations batch/associate/default."""
        pairs = [(item["from"]["id"], item["to"]["id"]) for item in _batch(body)]
        for one, other in pairs:
            if {one, other} & self.refused:
                raise Refused(400, f"{other} cannot be associated with {one}")
        for one, other in pairs:
            self.account.tie(kind, one, to, other)
        return 200, {
            "status": "COMPLETE",
            "results": [{"from": {"id": one}, "to": {"id": other}} for one, other in pairs],
        }


def _batch(body: Any) -> list[dict[str, Any]]:
    inputs: list[dict[str, Any]] = body["inputs"]
    if not 0 < len(inputs) <= 100:
        raise Refused(400, f"{len(inputs)} inputs; from 1 to 100 are taken")
    return inputs


def _told(answer: dict[str, Any], errors: list[dict[str, Any]]) -> tuple[int, dict[str, Any]]:
    if not errors:
        return 200, {"status": "COMPLETE"} | answer
    return 207, {"status": "COMPLETE", "numErrors": len(errors), "errors": errors} | answer


def _not_found(ids: list[str]) -> dict[str, Any]:
    message = "Could not get some objects, they may be deleted or not exist. Check that ids are valid."
    return {"status": "error", "category": "OBJECT_NOT_FOUND", "message": message, "context": {"ids": ids}}


def _value(kind: str, record: Record, name: str) -> str | None:
    """A property as a search compares it: stamps in milliseconds."""
    if name == STAMPS[kind]:
        return str(record.modified)
    return record.id if name == "hs_object_id" else record.properties.get(name) or None


def _fulfils(kind: str, record: Record, test: Mapping[str, Any]) -> bool:
    value = _value(kind, record, test["propertyName"])
    match test["operator"]:
        case "HAS_PROPERTY":
            return value is not None
        case "EQ":
            return value == str(test["value"])
        case "GT":
            return value is not None and int(value) > int(test["value"])
        case "GTE":
            return value is not None and int(value) >= int(test["value"])
    raise Refused(400, f"operator {test['operator']} is not known")


def _shown(kind: str, record: Record, names: Any) -> dict[str, Any]:
    """A record as HubSpot answers it: what was asked for, and what always comes along."""
    own = {"hs_object_id": record.id, "createdate": iso(record.created), STAMPS[kind]: iso(record.modified)}
    asked = {name: record.properties.get(name) or None for name in names if name not in own}
    shown = {
        "id": record.id,
        "properties": asked | own,
        "createdAt": iso(record.created),
        "updatedAt": iso(record.modified),
        "archived": record.archived is not None,
    }
    return shown | ({} if record.archived is None else {"archivedAt": iso(record.archived)})
