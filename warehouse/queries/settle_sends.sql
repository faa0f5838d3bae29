-- Moves claimed sends to what became of the request that took them. Those that no request took are planned again.
-- from: sends, attempts
update sends
set
    state = coalesce(taken.outcome, 'planned'),
    attempt_id = coalesce(taken.attempt_id, failed.attempt_id, sends.attempt_id),
    message_id = taken.message_id,
    sent_at = case when taken.outcome = 'accepted' then $as_of end,
    state_reason = case when taken.outcome is null then failed.message else taken.message end,
    state_changed_at = $as_of
from
    (
        select send_id
        from sends
        where
            state = 'claimed'
            and send_id not in (select unnest(send_ids) from attempts where outcome = 'sending')
    ) as claimed
left join (
    -- at most one: after it nothing is tried again
    select unnest(send_ids) as send_id, attempt_id, outcome, message_id, message
    from attempts
    where settled_at is null and outcome in ('accepted', 'unknown')
) as taken on claimed.send_id = taken.send_id
left join (
    select send_id, max(attempt_id) as attempt_id, max(message) as message
    from (
        select unnest(send_ids) as send_id, attempt_id, message
        from attempts
        where settled_at is null and outcome in ('rejected', 'not_sent')
    )
    group by send_id
) as failed on claimed.send_id = failed.send_id
where sends.send_id = claimed.send_id
