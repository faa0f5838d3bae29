-- One row per deal: its latest state, and the lead it belongs to.
-- key: source, deal_id
-- from: deal_records, lead_identities
with owned as (
    select
        deal_records.*,
        coalesce(by_email.lead_id, by_id.lead_id) as lead_id,
    from deal_records
    left join lead_identities as by_email on by_email.identity = 'email:' || deal_records.email
    left join lead_identities as by_id on by_id.identity = 'id:' || deal_records.external_id
    where deal_records.occurred_at <= $as_of and deal_records.received_at <= $as_of
)

select
    source,
    deal_id,
    arg_max(lead_id, (occurred_at, record_id)) as lead_id,
    arg_max(status, (occurred_at, record_id)) as status,
    arg_max(amount, (occurred_at, record_id)) as amount,
    min(occurred_at) as created_at,
    min(occurred_at) filter (status = 'won') as won_at,
    max(occurred_at) as changed_at,
from owned
group by source, deal_id
