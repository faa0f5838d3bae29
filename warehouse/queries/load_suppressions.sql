-- Adds reasons not to mail that are not known yet.
-- from: load_stage, suppression_records
-- What a list means by an unknown word is not guessed to be less than everything.
insert into suppression_records by name
with candidates as (
    select
        md5(concat_ws(chr(31), $key_space, 'suppression', row_hash)) as record_id,
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
    case
        when blocks is null then 'marketing'
        when load_is_kind(blocks) then blocks
        else 'all'
    end as blocks,
    coalesce(reason, 'opt_out') as reason,
    occurred_at,
    $as_of as received_at,
from candidates
where not exists (select 1 from suppression_records where suppression_records.record_id = candidates.record_id)
