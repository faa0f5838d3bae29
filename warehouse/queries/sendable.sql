-- One row per planned send that may go now.
-- key: send_id
-- from: sends, pauses, rule_scenarios, held_sends
select
    rowid as position,
    send_id,
    lead_id,
    scenario,
    step,
    variant,
    occurrence,
    kind,
    category,
    email,
    due_at,
    expires_at,
from sends
where
    state = 'planned'
    and ($category is null or category = $category)
    and (
        $allowlist is null
        or email in (select unnest($allowlist))
        or '@' || split_part(email, '@', -1) in (select unnest($allowlist))
    )
    and not exists (select 1 from pauses where pauses.scenario in ('*', sends.scenario))
    and scenario not in (select scenario from warehouse.rule_scenarios where not is_enabled)
    and send_id not in (select send_id from held_sends)
