-- Adds the consents that rows about people carry: each person, basis and evidence once.
-- from: load_stage, consent_records
-- A row without a basis grants nothing. It withdraws nothing either: that is said by consents or suppressions.
insert into consent_records by name
with candidates as (
    select
        md5(
            concat_ws(
                chr(31), $key_space, 'lead consent', coalesce(external_id, ''), coalesce(email, ''), basis,
                coalesce(evidence, ''), coalesce(mail_kind, 'marketing')
            )
        ) as record_id,
        *,
    from load_stage
    where
        fault is null
        and load_is_basis(basis)
        and load_is_kind(coalesce(mail_kind, 'marketing'))
    qualify row_number() over (partition by record_id order by occurred_at, row_number) = 1
)

select
    record_id,
    $source as source,
    external_id,
    email,
    coalesce(mail_kind, 'marketing') as mail_kind,
    true as is_granted,
    basis,
    evidence,
    occurred_at,
    $as_of as received_at,
from candidates
where not exists (select 1 from consent_records where consent_records.record_id = candidates.record_id)
