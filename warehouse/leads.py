"""Builds the ``leads`` table, whose columns are the rule set's fields.

The only model whose shape follows the rules. Field ids are checked names (lower-case letters, digits, underscores), so
they may stand as identifiers; values never do.
"""

from __future__ import annotations

from collections.abc import Sequence

from rules.models import Field

_SQL_TYPES = {
    "text": "varchar",
    "number": "double",
    "date": "date",
    "boolean": "boolean",
    "choice": "varchar",
    "corporate_number": "varchar",
}

_QUERY = """
-- One row per lead, with its fields, score, tier, stage and consent.
with emails as (
    -- of several addresses the one that was learnt last
    select
        lead_id,
        arg_max(value, (first_seen_at, identity)) as email,
    from scope_identities
    where kind = 'email'
    group by lead_id
),

scores as (
    select lead_id, sum(points)::integer as score from lead_score_changes group by lead_id
),

tiers as (
    select lead_id, arg_max(to_tier, changed_at) as tier from lead_tier_changes group by lead_id
),

stages as (
    select lead_id, to_stage as stage from lead_stage_changes where left_at = timestamptz 'infinity'
),

companies as (
    select lead_id, account_id from lead_accounts where valid_to = timestamptz 'infinity'
),

blocks as (
    select
        lead_id,
        bool_or(blocks = 'all') as is_suppressed,
        bool_or(blocks = 'marketing') as is_opted_out,
        -- of what blocks most, the first
        arg_min(reason, (blocks != 'all', since_at, reason)) as suppression_reason,
    from lead_suppressions
    group by lead_id
)

select
    lead_starts.lead_id,
    emails.email,
    {fields}
    coalesce(scores.score, 0) as score,
    tiers.tier,
    stages.stage,
    lead_activity.last_action_at,
    companies.account_id,
    case
        when blocks.is_opted_out then 'opted_out'
        when blocks.is_suppressed then 'suppressed'
        when lead_consents.lead_id is not null then 'consented'
        else 'none'
    end as consent_state,
    lead_consents.basis as consent_basis,
    coalesce(blocks.is_suppressed, false) as is_suppressed,
    coalesce(blocks.is_opted_out, false) as is_opted_out,
    blocks.suppression_reason,
    lead_starts.created_at,
from lead_starts
left join emails on lead_starts.lead_id = emails.lead_id
left join lead_attributes on lead_starts.lead_id = lead_attributes.lead_id
left join scores on lead_starts.lead_id = scores.lead_id
left join tiers on lead_starts.lead_id = tiers.lead_id
left join stages on lead_starts.lead_id = stages.lead_id
left join lead_activity on lead_starts.lead_id = lead_activity.lead_id
left join companies on lead_starts.lead_id = companies.lead_id
left join blocks on lead_starts.lead_id = blocks.lead_id
left join lead_consents on lead_starts.lead_id = lead_consents.lead_id
"""


def leads_query(fields: Sequence[Field]) -> str:
    """The query of the ``leads`` table for these fields; ``email`` and system fields are kept by the engine."""
    columns = [_column(field) for field in fields if not field.system and field.id != "email"]
    columns += [f"lead_attributes.attributes['{kept}'] as {kept}," for kept in ("title_level", "email_domain")]
    return _QUERY.replace("{fields}", "\n    ".join(columns))


def _column(field: Field) -> str:
    value = f"lead_attributes.attributes['{field.id}']"
    if field.type == "choices":
        return f"string_split({value}, ';') as {field.id},"
    return f"try_cast({value} as {_SQL_TYPES[field.type]}) as {field.id},"
