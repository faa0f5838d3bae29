-- One row per step of a scenario: its marketing mails of the last weeks, and the people it lost.
-- key: scenario, step
-- from: sends, send_decisions, review_renamed, steps, stages, lead_tier_changes, lead_stage_changes, deals
-- Who left before a mail because it was hot by then, had a deal, had come a stage further or had done what a mail of
-- the scenario asked for is no loss. A mail is given so many days to be opened; those that have not had them yet are
-- left out.
with mailed as (
    select
        scenario,
        step,
        count(*) as delivered,
        count(*) filter (where opened_at < delivered_at + $given) as opened,
        count(*) filter (
            where unsubscribed_at < delivered_at + $given or complained_at < delivered_at + $given
        ) as left_us,
    from sends
    where category = 'marketing' and delivered_at >= $since and delivered_at + $given < $until
    group by scenario, step
),

decisions as (
    select
        decided.send_id,
        -- a lead may have become part of another since
        coalesce(renamed.lead_id, decided.lead_id) as lead_id,
        decided.scenario,
        decided.step,
        decided.decision,
        decided.decided_at,
    from send_decisions as decided
    left join review_renamed as renamed on decided.lead_id = renamed.alias_lead_id
    where decided.is_final and decided.decided_at >= $since and decided.decided_at < $until
),

advances as (
    select lead_id, null as scenario, changed_at as advanced_at
    from lead_tier_changes
    where to_tier = $hot_tier
    union all
    select lead_id, null as scenario, created_at as advanced_at
    from deals
    union all
    select changes.lead_id, null as scenario, changes.changed_at as advanced_at
    from lead_stage_changes as changes
    inner join stages as later on changes.to_stage = later.stage
    inner join stages as earlier on changes.from_stage = earlier.stage
    where later.position > earlier.position and changes.changed_at >= $since::timestamptz - interval 90 days
    union all
    select current_lead_id as lead_id, scenario, converted_at as advanced_at
    from sends
    where converted_at is not null
),

advanced as (
    select distinct decisions.send_id
    from decisions
    inner join advances
        on
            decisions.lead_id = advances.lead_id
            and decisions.decided_at >= advances.advanced_at
            and (advances.scenario is null or decisions.scenario = advances.scenario)
    where decisions.decision = 'exited'
),

decided as (
    select
        decisions.scenario,
        decisions.step,
        count(*) as targeted,
        count(*) filter (where decisions.decision = 'exited' and advanced.send_id is null) as exited,
    from decisions
    left join advanced on decisions.send_id = advanced.send_id
    group by decisions.scenario, decisions.step
)

select
    steps.scenario,
    steps.step,
    steps.scenario_label,
    steps.label,
    coalesce(mailed.delivered, 0) as delivered,
    coalesce(mailed.opened, 0) as opened,
    coalesce(mailed.left_us, 0) as left_us,
    coalesce(decided.targeted, 0) as targeted,
    coalesce(decided.exited, 0) as exited,
from steps
left join mailed on steps.scenario = mailed.scenario and steps.step = mailed.step
left join decided on steps.scenario = decided.scenario and steps.step = decided.step
where steps.category = 'marketing'
order by steps.scenario, steps.step
