-- Adds what a source newly tells about deals.
-- from: load_stage, deal_records
insert into deal_records by name
with candidates as (
    select
        md5(concat_ws(chr(31), $key_space, 'deal', row_hash)) as record_id,
        *,
    from load_stage
    where fault is null
    qualify row_number() over (partition by row_hash order by row_number) = 1
)

select
    record_id,
    $source as source,
    deal_id,
    external_id,
    email,
    status,
    try_cast(number_text(amount) as decimal(18, 2)) as amount,
    occurred_at,
    $as_of as received_at,
    attributes,
from candidates
where not exists (select 1 from deal_records where deal_records.record_id = candidates.record_id)
