-- One row per lead that agreed to marketing mail: the latest basis and its evidence.
-- key: lead_id
-- from: consent_records, lead_identities
-- A withdrawal is a suppression and stands in lead_suppressions.
with granted as (
    select 'email:' || email as identity, basis, evidence, occurred_at, record_id
    from consent_records
    where is_granted and mail_kind = 'marketing' and occurred_at <= $as_of and received_at <= $as_of
    union all
    select 'id:' || external_id as identity, basis, evidence, occurred_at, record_id
    from consent_records
    where is_granted and mail_kind = 'marketing' and occurred_at <= $as_of and received_at <= $as_of
)

select
    lead_identities.lead_id,
    arg_max(granted.basis, (granted.occurred_at, granted.record_id)) as basis,
    arg_max(granted.evidence, (granted.occurred_at, granted.record_id)) as evidence,
    max(granted.occurred_at) as since_at,
from granted
inner join lead_identities on granted.identity = lead_identities.identity
group by lead_identities.lead_id
