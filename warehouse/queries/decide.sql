-- One row per due enrolment without a final decision: whether its mail goes out, or the one reason why not.
-- key: lead_id, scenario, step, occurrence
-- from: deciding, leaving, tests_now, lead_variants, rule_variants, rule_scenarios, enrolments, send_decisions,
--       send_decision_changes, sends, pauses,
--       holdout, lead_aliases, leads, lead_attributes, rule_steps, segment_members, window_openings, known_zones,
--       mail_caps
-- A mail whose window is closed, or whose lead has had enough mails, waits: it is judged again by every run.
with touched as (
    -- leads with a mail to decide on, by all of their names: the others' mails are history
    select lead_id from deciding
    union
    select names.alias_lead_id
    from deciding
    inner join warehouse.lead_aliases as mine on deciding.lead_id = mine.alias_lead_id
    inner join warehouse.lead_aliases as names on mine.lead_id = names.lead_id
),

current_enrolments as (
    select
        enrolments.*,
        aliases.lead_id as current_lead_id,
        rule_steps.segment,
        rule_steps.stage,
        rule_steps.category,
        rule_steps.kind,
        if(rule_variants.variant is null, rule_steps.send_window, rule_variants.send_window) as send_window,
        lead_variants.variant,
        tests_now.test,
        tests_now.longest_us as test_longest_us,
        rule_steps.priority,
        rule_steps.is_enabled,
        rule_steps.asks_segment,
        rule_scenarios.is_enabled = false as is_switched_off,
        send_decisions.send_id,
        send_decisions.decision as earlier_decision,
        coalesce(send_decisions.is_final, false) as is_decided,
        coalesce(send_decisions.decision = 'sent', false) as is_sent,
        row_number() over (
            partition by aliases.lead_id, enrolments.scenario, enrolments.step, enrolments.occurrence
            -- one that was decided against says nothing of the others
            order by
                coalesce(send_decisions.is_final and send_decisions.decision = 'sent', false) desc,
                coalesce(send_decisions.is_final, false),
                enrolments.triggered_at,
                enrolments.lead_id
        ) = 1 as is_first_of_lead,
    from enrolments
    left join warehouse.lead_aliases as aliases on enrolments.lead_id = aliases.alias_lead_id
    left join warehouse.rule_steps
        on enrolments.scenario = rule_steps.scenario and enrolments.step = rule_steps.step
    left join warehouse.rule_scenarios on enrolments.scenario = rule_scenarios.scenario
    left join tests_now on enrolments.scenario = tests_now.scenario and enrolments.step = tests_now.step
    left join lead_variants
        on
            aliases.lead_id = lead_variants.lead_id
            and enrolments.scenario = lead_variants.scenario
            and enrolments.step = lead_variants.step
    left join warehouse.rule_variants
        on tests_now.test = rule_variants.test and lead_variants.variant = rule_variants.variant
    left join send_decisions
        on
            enrolments.lead_id = send_decisions.lead_id
            and enrolments.scenario = send_decisions.scenario
            and enrolments.step = send_decisions.step
            and enrolments.occurrence = send_decisions.occurrence
    where enrolments.lead_id in (select lead_id from touched)
),

due as (
    select
        current_enrolments.*,
        leads.email,
        leads.is_suppressed,
        refusal_of(
            current_enrolments.kind, leads.newsletter_refusal, leads.step_refusal, leads.trigger_refusal
        ) as refusal,
        leads.stage as current_stage,
        coalesce(known_zones.zone, $timezone) as zone,
    from current_enrolments
    left join warehouse.leads on current_enrolments.current_lead_id = leads.lead_id
    left join warehouse.lead_attributes on current_enrolments.current_lead_id = lead_attributes.lead_id
    left join known_zones on lead_attributes.attributes[$time_zone_field] = known_zones.zone
    where not current_enrolments.is_decided and current_enrolments.due_at <= $as_of
),

held_out as (
    -- of a lead that two became, what was told first
    select aliases.lead_id
    from holdout
    inner join warehouse.lead_aliases as aliases on holdout.lead_id = aliases.alias_lead_id
    group by aliases.lead_id
    having arg_min(holdout.is_held_out, (holdout.assigned_at, holdout.lead_id))
),

openings as (
    -- by the clocks of the places where leads are
    select
        window_openings.send_window,
        zones.zone,
        timezone(zones.zone, window_openings.opens_at) as opens_at,
        timezone(zones.zone, window_openings.closes_at) as closes_at,
        window_openings.opens_at::date = timezone(zones.zone, $as_of)::date as is_of_today,
    from window_openings
    cross join (select distinct zone from due where send_window is not null) as zones
),

