-- Adds reasons not to mail that are not known yet.
-- from: load_stage, suppression_records
-- What a list means by an unknown word is not guessed to be less than everything. SendGrid tells of whoever was erased
-- again and again: what a kept hash blocks already brings no address back, unless it came about after the erasure.
insert into suppression_records by name
with candidates as (
    select
        md5(concat_ws(chr(31), $key_space, 'suppression', row_hash)) as record_id,
        * exclude (blocks),
        case
            when blocks is null then 'marketing'
            when load_is_kind(blocks) then blocks
            else 'all'
        end as blocks,
    from load_stage
    where fault is null
    qualify row_number() over (partition by row_hash order by row_number) = 1
),

hashed as (
    select email_hash, blocks, received_at
    from suppression_records
    where email_hash is not null and $source = 'sendgrid'
),

news as (
    select asked.record_id
    from (select record_id, email, occurred_at, unnest(kinds_meant(blocks)) as blocks from candidates) as asked
    where not exists (
        select 1
        from hashed
        where
            hashed.email_hash = address_hash(asked.email)
            and hashed.blocks = asked.blocks
            and hashed.received_at >= asked.occurred_at
    )
)

select
    record_id,
    $source as source,
    external_id,
    email,
    blocks,
    coalesce(reason, 'opt_out') as reason,
    occurred_at,
    $as_of as received_at,
from candidates
where
    not exists (select 1 from suppression_records where suppression_records.record_id = candidates.record_id)
    and record_id in (select news.record_id from news)
