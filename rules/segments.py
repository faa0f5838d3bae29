"""Checks segments and puts each after those it refers to, so that they can be computed in order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from rules.conditions import Conditions
from rules.documents import Document
from rules.errors import Problem
from rules.files import SegmentsFile
from rules.models import EVERYONE, All, AnyOf, Condition, Not, Segment, SegmentCondition
from rules.names import Names, check_ids

EVERYONE_LABEL = "全員"


def segment_names(document: Document[SegmentsFile]) -> Names:
    """Return the names of the segments, which conditions, sheet and mails refer to."""
    pairs = [(entry.id, entry.label) for entry in document.value.segments]
    if EVERYONE not in dict(pairs):
        pairs.insert(0, (EVERYONE, EVERYONE_LABEL))
    return Names("segment", pairs)


def check_segments(
    document: Document[SegmentsFile], conditions: Conditions, problems: list[Problem]
) -> tuple[Segment, ...]:
    """Return the segments, each after those it refers to, after reporting what is wrong with them."""
    entries = document.value.segments
    spot = document.spot(problems, "segments")
    check_ids(entries, spot, "segment")
    segments = {EVERYONE: Segment(id=EVERYONE, label=EVERYONE_LABEL)}
    refers_to: dict[str, list[str]] = {EVERYONE: []}
    positions: dict[str, int] = {}
    for position, entry in enumerate(entries):
        here = spot.at(position)
        positions.setdefault(entry.id, position)
        if entry.id == EVERYONE:
            if entry.where is not None:
                here.at("where").fault(f"'{EVERYONE}' holds every lead", hint="remove where, or choose another id")
            segments[EVERYONE] = Segment(id=EVERYONE, label=entry.label)
            continue
        if entry.where is None:
            here.fault(
                f"the segment '{entry.id}' has no condition, so it would hold every lead",
                hint=f"add where: …; for all leads write where: {{segment: {EVERYONE}}}",
            )
            continue
        conditions.refers_to.clear()
        where = conditions.read(entry.where, here.at("where"))
        refers_to[entry.id] = list(conditions.refers_to)
        segments[entry.id] = Segment(id=entry.id, label=entry.label, where=where)
    order, cycles = _in_order(refers_to)
    for cycle in cycles:
        spot.at(positions[cycle[0]]).fault(
            "segments refer to each other in a circle",
            received=" → ".join([*cycle, cycle[0]]),
            hint="take one of these references out",
        )
    return tuple(segments[name] for name in order if name in segments)


def _in_order(refers_to: dict[str, list[str]]) -> tuple[list[str], list[list[str]]]:
    """Return names with each after those it refers to, and every circle found on the way.

    Walks with its own stack, since a long chain of segments would exhaust Python's.
    """
    order: dict[str, None] = {}
    cycles: list[list[str]] = []
    for start, references in refers_to.items():
        path = [start]
        pending = [iter(references)]
        while path and start not in order:
            following = next(pending[-1], None)
            if following is None:
                order[path.pop()] = None
                pending.pop()
            elif following in path:
                cycles.append(path[path.index(following) :])
            elif following not in order and following in refers_to:
                path.append(following)
                pending.append(iter(refers_to[following]))
    return list(order), cycles


def meanings_of(segments: Iterable[Segment]) -> dict[str, Condition]:
    """Return what each segment asks for, with the segments it refers to written out."""
    meanings: dict[str, Condition] = {}
    for segment in segments:  # each stands after those it refers to
        if segment.where is not None:
            meanings[segment.id] = _written_out(segment.where, meanings)
    return meanings


def _written_out(condition: Condition, meanings: Mapping[str, Condition]) -> Condition:
    match condition:
        case All(parts=parts):
            return All(parts=tuple(_written_out(part, meanings) for part in parts))
        case AnyOf(parts=parts):
            return AnyOf(parts=tuple(_written_out(part, meanings) for part in parts))
        case Not(part=part):
            return Not(part=_written_out(part, meanings))
        case SegmentCondition(segment=segment):
            return meanings.get(segment, condition)
        case _:
            return condition