opening_days as (
    select distinct send_window, zone from openings where is_of_today
),

opened as (
    -- since when each mail might have gone, and whether it may now; the second opening has to be over before it is too
    -- late, since the first may have been over at once
    select
        due.lead_id,
        due.scenario,
        due.step,
        due.occurrence,
        min(greatest(openings.opens_at, due.due_at)) filter (openings.opens_at <= $as_of) as may_go_from,
        bool_or(openings.opens_at <= $as_of and openings.closes_at > $as_of) as is_open,
        list_sort(list(openings.closes_at))[2] as second_closes_at,
    from due
    inner join openings
        on
            due.send_window = openings.send_window
            and due.zone = openings.zone
            and openings.closes_at > due.due_at
    group by due.lead_id, due.scenario, due.step, due.occurrence
),

waited as (
    -- what a mail has ever waited for
    select
        send_id,
        bool_or(decision = 'frequency_cap') as has_waited_for_room,
        bool_or(decision = 'awaiting_winner') as has_waited_for_winner,
    from send_decision_changes
    where send_id in (select due.send_id from due)
    group by send_id
),

waits as (
    select
        due.lead_id,
        due.scenario,
        due.step,
        due.occurrence,
        coalesce(opened.is_open, due.send_window is null) as is_open,
        -- a mail that waited for its lead to have room may wait for as long as the longest cap
        case
            when due.send_window is null then due.due_at + $expires_after
            when opened.may_go_from is null then timestamptz 'infinity'
            else
                greatest(
                    opened.may_go_from + $expires_after,
                    coalesce(opened.second_closes_at, $as_of::timestamptz + interval 30 days)
                )
        end
        + case
            when waited.has_waited_for_room
                then to_microseconds(coalesce((select max(window_us) from mail_caps), 0))
            else interval 0 second
        end
        + case
            when waited.has_waited_for_winner then coalesce(to_microseconds(due.test_longest_us), interval 30 days)
            else interval 0 second
        end as expires_at,
    from due
    left join waited on due.send_id = waited.send_id
    left join opened using (lead_id, scenario, step, occurrence)
),

judged as (
    select
        due.*,
        waits.expires_at,
        case
            when due.priority is null or not due.is_enabled then 'step_removed'
            when due.is_suppressed is null then 'unknown_lead'
            when not due.is_first_of_lead then 'duplicate_address'
            when waits.expires_at < $as_of then 'expired'
            when due.stage is not null and due.stage != coalesce(due.current_stage, '') then 'exited'
            when leaving.reason != 'consent' then 'exited'
            when due.asks_segment and not exists (
                select 1
                from warehouse.segment_members
                where
                    segment_members.segment = due.segment
                    and segment_members.lead_id = due.current_lead_id
                    and segment_members.left_at is null
            ) then 'exited'
            when due.email is null then 'no_address'
            when not is_deliverable(due.email) then 'bad_address'
            when due.is_suppressed then 'suppressed'
            when due.category = 'marketing' and due.refusal is not null then due.refusal
            when leaving.reason is not null then 'exited'
            when exists (
                select 1
                from sends
                where
                    sends.scenario = due.scenario
                    and sends.step = due.step
                    and sends.occurrence = due.occurrence
                    and sends.email = due.email
            ) then 'duplicate_address'
            when due.category = 'marketing' and held_out.lead_id is not null then 'holdout'
            when exists (select 1 from pauses where pauses.scenario in ('*', due.scenario)) then 'paused'
            when due.is_switched_off then 'paused'
            when due.test is not null and due.variant is null then 'awaiting_winner'
            when waits.is_open then null
            when opening_days.zone is null then 'holiday'
            else 'quiet_hours'
        end as reason,
    from due
    inner join waits using (lead_id, scenario, step, occurrence)
    left join leaving using (lead_id, scenario, step, occurrence)
    left join held_out on due.current_lead_id = held_out.lead_id
    left join opening_days on due.send_window = opening_days.send_window and due.zone = opening_days.zone
),

answers as (
    -- what one trigger event yields for a lead after one delay: mails that went, and those that could go now
    select current_lead_id, trigger_event_id, due_at, scenario, step, -1 as rank
    from current_enrolments
    where is_sent
    union all
    select current_lead_id, trigger_event_id, due_at, scenario, step, priority as rank
    from judged
    where reason is null or reason = 'paused'
),

firsts as (
    -- it yields one mail: one that went stays, else the step that stands first in the rules
    select
        current_lead_id,
        trigger_event_id,
        due_at,
        arg_min(scenario, (rank, scenario, step)) as scenario,
        arg_min(step, (rank, scenario, step)) as step,
    from answers
    group by current_lead_id, trigger_event_id, due_at
),

