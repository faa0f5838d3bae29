"""Checks what a lead is and how it is ranked: fields, titles, points, tiers and stages."""

from __future__ import annotations

from rules.documents import Document, Spot
from rules.errors import Problem
from rules.files import FieldsFile, ScoringEntry, ScoringFile, StagesFile, TiersFile, TitlesFile
from rules.hints import did_you_mean, shown
from rules.models import Field, ScoringRule, Stage, Tier, TitleLevel
from rules.names import check_ids
from rules.selectors import Selectors
from rules.titles import TITLE_LEVEL, compared_title
from rules.vocabulary import normalised

REQUIRED_FIELDS = ("name", "email", "company", "title", "phone")
"""The fields every other part of the system counts on."""

KEPT_COLUMNS = frozenset(
    {
        TITLE_LEVEL, "lead_id", "score", "tier", "stage", "last_action_at", "consent_state", "consent_basis",
        "is_suppressed", "is_opted_out", "suppression_reason", "created_at", "account_id", "email_domain",
    }
)  # fmt: skip
"""Columns of the table of leads that are no fields."""

_ONCE_PER = {"event": None, "send": ("mail_open", "mail_click"), "window": ("page_view",)}


def check_fields(document: Document[FieldsFile], problems: list[Problem]) -> tuple[Field, ...]:
    """Return the fields of a lead, after reporting what is wrong with them."""
    fields = document.value.fields
    spot = document.spot(problems, "fields")
    check_ids(fields, spot, "field")
    known = {field.id for field in fields}
    for name in REQUIRED_FIELDS:
        if name not in known:
            spot.fault(f"the field '{name}' is missing", hint=f"add - {{id: {name}, label: …}}; it cannot be left out")
    for position, field in enumerate(fields):
        here = spot.at(position)
        if field.id in KEPT_COLUMNS and not field.system:
            here.at("id").fault(f"'{field.id}' is a column the engine keeps itself", hint="choose another id")
        if hasattr(dict, field.id):
            here.at("id").fault(f"'{field.id}' is a word that templates keep for themselves", hint="choose another id")
        if field.type in {"choice", "choices"} and not field.values:
            here.fault(
                f"the field '{field.id}' is a {field.type} without values",
                hint="add values: [...], or make it type: text",
            )
        if field.values and field.type not in {"choice", "choices"}:
            here.at("values").fault(
                f"the field '{field.id}' has values but is of type {field.type}",
                received=shown(field.values),
                allowed="type: choice (one of them) or choices (any of them)",
            )
        if len(set(map(normalised, field.values))) < len(field.values):
            here.at("values").fault(f"the field '{field.id}' has a value twice", hint="remove one of them")
    return fields


def check_titles(document: Document[TitlesFile], problems: list[Problem]) -> tuple[TitleLevel, ...]:
    """Return the levels, their titles as they are compared, after reporting what is wrong with them."""
    levels = document.value.title_levels
    spot = document.spot(problems, "title_levels")
    check_ids(levels, spot, "title level")
    seen: dict[str, str] = {}
    for position, level in enumerate(levels):
        if not level.endings and not level.exact:
            spot.at(position).fault(f"no title is of the level '{level.id}'", hint="add endings: [...] or exact: [...]")
        for key, titles in (("endings", level.endings), ("exact", level.exact)):
            for number, title in enumerate(titles):
                here = spot.at(position, key, number)
                if not title.strip():
                    here.fault("an empty title matches everybody", hint="remove it")
                elif (first := seen.setdefault(compared_title(title), level.id)) != level.id:
                    here.fault(
                        "two levels claim one title",
                        received=f"{shown(title)}, which stands under '{first}' too",
                        hint="the first level that matches wins: remove it from one of them",
                    )
    return tuple(
        TitleLevel(
            id=level.id,
            label=level.label,
            endings=tuple(map(compared_title, level.endings)),
            exact=tuple(map(compared_title, level.exact)),
        )
        for level in levels
    )


