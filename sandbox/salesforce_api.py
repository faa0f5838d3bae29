"""The addresses of a stand-in Salesforce: what each is asked and answers, with the limits that Salesforce sets."""

from __future__ import annotations

import csv
import io
import itertools
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

from sandbox.salesforce_org import Org, Record
from sandbox.salesforce_rules import BadRecord, Refused, wire
from sandbox.salesforce_soql import Query, Reader, holds

_COLLECTION_SIZE = 200
_MOST_URL = 16_384
_LEADS_TO = {"Account": "AccountId"}
_CHILDREN = {"OpportunityContactRoles": ("OpportunityContactRole", "OpportunityId")}


class Desk:
    """Answers requests to one org.

    Args:
        page: The most records one page of a query gives.
    """

    def __init__(self, page: int) -> None:
        self.page = page
        self.path = ""
        self.reset()

    def reset(self) -> None:
        """Begins with an empty org."""
        self.org = Org()
        self.jobs: dict[str, dict[str, Any]] = {}
        self.bulk_error: str | None = None
        self._cursors: dict[str, list[dict[str, Any]]] = {}
        self._number = itertools.count(1)

    # queries

    def query(self, url: str, text: str, has_deleted: bool) -> dict[str, Any]:
        """GET query and queryAll."""
        if len(url) > _MOST_URL:
            raise Refused(414, "URI_TOO_LONG", "the address of the request is too long")
        query = Reader(text).whole()
        rows = [self._shown(query, record) for record in self._found(query, has_deleted)]
        return self._paged(rows, 0, len(rows))

    def more(self, locator: str) -> dict[str, Any]:
        """GET what follows a page."""
        cursor, _, offset = locator.rpartition("-")
        if cursor not in self._cursors:
            raise Refused(400, "INVALID_QUERY_LOCATOR", "invalid query locator")
        rows = self._cursors[cursor]
        return self._paged(rows, int(offset), len(rows), cursor)

    def forget_cursors(self) -> None:
        """Lets no list be read further."""
        self._cursors.clear()

    def _paged(self, rows: list[dict[str, Any]], offset: int, total: int, cursor: str | None = None) -> dict[str, Any]:
        end = offset + self.page
        answer: dict[str, Any] = {"totalSize": total, "done": end >= total, "records": rows[offset:end]}
        if end < total:
            cursor = cursor or f"01g{next(self._number):012}AAA"
            self._cursors[cursor] = rows
            answer["nextRecordsUrl"] = f"{self.path}/query/{cursor}-{end}"
        return answer

    def _found(self, query: Query, has_deleted: bool, parent: tuple[str, str] | None = None) -> list[Record]:
        kind = query.source
        if kind not in self.org.records:
            raise Refused(400, "INVALID_TYPE", f"sObject type '{kind}' is not supported.")
        for name in (*query.names, *(condition.name for condition in query.conditions)):
            self._type(kind, name)
        rows = [record for record in self.org.records[kind].values() if has_deleted or not record["IsDeleted"]]
        if parent is not None:
            rows = [record for record in rows if record[parent[0]] == parent[1]]
        for condition in query.conditions:
            value = condition.value
            if isinstance(value, Query):
                value = [self._value(value.source, row, value.names[0]) for row in self._found(value, has_deleted)]
            if condition.sign == "in":
                wanted = {_folded(one) for one in value}
                rows = [row for row in rows if _folded(self._value(kind, row, condition.name)) in wanted]
                continue
            if self._type(kind, condition.name) in {"stamp", "datetime"} and value is not None:
                value = datetime.fromisoformat(value)
            rows = [row for row in rows if holds(condition.sign, self._value(kind, row, condition.name), value)]
        for name, is_descending in reversed(query.order):
            rows.sort(key=lambda row: self._value(kind, row, name), reverse=is_descending)
        return rows[: query.limit]

    def _shown(self, query: Query, record: Record) -> dict[str, Any]:
        shown: dict[str, Any] = {"attributes": {"type": query.source, "url": f"{self.path}/sobjects/{record['Id']}"}}
        for name in query.names:
            value = self._value(query.source, record, name)
            if isinstance(value, datetime):
                value = wire(value)
            head, _, tail = name.partition(".")
            if not tail:
                shown[name] = value
            elif record[_LEADS_TO[head]] is None:
                shown[head] = None
            else:
                shown.setdefault(head, {"attributes": {"type": head}})[tail] = value
        for child in query.children:
            source, key = _CHILDREN[child.source]
            within = Query(child.names, [], source, child.conditions, child.order, child.limit)
            rows = [self._shown(within, row) for row in self._found(within, False, (key, record["Id"]))]
            shown[child.source] = {"totalSize": len(rows), "done": True, "records": rows} if rows else None
        return shown

    def _type(self, kind: str, name: str) -> str:
        head, _, tail = name.partition(".")
        if tail and f"{head}Id" in self.org.fields[kind]:
            return self._type(head, tail)
        if name not in self.org.fields[kind]:
            where = f"SELECT Id, Nurture_Lead_Id__c, {name} FROM {kind}\n^\nERROR at Row:1:Column:27"
            hint = (
                "If you are attempting to use a custom field, be sure to append the '__c' after the custom field name."
            )
            message = f"{where}\nNo such column '{name}' on entity '{kind}'. {hint}"
            raise Refused(400, "INVALID_FIELD", message)
        return self.org.fields[kind][name]

    def _value(self, kind: str, record: Record, name: str) -> Any:
        self._type(kind, name)
        head, _, tail = name.partition(".")
        if not tail:
            return record[name]
        other = self.org.records[head].get(record[_LEADS_TO[head]])
        return None if other is None else other[tail]

    # writes

    def collection(self, kind: str | None, key: str | None, body: Mapping[str, Any]) -> list[dict[str, Any]]:
        """PATCH composite/sobjects, by id or by an external id."""
        records = body["records"]
        if len(records) > _COLLECTION_SIZE:
            raise Refused(400, "LIMIT_EXCEEDED", "record limit reached. cannot submit more than 200 records")
        if key is not None and key not in self.org.external_ids.get(str(kind), set()):
            message = f"Provided external ID field does not exist or is not accessible: {key}"
            raise Refused(404, "NOT_FOUND", message)
        read = []
        for record in records:
            type_ = record["attributes"]["type"]
            values = {name: value for name, value in record.items() if name not in {"attributes", "id"}}
            read.append((type_, self.org.decoded(type_, values), record.get("id")))
        return [self._saved(type_, values, id_, key) for type_, values, id_ in read]

    def _saved(self, kind: str, values: Record, id_: str | None, key: str | None) -> dict[str, Any]:
        try:
            made, is_new = self.org.write(kind, values, id_, key)
        except BadRecord as bad:
            return {"success": False, "errors": [bad.error]}
        return {"id": made, "success": True, "errors": [], "created": is_new}

    def composite(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """POST composite, of queries."""
        answers = []
        for part in body["compositeRequest"]:
            parts = urlsplit(part["url"])
            try:
                found: Any = self.query(part["url"], parse_qs(parts.query)["q"][0], "queryAll" in parts.path)
                status = 200
            except Refused as refused:
                found, status = refused.body, refused.status
            answers.append({"body": found, "httpStatusCode": status, "referenceId": part["referenceId"]})
        return {"compositeResponse": answers}

    # bulk jobs

    def make_job(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """POST jobs/ingest."""
        id_ = f"750{next(self._number):012}AAA"
        names = {"object": body["object"], "operation": body["operation"], "key": body.get("externalIdFieldName")}
        self.jobs[id_] = {"id": id_, "state": "Open", **names, "csv": "", "done": [], "failed": []}
        return self.job(id_)

    def job(self, id_: str) -> dict[str, Any]:
        """GET a job."""
        job = self.jobs[id_]
        return {name: job[name] for name in ("id", "state", "object", "operation")} | {
            "numberRecordsProcessed": len(job["done"]) + len(job["failed"]),
            "numberRecordsFailed": len(job["failed"]),
            "errorMessage": job.get("error"),
        }

    def end_job(self, id_: str, state: str) -> dict[str, Any]:
        """PATCH a job: it is carried out at once."""
        job = self.jobs[id_]
        job["state"] = state
        if state != "UploadComplete":
            return self.job(id_)
        rows = list(csv.DictReader(io.StringIO(job["csv"], newline="")))
        unknown = [name for name in rows[0] if name not in self.org.fields[job["object"]]]
        error = f"InvalidBatch : Field name not found : {unknown[0]}" if unknown else self.bulk_error
        if error is not None:
            job |= {"state": "Failed", "error": error}
            return self.job(id_)
        for row in rows:
            values = {name: None if value == "#N/A" else value for name, value in row.items() if value != ""}
            record_id = values.pop("Id", None)
            try:
                made, is_new = self.org.write(
                    job["object"], self.org.decoded(job["object"], values), record_id, job["key"]
                )
                job["done"].append({"sf__Id": made, "sf__Created": str(is_new).lower(), **row})
            except BadRecord as bad:
                told = f"{bad.error['statusCode']}:{bad.error['message']}:--"
                job["failed"].append({"sf__Id": record_id or "", "sf__Error": told, **row})
            except Refused as refused:
                told = f"INVALID_TYPE_ON_FIELD_IN_RECORD:{refused.body[0]['message']}:--"
                job["failed"].append({"sf__Id": record_id or "", "sf__Error": told, **row})
        job["state"] = "JobComplete"
        return self.job(id_)

    def results(self, id_: str, which: str) -> str:
        """GET the results of a job, as a table."""
        rows: Iterable[Mapping[str, str]] = self.jobs[id_]["done" if which == "successfulResults" else "failed"]
        out = io.StringIO()
        rows = list(rows)
        if rows:
            writer = csv.DictWriter(out, list(rows[0]), lineterminator="\n", quoting=csv.QUOTE_ALL)
            writer.writeheader()
            writer.writerows(rows)
        return out.getvalue()


def _folded(value: Any) -> Any:
    """A text as IN compares it: letters alike, whether small or not."""
    return value.lower() if isinstance(value, str) else value
