-- Adds one event per deal, state it came to (created, won, lost) and stamp: so the order of arrival changes nothing.
-- A later edit of a won deal is no second win: lead_behaviours counts the earliest.
-- from: load_stage, events
insert into events by name
with candidates as (
    select
        md5(concat_ws(chr(31), $key_space, 'deal event', deal_id, status, epoch_us(occurred_at)))::uuid as event_id,
        *,
    from load_stage
    where fault is null
    qualify row_number() over (partition by event_id order by occurred_at, row_number) = 1
)

select
    event_id,
    $source as source,
    case status when 'open' then 'deal_created' when 'won' then 'deal_won' else 'deal_lost' end as event_type,
    occurred_at,
    $as_of as received_at,
    email,
    external_id,
    map {'deal_id': deal_id} as properties,
from candidates
where not exists (select 1 from events where events.event_id = candidates.event_id)
