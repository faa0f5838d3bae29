-- One row per planned send that may go now.
-- key: send_id
-- from: sends, pauses, held_sends, rule_steps, rule_scenarios
-- A mail that is marketing by the present rules is, whatever was planned.
with planned as (
    select
        sends.rowid as position,
        sends.* replace (if(rule_steps.category = 'marketing', 'marketing', sends.category) as category),
    from sends
    left join warehouse.rule_steps on sends.scenario = rule_steps.scenario and sends.step = rule_steps.step
    where sends.state = 'planned'
)

select
    position,
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
from planned
where
    ($category is null or category = $category)
    and (
        $allowlist is null
        or email in (select unnest($allowlist))
        or '@' || split_part(email, '@', -1) in (select unnest($allowlist))
    )
    and not exists (select 1 from pauses where pauses.scenario in ('*', planned.scenario))
    and scenario not in (select scenario from warehouse.rule_scenarios where not is_enabled)
    and send_id not in (select send_id from held_sends)
