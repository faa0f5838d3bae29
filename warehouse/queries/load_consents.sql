-- Adds grants and withdrawals of consent that are not known yet.
-- from: load_stage, consent_records
-- Of a withdrawal whose kind cannot be read, nothing less than all marketing is withdrawn.
insert into consent_records by name
with candidates as (
    select
        md5(concat_ws(chr(31), $key_space, 'consent', row_hash)) as record_id,
        *,
    from load_stage
    where fault is null
    qualify row_number() over (partition by row_hash order by row_number) = 1
)

select
    record_id,
    $source as source,
    external_id,
    email,
    if(load_is_kind(mail_kind), mail_kind, 'marketing') as mail_kind,
    coalesce(load_boolean(is_granted), true) as is_granted,
    if(load_is_basis(basis), basis, null) as basis,
    evidence,
    occurred_at,
    $as_of as received_at,
from candidates
where not exists (select 1 from consent_records where consent_records.record_id = candidates.record_id)
