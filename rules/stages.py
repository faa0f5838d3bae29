"""Checks purchase stages: what leads into them, and what takes leads back."""

from __future__ import annotations

from rules.conditions import Conditions
from rules.documents import Document, Spot
from rules.errors import Problem
from rules.files import FallBackEntry, StagesFile
from rules.hints import listed, shown
from rules.models import FallBack, Stage
from rules.names import Names, check_ids


def stage_names(document: Document[StagesFile]) -> Names:
    """Return the names of the stages, which conditions, sheet and mails refer to."""
    return Names("stage", [(entry.id, entry.label) for entry in document.value.stages])


def check_stages(
    document: Document[StagesFile], conditions: Conditions, problems: list[Problem]
) -> tuple[tuple[Stage, ...], tuple[FallBack, ...]]:
    """Return the stages in order and what takes leads back, after reporting what is wrong with them."""
    spot = document.spot(problems, "stages")
    check_ids(document.value.stages, spot, "stage")
    stages = []
    for position, entry in enumerate(document.value.stages):
        here = spot.at(position)
        enters = bool(entry.enter_on) or entry.enter_when is not None
        if position == 0 and enters:
            key = "enter_on" if entry.enter_on else "enter_when"
            here.at(key).fault("a lead starts in the first stage", hint=f"remove {key} from the first stage")
        if position > 0 and not enters:
            here.fault(
                f"no lead ever enters the stage '{entry.id}'",
                hint="add enter_on: [資料DL] with the behaviours that lead into it, or enter_when with a condition",
            )
        found = [conditions.selectors.read(on, here.at("enter_on", number)) for number, on in enumerate(entry.enter_on)]
        enter_on = tuple(selector for selector in found if selector is not None)
        when = conditions.read(entry.enter_when, here.at("enter_when")) if entry.enter_when is not None else None
        stages.append(Stage(id=entry.id, label=entry.label, enter_on=enter_on, enter_when=when))
    names = stage_names(document)
    falls = document.spot(problems, "fall_back")
    check_ids(document.value.fall_back, falls, "way back")
    read = [_fall_back(entry, names, conditions, falls.at(n)) for n, entry in enumerate(document.value.fall_back)]
    return tuple(stages), tuple(fall for fall in read if fall is not None)


def _fall_back(entry: FallBackEntry, names: Names, conditions: Conditions, spot: Spot) -> FallBack | None:
    if (entry.on is None) == (entry.when is None):
        spot.fault(
            "a behaviour or a condition takes leads back",
            received="both" if entry.on is not None else "neither",
            allowed="on: …, or when: …",
            hint="such as on: {event: deal_lost}, or when: {never: any, within_days: 90}",
        )
        return None
    to = names.resolve(entry.to, spot.at("to"))
    found = [names.resolve(name, spot.at("leaving", position)) for position, name in enumerate(entry.leaving)]
    on = conditions.selectors.read(entry.on, spot.at("on")) if entry.on is not None else None
    when = conditions.read(entry.when, spot.at("when")) if entry.when is not None else None
    if to is None or None in found or (on is None and when is None):
        return None
    order = list(names.labels)
    leaving = tuple(name for name in found if name is not None)
    later = order[order.index(to) + 1 :]
    wrong = [name for name in leaving if name not in later]
    if wrong or not later:
        spot.at("leaving" if wrong else "to").fault(
            "a lead falls back to an earlier stage",
            received=f"from {shown(wrong[0] if wrong else to)} to {shown(to)}",
            allowed=listed(later) or f"to one of {listed(order[:-1])}",
        )
        return None
    return FallBack(id=entry.id, label=entry.label, to=to, leaving=leaving, on=on, when=when)
