"""Reports rules that can never hold: conditions whose parts exclude each other, tiers that no score reaches."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from rules.documents import Document, Spot
from rules.errors import Problem
from rules.files import ScoringFile, SegmentsFile, StagesFile, TiersFile
from rules.implications import Possibility
from rules.models import Condition, FallBack, Segment, Stage, Tier
from rules.scoring import Scoring


@dataclass(frozen=True)
class Documents:
    """The files in which conditions stand."""

    segments: Document[SegmentsFile]
    scoring: Document[ScoringFile]
    stages: Document[StagesFile]
    tiers: Document[TiersFile]


def check_possible(
    documents: Documents,
    segments: Sequence[Segment],
    scoring: Scoring,
    stages: Sequence[Stage],
    falls: Sequence[FallBack],
    tiers: Sequence[Tier],
    meanings: Mapping[str, Condition],
    problems: list[Problem],
) -> None:
    """Report what of a rule set, which is without other faults, can never hold."""
    highest = math.inf if scoring.maximum_score is None else scoring.maximum_score
    possibility = Possibility(
        tiers=tiers,
        stages=[stage.id for stage in stages],
        lowest_score=-math.inf if scoring.minimum_score is None else scoring.minimum_score,
        highest_score=highest,
    )
    at_segments = documents.segments.spot(problems, "segments")
    at_scoring = documents.scoring.spot(problems, "scoring")
    at_stages, at_falls = documents.stages.spot(problems, "stages"), documents.stages.spot(problems, "fall_back")
    for found, at, key in (
        (((segment.id, meanings.get(segment.id)) for segment in segments), at_segments, "where"),
        (((rule.id, rule.where) for rule in scoring.rules), at_scoring, "where"),
        (((stage.id, stage.enter_when) for stage in stages), at_stages, "enter_when"),
        (((fall.id, fall.when) for fall in falls), at_falls, "when"),
    ):
        _check(found, at, _positions(documents, at), key, possibility)
    for position, tier in enumerate(tiers):
        if tier.minimum_score is not None and tier.minimum_score > highest:
            documents.tiers.spot(problems, "tiers", position, "minimum_score").fault(
                f"no lead ever reaches the tier '{tier.id}'",
                received=f"from {tier.minimum_score}, while scores end at {highest:g}",
                hint="lower minimum_score, or raise maximum_score in scoring.yaml",
            )


def _positions(documents: Documents, at: Spot) -> dict[str, int]:
    """Where each entry of a list stands."""
    entries: Sequence[object] = {
        "segments": documents.segments.value.segments,
        "scoring": documents.scoring.value.scoring,
        "stages": documents.stages.value.stages,
        "fall_back": documents.stages.value.fall_back,
    }[str(at.location[0])]
    return {str(getattr(entry, "id", "")): position for position, entry in enumerate(entries)}


def _check(
    found: Iterable[tuple[str, Condition | None]],
    at: Spot,
    positions: Mapping[str, int],
    key: str,
    possibility: Possibility,
) -> None:
    for name, condition in found:
        if condition is None or name not in positions:
            continue
        clash = possibility.why_never(condition)
        if clash is not None:
            at.at(positions[name], key).fault(
                "this can never hold of a lead: its parts exclude each other",
                received=clash,
                hint="write any: [...] where one of them is enough, or take one out",
            )
