"""Writes of many records at once, answered record by record.

HubSpot tells some refusals beside the records it takes, and refuses the whole batch for others. Such a batch is halved
until the record at fault stands alone, and one whose fate an answer leaves open is written again by itself: every write
names its record by an id, so that twice leaves what once did.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

from tasks.clients.sfa.batches import Outcome, halved
from tasks.clients.sfa.faults import without_values
from tasks.clients.sfa.hubspot_calls import Calls
from tasks.clients.sfa.hubspot_errors import RefusedError, reason, refusal_of_all

# what these hold is nobody's, and tells what to correct
_SHOWN = frozenset({"hubspot_owner_id", "nurture_lead_id", "nurture_handoff_id", "nurture_status"})


def write(
    calls: Calls, action: Literal["update", "upsert"], kind: str, inputs: Sequence[Mapping[str, Any]]
) -> list[Outcome]:
    """Change records named by ``id``, or make or change those named by the value ``id`` of ``idProperty``.

    Returns:
        One outcome each, in their order.

    Raises:
        RunError: What is refused concerns all of them.
    """

    def sent(some: Sequence[Mapping[str, Any]]) -> list[Outcome]:
        marked = [{**item, "objectWriteTraceId": str(number)} for number, item in enumerate(some)]
        answer = calls.batch(action, kind, marked)
        outcomes = _outcomes(answer, marked)
        if len(some) == 1:
            return [_masked(outcomes.get("0") or _untold(answer), some[0])]
        return [
            _masked(outcomes[str(number)], item) if str(number) in outcomes else write(calls, action, kind, [item])[0]
            for number, item in enumerate(some)
        ]

    def refused(item: Mapping[str, Any], error: RefusedError) -> Outcome:
        return _masked(Outcome(message=str(error), is_gone=error.status == 404), item)

    return halved(inputs, sent, RefusedError, refused)


def associate(calls: Calls, kind: str, to_kind: str, pairs: Sequence[tuple[str, str]]) -> list[str | None]:
    """Tie records to others; why not, or None, for each pair in their order."""

    def sent(some: Sequence[tuple[str, str]]) -> list[str | None]:
        answer = calls.tie(kind, to_kind, some)
        tied = {(str(row["from"]["id"]), str(row["to"]["id"])) for row in answer.get("results", [])}
        why = reason((answer.get("errors") or [{}])[0])
        return [None if pair in tied else why for pair in some]

    return halved(pairs, sent, RefusedError, lambda _, error: str(error))


def _masked(outcome: Outcome, item: Mapping[str, Any]) -> Outcome:
    """An outcome whose message repeats nothing that was written, but for ids."""
    if outcome.message is None:
        return outcome
    values = [value for name, value in item["properties"].items() if name not in _SHOWN]
    return replace(outcome, message=without_values(outcome.message, values))


def _untold(answer: Mapping[str, Any]) -> Outcome:
    """The outcome of a record that stood alone, from an answer that does not name it."""
    errors = answer.get("errors") or []
    return Outcome(message=reason(errors[0]) if errors else "HubSpot's answer tells nothing of this record")


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
        if (of_all := refusal_of_all(error)) is not None:
            raise of_all
        context = error.get("context") or {}
        marks = list(context.get("objectWriteTraceId") or []) + [
            by_id.get(str(id_)) for id_ in context.get("ids") or []
        ]
        outcome = Outcome(message=reason(error), is_gone=error.get("category") == "OBJECT_NOT_FOUND")
        found |= {str(mark): outcome for mark in marks if mark is not None and str(mark) not in found}
    return found
