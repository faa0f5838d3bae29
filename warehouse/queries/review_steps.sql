-- One row per step of a scenario: its marketing mails of the last weeks, and the people it lost.
-- key: scenario, step
-- from: sends, send_decisions, steps
-- A mail is given so many days to be opened; those that have not had them yet are left out.
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

decided as (
    select
        scenario,
        step,
        count(*) as targeted,
        count(*) filter (where decision = 'exited') as exited,
    from send_decisions
    where is_final and decided_at >= $since and decided_at < $until
    group by scenario, step
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
