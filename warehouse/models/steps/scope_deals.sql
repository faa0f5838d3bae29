-- One row per stretch of time in which a deal of a lead in scope stood as one record of it says.
-- key: deal, from_at, record_id
-- from: deal_records, scope_identities, lead_identities
with owned as (
    select
        deal_records.source || ':' || deal_records.deal_id as deal,
        coalesce(by_email.lead_id, by_id.lead_id) as lead_id,
        deal_records.status,
        deal_records.amount,
        deal_records.occurred_at,
        deal_records.record_id,
    from deal_records
    left join lead_identities as by_email on deal_records.email = by_email.value and by_email.kind = 'email'
    left join lead_identities as by_id on deal_records.external_id = by_id.value and by_id.kind = 'external_id'
    where deal_records.occurred_at <= $as_of and deal_records.received_at <= $as_of
),

in_scope as (
    -- a deal may have passed from one person to another
    select *
    from owned
    where
        deal in (
            select named.deal
            from owned as named
            where named.lead_id in (select scope_identities.lead_id from scope_identities)
        )
),

ordered as (
    select
        *,
        coalesce(status != lag(status) over by_time, true) as is_new_status,
        coalesce(lead(occurred_at) over by_time, timestamptz 'infinity') as to_at,
        min(occurred_at) over (partition by deal) as created_at,
    from in_scope
    window by_time as (partition by deal order by occurred_at, record_id)
)

select
    deal,
    lead_id,
    status,
    amount,
    record_id,
    occurred_at as from_at,
    to_at,
    max(occurred_at) filter (where is_new_status) over (
        partition by deal order by occurred_at, record_id rows between unbounded preceding and current row
    ) as status_since,
    created_at,
from ordered
