-- One row per stretch of time in which a visitor's cookie belongs to one lead.
-- key: visitor, valid_from
-- from: events, lead_records, lead_identities
-- The first person known by a cookie takes its past too; the next person on the same browser takes what follows.
with tied as (
    select visitor, email, external_id, occurred_at, received_at from events
    union all
    select visitor, email, external_id, occurred_at, received_at from lead_records
),

owned as (
    select
        tied.visitor,
        tied.occurred_at,
        coalesce(by_email.lead_id, by_id.lead_id) as lead_id,
    from tied
    left join lead_identities as by_email on by_email.identity = 'email:' || tied.email
    left join lead_identities as by_id on by_id.identity = 'id:' || tied.external_id
    where
        tied.occurred_at <= $as_of
        and tied.received_at <= $as_of
        and tied.visitor is not null
        and (tied.email is not null or tied.external_id is not null)
),

instants as (
    -- two people in one instant: the lower id, so that the result does not hang on order
    select visitor, occurred_at, min(lead_id) as lead_id
    from owned
    group by visitor, occurred_at
),

changes as (
    select visitor, occurred_at, lead_id
    from instants
    qualify lead_id is distinct from lag(lead_id) over (partition by visitor order by occurred_at)
)

select
    visitor,
    lead_id,
    case
        when row_number() over by_time = 1 then timestamptz '-infinity'
        else occurred_at
    end as valid_from,
    coalesce(lead(occurred_at) over by_time, timestamptz 'infinity') as valid_to,
from changes
window by_time as (partition by visitor order by occurred_at)
