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
        bool_or(blocks = 'newsletter') as is_out_of_newsletter,
        bool_or(blocks = 'step') as is_out_of_step,
        bool_or(blocks = 'trigger') as is_out_of_trigger,
        -- of what blocks most, the first
        arg_min(reason, (blocks != 'all', since_at, reason)) as suppression_reason,
    from lead_suppressions
    where until_at is null or until_at > $as_of
    group by lead_id
),

consents as (
    select
        lead_id,
        bool_or(mail_kind in ('marketing', 'newsletter')) as is_to_newsletter,
        bool_or(mail_kind in ('marketing', 'step')) as is_to_step,
        bool_or(mail_kind in ('marketing', 'trigger')) as is_to_trigger,
        arg_max(basis, (since_at, mail_kind)) as basis,
    from lead_consents
    group by lead_id
),

mailing as (
    select
        lead_starts.lead_id,
        coalesce(blocks.is_suppressed, false) as is_suppressed,
        coalesce(blocks.is_out_of_newsletter, false) as is_out_of_newsletter,
        coalesce(blocks.is_out_of_step, false) as is_out_of_step,
        coalesce(blocks.is_out_of_trigger, false) as is_out_of_trigger,
        coalesce(consents.is_to_newsletter, false) as is_to_newsletter,
        coalesce(consents.is_to_step, false) as is_to_step,
        coalesce(consents.is_to_trigger, false) as is_to_trigger,
        consents.basis,
        blocks.suppression_reason,
    from lead_starts
    left join blocks on lead_starts.lead_id = blocks.lead_id
    left join consents on lead_starts.lead_id = consents.lead_id
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
        -- agreed to some kind of mail and still does
        when
            (is_to_newsletter and not is_out_of_newsletter)
            or (is_to_step and not is_out_of_step)
            or (is_to_trigger and not is_out_of_trigger)
            then if(is_suppressed, 'suppressed', 'consented')
        when is_out_of_newsletter or is_out_of_step or is_out_of_trigger then 'opted_out'
        when is_suppressed then 'suppressed'
        else 'none'
    end as consent_state,
    mailing.basis as consent_basis,
    mail_refusal(is_suppressed, is_out_of_newsletter, is_to_newsletter, blocked_domains.domain is not null)
        as newsletter_refusal,
    mail_refusal(is_suppressed, is_out_of_step, is_to_step, blocked_domains.domain is not null) as step_refusal,
    mail_refusal(is_suppressed, is_out_of_trigger, is_to_trigger, blocked_domains.domain is not null)
        as trigger_refusal,
    mailing.is_suppressed,
    is_out_of_newsletter and is_out_of_step and is_out_of_trigger as is_opted_out,
    mailing.suppression_reason,
    lead_starts.created_at,
from lead_starts
left join emails on lead_starts.lead_id = emails.lead_id
left join lead_attributes on lead_starts.lead_id = lead_attributes.lead_id
left join scores on lead_starts.lead_id = scores.lead_id
left join tiers on lead_starts.lead_id = tiers.lead_id
left join stages on lead_starts.lead_id = stages.lead_id
left join lead_activity on lead_starts.lead_id = lead_activity.lead_id
left join companies on lead_starts.lead_id = companies.lead_id
left join mailing on lead_starts.lead_id = mailing.lead_id
left join blocked_domains on split_part(emails.email, '@', -1) = blocked_domains.domain
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
