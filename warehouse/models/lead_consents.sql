-- One row per lead and kind of mail it agreed to (marketing: all kinds): the latest basis, with source and evidence.
-- key: lead_id, mail_kind
-- from: consent_records, scope_identities
-- A withdrawal is a suppression and stands in lead_suppressions. What is kept of an erased person as a hash grants
-- nothing to one who comes back.
with granted as (
    select email, external_id, mail_kind, basis, source, evidence, occurred_at, record_id
    from consent_records
    where is_granted and email_hash is null and occurred_at <= $as_of and received_at <= $as_of
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
    mail_kind,
    arg_max(basis, (occurred_at, record_id)) as basis,
    arg_max(source, (occurred_at, record_id)) as source,
    arg_max(evidence, (occurred_at, record_id)) as evidence,
    max(occurred_at) as since_at,
from owned
group by lead_id, mail_kind
