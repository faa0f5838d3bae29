"""Checks what a lead is: fields, titles and tiers."""

from __future__ import annotations

from rules.documents import Document
from rules.errors import Problem
from rules.files import FieldsFile, TiersFile, TitlesFile
from rules.hints import shown
from rules.models import Field, Tier, TitleLevel
from rules.names import check_ids
from rules.titles import TITLE_LEVEL, compared_title, is_one_title
from rules.vocabulary import normalised

REQUIRED_FIELDS = ("name", "email", "company", "title", "phone")
"""The fields every other part of the system counts on."""

KEPT_COLUMNS = frozenset(
    {
        TITLE_LEVEL, "lead_id", "score", "tier", "stage", "last_action_at", "consent_state", "consent_basis",
        "is_suppressed", "is_opted_out", "suppression_reason", "created_at", "account_id", "email_domain",
        "newsletter_refusal", "step_refusal", "trigger_refusal",
    }
)  # fmt: skip
"""Columns of the table of leads that are no fields."""


SOURCE_COLUMNS = frozenset(
    {"external_id", "visitor", "occurred_at", "created_at", "consent_basis", "consent_evidence", "consent_mail_kind"}
)
"""What a source of leads says beside the fields: whose row it is, of when, and on which consent."""


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
        if field.id in SOURCE_COLUMNS - KEPT_COLUMNS:
            here.at("id").fault(
                f"'{field.id}' is what a source says of the row itself, not of the lead", hint="choose another id"
            )
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
                elif key == "endings" and not is_one_title(title):
                    hint = "write the title before it, or the whole under exact"
                    here.fault("no title ends so: this is cut apart", received=shown(title), hint=hint)
                elif (first := seen.setdefault(compared_title(title), level.id)) != level.id:
                    here.fault(
                        "two levels claim one title",
                        received=f"{shown(title)}, which stands under '{first}' too",
                        hint="a title has one level: remove it from one of them",
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
