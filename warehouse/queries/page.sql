-- One row per send of a page, with the request it is to ride in, which holds each address once.
-- key: send_id
-- from: next_sends
with apart as (
    select
        *,
        row_number() over (partition by scenario, step, variant, email order by position) as same_address,
    from next_sends
),

numbered as (
    select
        *,
        (row_number() over (partition by scenario, step, variant, same_address order by position) - 1) // $batch_size
            as nth,
    from apart
)

select
    *,
    dense_rank() over (order by same_address, scenario, step, variant, nth) as batch,
from numbered
