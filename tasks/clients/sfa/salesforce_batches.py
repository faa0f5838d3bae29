"""Writes of many records at once, answered record by record.

Few are written by the collections of the REST API, many by a bulk job. A value of the wrong kind makes Salesforce
refuse a whole collection: it is halved until the record at fault stands alone. Records that someone else holds are
written again.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from tasks.clients.sfa.batches import Outcome, halved
from tasks.clients.sfa.faults import without_values
from tasks.clients.sfa.salesforce_calls import COLLECTION_SIZE, Action, Calls
from tasks.clients.sfa.salesforce_errors import GONE, LOCKED, RefusedError, code_of, reason, refusal_of_all

_TRIES = 3
_PAUSE_SECONDS = 1.0
# what these hold is nobody's, and tells what to correct
_SHOWN = frozenset({"Id", "WhoId", "OwnerId", "Nurture_Lead_Id__c", "Nurture_Handoff_Id__c", "Nurture_Status__c"})


def write(calls: Calls, action: Action, kind: str, key: str, records: Sequence[Mapping[str, Any]]) -> list[Outcome]:
    """Change records named by ``Id``, or make or change those named by the field ``key``, which all of them bear.

    Returns:
        One outcome each, in their order.

    Raises:
        RunError: What is refused concerns all of them.
    """
    outcomes = _written(calls, action, kind, key, records)
    for number in range(1, _TRIES):
        locked = [place for place, outcome in enumerate(outcomes) if outcome.is_locked]
        if not locked:
            break
        time.sleep(_PAUSE_SECONDS * number)
        again = _written(calls, action, kind, key, [records[place] for place in locked])
        for place, outcome in zip(locked, again, strict=True):
            outcomes[place] = outcome
    return outcomes


def _written(calls: Calls, action: Action, kind: str, key: str, records: Sequence[Mapping[str, Any]]) -> list[Outcome]:
    if len(records) > COLLECTION_SIZE:
        found = calls.save_bulk(action, kind, key, records)
        return [_outcome(found.get(str(record[key])) or {}, record) for record in records]

    def sent(some: Sequence[Mapping[str, Any]]) -> list[Outcome]:
        results = calls.save(action, kind, key, some)
        return [_outcome(result, record) for result, record in zip(results, some, strict=True)]

    return halved(records, sent, RefusedError, lambda record, error: _outcome({"errors": error.errors}, record))


def _outcome(result: Mapping[str, Any], record: Mapping[str, Any]) -> Outcome:
    """What a result says, without what was written.

    Raises:
        RunError: It says that the org is not set up.
    """
    if result.get("success") and result.get("id"):
        return Outcome(id=str(result["id"]))
    errors = result.get("errors") or [{"message": "Salesforce's answer tells nothing of this record"}]
    if (of_all := refusal_of_all(errors)) is not None:
        raise of_all
    codes = {code_of(error) for error in errors}
    values = [value for name, value in record.items() if name not in _SHOWN and value is not None]
    return Outcome(
        message=without_values(reason(errors), values), is_gone=bool(codes & GONE), is_locked=LOCKED in codes
    )
