-- One row per span of time in which a lead in scope had done one behaviour after the other.
-- key: question, lead_id, from_at
-- from: sequence_ends
-- sequence_ends holds the acts that ended a whole sequence; ended_within_us is how long that is remembered.
with lasting as (
    select
        question,
        lead_id,
        min(occurred_at) as from_at,
        timestamptz 'infinity' as to_at,
    from sequence_ends
    where ended_within_us is null
    group by question, lead_id
),

edges as (
    select
        question,
        lead_id,
        occurred_at as from_at,
        later(occurred_at, ended_within_us) as to_at,
        coalesce(lag(epoch_us(occurred_at)) over by_time + ended_within_us < epoch_us(occurred_at), true) as is_first,
        coalesce(lead(epoch_us(occurred_at)) over by_time > epoch_us(occurred_at) + ended_within_us, true) as is_last,
    from sequence_ends
    where ended_within_us is not null
    window by_time as (partition by question, lead_id order by occurred_at)
    qualify is_first or is_last
),

merged as (
    select
        question,
        lead_id,
        from_at,
        case
            when is_last then to_at
            else lead(to_at) over (partition by question, lead_id order by from_at)
        end as to_at,
        is_first,
    from edges
)

select * from lasting
union all
select question, lead_id, from_at, to_at from merged where is_first
