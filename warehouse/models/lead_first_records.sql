-- One row per lead that a record tells of: since when a source has known it, and which source that was.
-- key: lead_id
-- from: lead_records, scope_identities
-- Of several sources that knew it from the same instant on, the first by name.
select
    coalesce(by_email.lead_id, by_id.lead_id) as lead_id,
    min(least(lead_records.occurred_at, lead_records.created_at)) as known_at,
    arg_min(
        lead_records.source, (least(lead_records.occurred_at, lead_records.created_at), lead_records.source)
    ) as source,
from lead_records
left join scope_identities as by_email on lead_records.email = by_email.value and by_email.kind = 'email'
left join scope_identities as by_id
    on lead_records.external_id = by_id.value and by_id.kind = 'external_id' and lead_records.email is null
where
    lead_records.occurred_at <= $as_of and lead_records.received_at <= $as_of
    and coalesce(by_email.lead_id, by_id.lead_id) is not null
group by coalesce(by_email.lead_id, by_id.lead_id)
