-- One row per local date and purchase stage: who came, who moved on and what came of it, of the leads looked at.
-- key: date, stage
-- from: lead_stage_changes, lead_tier_changes, handoffs, deals
with stage_stays as (
    select
        lead_id,
        to_stage as stage,
        changed_at as entered_at,
        coalesce(lead(changed_at) over (partition by lead_id order by changed_at), timestamptz 'infinity') as left_at,
    from lead_stage_changes
),

hot_stays as (
    select
        lead_id,
        to_tier as tier,
        changed_at as entered_at,
        coalesce(lead(changed_at) over (partition by lead_id order by changed_at), timestamptz 'infinity') as left_at,
    from lead_tier_changes
    where lead_id in (select lead_stage_changes.lead_id from lead_stage_changes)
),

hot_in_stage as (
    select
        stage_stays.stage,
        greatest(stage_stays.entered_at, hot_stays.entered_at) as entered_at,
        least(stage_stays.left_at, hot_stays.left_at) as left_at,
    from stage_stays
    inner join hot_stays
        on
            stage_stays.lead_id = hot_stays.lead_id
            and stage_stays.entered_at < hot_stays.left_at
            and stage_stays.left_at > hot_stays.entered_at
    where hot_stays.tier = 'hot'
),

happenings as (
    select stage, entered_at as happened_at, 'entered' as what, 1 as number from stage_stays
    union all
    select stage, left_at as happened_at, 'moved_on' as what, 1 as number from stage_stays
    union all
    select stage, entered_at as happened_at, 'hot' as what, 1 as number from hot_in_stage
    union all
    select stage, left_at as happened_at, 'hot' as what, -1 as number from hot_in_stage
    union all
    select stage_stays.stage, done.happened_at, done.what, done.number
    from (
        select
            current_lead_id as lead_id,
            caused_at as at_stage,
            handed_off_at as happened_at,
            'handoffs' as what,
            1 as number,
        from handoffs
        union all
        select
            current_lead_id as lead_id,
            caused_at as at_stage,
            met_at as happened_at,
            'meetings' as what,
            1 as number,
        from handoffs
        where met_at is not null
        union all
        select lead_id, won_at as at_stage, won_at as happened_at, 'deals_won' as what, 1 as number
        from deals
        where status = 'won'
        union all
        select lead_id, won_at as at_stage, won_at as happened_at, 'amount' as what, amount as number
        from deals
        where status = 'won'
    ) as done
    inner join stage_stays
        on
            done.lead_id = stage_stays.lead_id
            and done.at_stage >= stage_stays.entered_at
            and done.at_stage < stage_stays.left_at
)

select
    stage,
    (happened_at at time zone $timezone)::date as date,
    coalesce(sum(number) filter (what = 'entered'), 0) as entered,
    coalesce(sum(number) filter (what = 'moved_on'), 0) as moved_on,
    coalesce(sum(number) filter (what = 'hot'), 0) as hot_change,
    coalesce(sum(number) filter (what = 'handoffs'), 0) as handoffs,
    coalesce(sum(number) filter (what = 'meetings'), 0) as meetings,
    coalesce(sum(number) filter (what = 'deals_won'), 0) as deals_won,
    coalesce(sum(number) filter (what = 'amount'), 0) as amount,
from happenings
where happened_at <= $as_of
group by all
