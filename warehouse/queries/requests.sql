-- One row per request: the sends that ride in it, in the order in which they were planned, and what their mails show.
-- key: attempt_id
-- from: looked
-- Those of a variant ride together, each address once; those that were put together before, without others.
with placed as (
    select
        *,
        row_number() over (partition by batch, scenario, step, variant, email order by position) as nth_of_address,
    from looked
    where stop_reason is null
),

numbered as (
    select
        *,
        (row_number() over (partition by batch, scenario, step, variant, nth_of_address order by position) - 1)
        // $batch_size as number,
    from placed
)

select
    replace(uuid()::varchar, '-', '') as attempt_id,
    scenario,
    step,
    variant,
    list(position order by position) as positions,
    list(send_id order by position) as send_ids,
    list(email order by position) as emails,
    list(columns('shown_.*') order by position),
from numbered
group by batch, scenario, step, variant, nth_of_address, number
order by min(position)
