-- One row per deal that a new record tells of or that belongs to a lead in scope: its latest state, and its lead.
-- key: source, deal_id
-- from: deal_records, lead_identities, new_deal_records, replaced_people
with owned as (
    select
        deal_records.*,
        coalesce(by_email.lead_id, by_id.lead_id) as lead_id,
    from deal_records
    left join lead_identities as by_email on deal_records.email = by_email.value and by_email.kind = 'email'
    left join lead_identities as by_id on deal_records.external_id = by_id.value and by_id.kind = 'external_id'
    where deal_records.occurred_at <= $as_of and deal_records.received_at <= $as_of
)

select
    source,
    deal_id,
    arg_max(lead_id, (occurred_at, record_id)) as lead_id,
    arg_max(status, (occurred_at, record_id)) as status,
    arg_max_null(amount, (occurred_at, record_id)) as amount,
    min(occurred_at) as created_at,
    min(occurred_at) filter (where status = 'won') as won_at,
    max(occurred_at) as changed_at,
from owned
where
    (source, deal_id) in (select (source, deal_id) from new_deal_records)
    or (source, deal_id) in (
        select (known.source, known.deal_id) from owned as known
        where known.lead_id in (select lead_id from replaced_people)
    )
group by source, deal_id
