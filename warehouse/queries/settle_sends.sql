-- Moves claimed sends to what became of their request. Those whose request was never noted, or not taken, are planned
-- again; those whose request is under way stay. They were sent when their request was answered, also where the run that
-- heard it died and a later one settles.
-- from: sends, attempts
update sends
set
    state = case when told.outcome in ('accepted', 'unknown') then told.outcome else 'planned' end,
    attempt_id = told.attempt_id,
    message_id = told.message_id,
    sent_at = case when told.outcome = 'accepted' then told.finished_at end,
    state_reason = told.message,
    state_changed_at = $as_of
from (
    select
        claimed.rowid as position,
        attempts.attempt_id,
        attempts.outcome,
        attempts.finished_at,
        attempts.message_id,
        attempts.message,
    from sends as claimed
    left join attempts on claimed.attempt_id = attempts.attempt_id
    where claimed.state = 'claimed' and attempts.outcome is distinct from 'sending'
) as told
where sends.rowid = told.position
