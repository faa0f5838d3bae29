-- One row per send that is unknown and whose turn it is to be looked for in the provider's logs.
-- key: send_id
-- from: sends, attempts, log_lookups
-- Beside each whose grace period is over stand two mails that were taken: the last one before its request, and the
-- first one after its grace period. Only logs that know both can prove anything by not knowing the send.
with unknown as (
    select
        sends.send_id,
        sends.email,
        coalesce(attempts.started_at, sends.planned_at) as started_at,
        sends.state_changed_at + $release_after as grace_ends_at,
        log_lookups.asked_at,
    from sends
    left join attempts on sends.attempt_id = attempts.attempt_id
    left join log_lookups on sends.send_id = log_lookups.send_id
    where sends.state = 'unknown' and not coalesce(log_lookups.is_found, false)
),

due as (
    select *
    from unknown
    where
        asked_at is null
        or asked_at + $again_after <= $as_of
        or (grace_ends_at < $as_of and asked_at <= grace_ends_at)
    order by asked_at nulls first, started_at, send_id
    limit $most
),

spans as (
    select distinct
        started_at,
        grace_ends_at,
    from due
    where grace_ends_at < $as_of
),

taken as (
    select
        email,
        message_id,
        sent_at,
    from sends
    where message_id is not null and sent_at is not null
),

before as (
    select
        spans.started_at,
        spans.grace_ends_at,
        taken as witness,
    from spans
    asof inner join taken on spans.started_at >= taken.sent_at
),

after as (
    select
        spans.started_at,
        spans.grace_ends_at,
        taken as witness,
    from spans
    asof inner join taken on spans.grace_ends_at < taken.sent_at
)

select
    due.send_id,
    due.email,
    due.started_at,
    due.grace_ends_at < $as_of as is_past_grace,
    before.witness as witness_before,
    after.witness as witness_after,
from due
left join before on due.started_at = before.started_at and due.grace_ends_at = before.grace_ends_at
left join after on due.started_at = after.started_at and due.grace_ends_at = after.grace_ends_at
order by due.asked_at nulls first, due.started_at, due.send_id
