-- One row per lead that agreed to marketing mail: the latest basis and its evidence.
-- key: lead_id
-- from: consent_records, scope_identities
-- A withdrawal is a suppression and stands in lead_suppressions.
with granted as (
    select email, external_id, basis, evidence, occurred_at, record_id
    from consent_records
    where is_granted and mail_kind = 'marketing' and occurred_at <= $as_of and received_at <= $as_of
),

owned as (
    select scope_identities.lead_id, granted.*
    from granted
    inner join scope_identities on granted.email = scope_identities.value and scope_identities.kind = 'email'
    union all
    select scope_identities.lead_id, granted.*
    from granted
    inner join scope_identities
        on granted.external_id = scope_identities.value and scope_identities.kind = 'external_id'
)

select
    lead_id,
    arg_max(basis, (occurred_at, record_id)) as basis,
    arg_max(evidence, (occurred_at, record_id)) as evidence,
    max(occurred_at) as since_at,
from owned
group by lead_id