answered as (
    select
        judged.*,
        case
            when
                (judged.reason is null or judged.reason in ('paused', 'awaiting_winner', 'holiday', 'quiet_hours'))
                and (firsts.scenario != judged.scenario or firsts.step != judged.step)
                then 'superseded'
            else coalesce(judged.reason, 'sent')
        end as decision,
        firsts.scenario as first_scenario,
        firsts.step as first_step,
    from judged
    left join firsts
        on
            judged.current_lead_id = firsts.current_lead_id
            and judged.trigger_event_id = firsts.trigger_event_id
            and judged.due_at = firsts.due_at
),

wanted as (
    -- an answer to one's own request goes however many mails there were
    select * from answered where decision = 'sent' and category = 'marketing' and exists (from mail_caps)
),

mailed as (
    select
        aliases.lead_id,
        sends.kind,
        -- one that is still to go counts as going now
        case
            when sends.state in ('planned', 'claimed', 'sending') then $as_of
            else coalesce(sends.sent_at, sends.state_changed_at)
        end as mailed_at,
    from sends
    inner join warehouse.lead_aliases as aliases on sends.lead_id = aliases.alias_lead_id
    where
        sends.category = 'marketing'
        and sends.state not in ('cancelled', 'rejected', 'dropped', 'bounced')
        and aliases.lead_id in (select current_lead_id from wanted)
),

rooms as (
    -- how many mails more each lead may have, by kind and in all
    select
        leads.current_lead_id,
        caps.kind,
        min(
            caps.mails - (
                select count(*)
                from mailed
                where
                    mailed.lead_id = leads.current_lead_id
                    and (caps.kind is null or mailed.kind = caps.kind)
                    and epoch_us(mailed.mailed_at) > epoch_us($as_of::timestamptz) - caps.window_us
            )
        ) as room,
    from (select distinct current_lead_id from wanted) as leads
    cross join mail_caps as caps
    group by leads.current_lead_id, caps.kind
),

of_their_kind as (
    select
        wanted.*,
        row_number() over (
            partition by wanted.current_lead_id, wanted.kind
            order by wanted.priority, wanted.due_at, wanted.scenario, wanted.step, wanted.occurrence
        ) <= coalesce(rooms.room, 1000000) as is_within_kind,
    from wanted
    left join rooms on wanted.current_lead_id = rooms.current_lead_id and wanted.kind = rooms.kind
),

capped as (
    -- the caps of all kinds are for those that their own kind lets go, so that none waits for one that waits
    select
        of_their_kind.lead_id,
        of_their_kind.current_lead_id,
        of_their_kind.scenario,
        of_their_kind.step,
        of_their_kind.occurrence,
    from of_their_kind
    left join rooms on of_their_kind.current_lead_id = rooms.current_lead_id and rooms.kind is null
    qualify
        not of_their_kind.is_within_kind
        or row_number() over (
            partition by of_their_kind.current_lead_id, of_their_kind.is_within_kind
            order by
                of_their_kind.priority, of_their_kind.due_at, of_their_kind.scenario, of_their_kind.step,
                of_their_kind.occurrence
        ) > coalesce(rooms.room, 1000000)
),

capped_steps as (
    select distinct current_lead_id, scenario, step
    from capped
),

decided as (
    select
        answered.*,
        case
            when capped.lead_id is not null then 'frequency_cap'
            -- what stands behind a mail that has to wait waits with it, unless no cap keeps it
            when answered.decision = 'superseded' and capped_steps.current_lead_id is not null
                then if(answered.category = 'marketing', 'frequency_cap', 'sent')
            else answered.decision
        end as final_decision,
    from answered
    left join capped using (lead_id, scenario, step, occurrence)
    left join capped_steps
        on
            answered.current_lead_id = capped_steps.current_lead_id
            and answered.first_scenario = capped_steps.scenario
            and answered.first_step = capped_steps.step
)

select
    'S' || substr(md5(concat_ws(chr(31), lead_id, scenario, step, occurrence)), 1, 24) as send_id,
    lead_id,
    scenario,
    step,
    coalesce(variant, 'default') as variant,
    occurrence,
    coalesce(segment, '') as segment,
    coalesce(category, 'marketing') as category,
    kind,
    email,
    due_at,
    expires_at,
    earlier_decision,
    final_decision as decision,
    final_decision not in ('paused', 'awaiting_winner', 'holiday', 'quiet_hours', 'frequency_cap') as is_final,
from decided
