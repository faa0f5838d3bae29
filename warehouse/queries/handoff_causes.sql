-- One row per lead and event that calls for sales and that nothing was decided on yet: an action the rules name, the
-- entry into a segment the rules name, the event with which the score reached the hot tier, or the instant at which a
-- lead that sales gave back has earned points enough again, and so often as it earns as many once more.
-- key: lead_id, cause_event_id, kind
-- from: lead_behaviours, rule_sales_actions, lead_tier_changes, lead_stage_changes, segment_members, lead_aliases,
--       leads, lead_score_changes, rule_tiers, handoffs, handoff_decisions, notices
with counted as (
    select
        lead_behaviours.lead_id,
        lead_behaviours.event_id::varchar as event_id,
        lead_behaviours.occurred_at,
        lead_behaviours.received_at,
        rule_sales_actions.action,
        rule_sales_actions.kind,
        rule_sales_actions.segment,
        rule_sales_actions.stage,
        rule_sales_actions.on_count,
        rule_sales_actions.is_request,
        row_number() over (
            partition by lead_behaviours.lead_id, rule_sales_actions.action, rule_sales_actions.kind
            order by lead_behaviours.occurred_at, lead_behaviours.event_id
        ) as nth,
    from warehouse.lead_behaviours
    inner join warehouse.rule_sales_actions on lead_behaviours.behaviour = rule_sales_actions.behaviour
    where lead_behaviours.is_counted
),

last_handoffs as (
    select
        aliases.lead_id,
        handoffs.handoff_id,
        handoffs.status,
        handoffs.status_changed_at,
    from handoffs
    inner join warehouse.lead_aliases as aliases on handoffs.lead_id = aliases.alias_lead_id
    -- of two for the same instant one that sales still has
    qualify
        row_number() over (
            partition by aliases.lead_id
            order by handoffs.caused_at desc, handoffs.status = 'returned', handoffs.handoff_id
        ) = 1
),

earned as (
    -- what a lead has done since sales gave it back; points that fade take nothing from it
    select
        returned.lead_id,
        returned.handoff_id,
        returned.status_changed_at as returned_at,
        changes.changed_at,
        changes.score,
        sum(greatest(changes.points, 0)) over (
            partition by returned.lead_id
            order by changes.changed_at
        ) as points,
    from last_handoffs as returned
    inner join warehouse.lead_score_changes as changes
        on returned.lead_id = changes.lead_id and returned.status_changed_at < changes.changed_at
    where returned.status = 'returned'
),

causes as (
    select
        counted.lead_id,
        counted.kind,
        counted.action as cause,
        counted.event_id as cause_event_id,
        counted.occurred_at as caused_at,
        counted.on_count > 1 as is_once_a_lead,
        counted.is_request as is_own_request,
        false as is_once_an_account,
        null::timestamptz as returned_at,
        1 as precedence,
    from counted
    inner join warehouse.lead_stage_changes
        on
            counted.lead_id = lead_stage_changes.lead_id
            and counted.occurred_at >= lead_stage_changes.changed_at
            and counted.occurred_at < lead_stage_changes.left_at
            and (counted.stage is null or counted.stage = lead_stage_changes.to_stage)
    where
        (counted.on_count = 1 or counted.on_count = counted.nth)
        -- what was past when the run before looked, and known to it, was left alone then: neither a rule added since
        -- nor a title corrected since reaches back
        and (counted.received_at >= $last_seen or counted.occurred_at + $expires_after > $last_seen)
        and exists (
            select 1
            from warehouse.segment_members
            where
                segment_members.segment = counted.segment
                and segment_members.lead_id = counted.lead_id
                and (segment_members.left_at is null or segment_members.left_at > counted.occurred_at)
        )
    union all
    select
        lead_id,
        'handoff' as kind,
        'hot' as cause,
        cause_event_id::varchar as cause_event_id,
        changed_at as caused_at,
        false as is_once_a_lead,
        false as is_own_request,
        false as is_once_an_account,
        null::timestamptz as returned_at,
        3 as precedence,
    from warehouse.lead_tier_changes
    where to_tier = $hot_tier and cause_event_id is not null
    union all
    select
        earned.lead_id,
        'handoff' as kind,
        'hot_again' as cause,
        -- named after the handoff that came back and how often its lead has earned enough since, so that it is one
        -- cause however late facts move it, and what was refused may be asked again
        md5(
            concat_ws(chr(31), earned.handoff_id, 'hot_again', nullif(floor(earned.points / $again_after_points), 1))
        )::uuid::varchar as cause_event_id,
        min(earned.changed_at) as caused_at,
        false as is_once_a_lead,
        false as is_own_request,
        false as is_once_an_account,
        earned.returned_at,
        4 as precedence,
    from earned
    inner join warehouse.rule_tiers
        on
            rule_tiers.tier = $hot_tier
            and (rule_tiers.minimum_score is null or earned.score >= rule_tiers.minimum_score)
    where earned.points >= $again_after_points
    group by earned.lead_id, earned.handoff_id, earned.returned_at, floor(earned.points / $again_after_points)
    union all
    select
        segment_members.lead_id,
        actions.kind,
        actions.action as cause,
        -- an entry is no event: its name is made of what it is
        md5(concat_ws(chr(31), actions.action, epoch_us(segment_members.entered_at)))::uuid::varchar as cause_event_id,
        segment_members.entered_at as caused_at,
        false as is_once_a_lead,
        false as is_own_request,
        actions.once_per_account as is_once_an_account,
        null::timestamptz as returned_at,
        2 as precedence,
    from warehouse.segment_members
    inner join warehouse.rule_sales_actions as actions
        on segment_members.segment = actions.segment and actions.behaviour is null
    -- a rule added since the run before does not reach back to those who have long been members
    where segment_members.entered_at + $expires_after > $last_seen
),

decided as (
    select aliases.lead_id, done.cause_event_id, done.cause, done.kind
    from (
        select lead_id, cause_event_id, cause, 'handoff' as kind from handoffs
        union all
        select lead_id, cause_event_id, cause, 'handoff' as kind from handoff_decisions
        union all
        select lead_id, cause_event_id, cause, kind from notices
    ) as done
    inner join warehouse.lead_aliases as aliases
        on done.lead_id = aliases.alias_lead_id
)

select
    causes.lead_id,
    causes.kind,
    causes.cause,
    causes.cause_event_id,
    causes.caused_at,
    causes.is_own_request,
    causes.returned_at,
    case when causes.is_once_an_account then leads.account_id end as account_id,
    leads.score,
from causes
left join warehouse.leads on causes.lead_id = leads.lead_id
where
    causes.caused_at >= $active_from
    and not exists (
        select 1
        from decided
        where
            decided.lead_id = causes.lead_id
            and decided.kind = causes.kind
            and (
                decided.cause_event_id = causes.cause_event_id
                -- a late event may make another view the third one; the third view was told of all the same
                or (causes.is_once_a_lead and decided.cause = causes.cause)
            )
    )
-- one event makes one handoff, named after what the rules say of the event before what it did to the score
qualify
    row_number() over (
        partition by causes.lead_id, causes.cause_event_id, causes.kind
        order by causes.precedence, causes.cause
    ) = 1
