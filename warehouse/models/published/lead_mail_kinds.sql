-- One row per lead and kind of marketing mail: whether it may be sent, why not, and on what consent it rests.
-- key: lead_id, kind
-- from: leads, lead_consents, lead_suppressions
with kinds as (
    select lead_id, email, 'newsletter' as kind, newsletter_refusal as refusal from warehouse.leads
    union all
    select lead_id, email, 'step' as kind, step_refusal as refusal from warehouse.leads
    union all
    select lead_id, email, 'trigger' as kind, trigger_refusal as refusal from warehouse.leads
),

consents as (
    -- of a consent to all kinds and one to this kind, the later
    select
        lead_id,
        kind,
        arg_max(basis, (since_at, mail_kind)) as basis,
        arg_max(source, (since_at, mail_kind)) as source,
        arg_max(evidence, (since_at, mail_kind)) as evidence,
        max(since_at) as since_at,
    from (select *, unnest(kinds_meant(mail_kind)) as kind from warehouse.lead_consents)
    group by lead_id, kind
),

blocks as (
    select
        lead_id,
        kind,
        arg_min(reason, (blocks != 'all', since_at, reason)) as reason,
        arg_min(since_at, (blocks != 'all', since_at, reason)) as since_at,
    from (
        select
            *,
            unnest(if(blocks = 'all', ['newsletter', 'step', 'trigger'], [blocks])) as kind,
        from warehouse.lead_suppressions
        where until_at is null or until_at > $as_of
    )
    group by lead_id, kind
)

select
    kinds.lead_id,
    kinds.kind,
    kinds.refusal is null and kinds.email is not null as is_allowed,
    kinds.refusal,
    blocks.reason as suppression_reason,
    blocks.since_at as suppressed_at,
    consents.basis as consent_basis,
    consents.source as consent_source,
    consents.evidence as consent_evidence,
    consents.since_at as consented_at,
from kinds
left join consents on kinds.lead_id = consents.lead_id and kinds.kind = consents.kind
left join blocks on kinds.lead_id = blocks.lead_id and kinds.kind = blocks.kind