def check_scoring(
    document: Document[ScoringFile], selectors: Selectors, problems: list[Problem]
) -> tuple[ScoringRule, ...]:
    """Return the points by behaviour, after reporting what is wrong with them."""
    spot = document.spot(problems, "scoring")
    check_ids(document.value.scoring, spot, "scoring rule")
    rules = [_scoring_rule(entry, selectors, spot.at(n)) for n, entry in enumerate(document.value.scoring)]
    return tuple(rule for rule in rules if rule is not None)


def _scoring_rule(entry: ScoringEntry, selectors: Selectors, spot: Spot) -> ScoringRule | None:
    if entry.points == 0:
        spot.at("points").fault("a rule of 0 points does nothing", received="0", hint="remove it, or give it points")
    selector = selectors.resolve(entry.on, spot.at("on"))
    if selector is None:
        return None
    fitting = [name for name, events in _ONCE_PER.items() if events is None or selector.event in events]
    once_per = entry.once_per or fitting[-1]
    if once_per not in fitting:
        hint = f"a {selector.event} has no {once_per}" if once_per in _ONCE_PER else did_you_mean(once_per, _ONCE_PER)
        spot.at("once_per").fault(
            f"points for {selector.event} cannot count so",
            received=shown(once_per),
            allowed=", ".join(fitting),
            hint=hint,
        )
        return None
    return ScoringRule.model_validate(
        {"id": entry.id, "label": entry.label, "on": selector, "points": entry.points, "once_per": once_per}
    )


def check_tiers(document: Document[TiersFile], problems: list[Problem]) -> tuple[Tier, ...]:
    """Return the tiers, highest first, after reporting what is wrong with them."""
    tiers = document.value.tiers
    spot = document.spot(problems, "tiers")
    check_ids(tiers, spot, "tier")
    missing = [name for name in ("hot", "warm", "cold") if name not in {tier.id for tier in tiers}]
    if missing:
        spot.fault("a tier is missing", received=shown(", ".join(missing)), allowed="hot, warm and cold, once each")
    above: int | None = None
    for position, tier in enumerate(tiers):
        here = spot.at(position, "minimum_score")
        is_last = position == len(tiers) - 1
        if is_last and tier.minimum_score is not None:
            here.fault(
                "the lowest tier has a floor, so leads below it would have no tier",
                received=shown(tier.minimum_score),
                hint="remove minimum_score from the last tier",
            )
        elif not is_last and tier.minimum_score is None:
            here.fault(f"the tier '{tier.id}' needs a minimum_score", hint="only the last tier has none")
        elif tier.minimum_score is not None and above is not None and tier.minimum_score >= above:
            here.fault(
                "tiers stand highest first",
                received=f"{tier.minimum_score} under {above}",
                allowed=f"less than {above}",
                hint="put the tiers in descending order of minimum_score",
            )
        above = tier.minimum_score if tier.minimum_score is not None else above
    return tiers


def check_stages(document: Document[StagesFile], selectors: Selectors, problems: list[Problem]) -> tuple[Stage, ...]:
    """Return the stages in order, after reporting what is wrong with them."""
    spot = document.spot(problems, "stages")
    check_ids(document.value.stages, spot, "stage")
    stages = []
    for position, entry in enumerate(document.value.stages):
        here = spot.at(position)
        if position == 0 and entry.enter_on:
            here.at("enter_on").fault("a lead starts in the first stage", hint="remove enter_on from the first stage")
        if position > 0 and not entry.enter_on:
            here.fault(
                f"no lead ever enters the stage '{entry.id}'",
                hint="add enter_on: [資料DL] with the behaviours that lead into it",
            )
        found = [selectors.resolve(on, here.at("enter_on", number)) for number, on in enumerate(entry.enter_on)]
        enter_on = tuple(selector for selector in found if selector is not None)
        stages.append(Stage(id=entry.id, label=entry.label, enter_on=enter_on))
    return tuple(stages)
