-- One row per due enrolment without a final decision: whether its mail goes out, or the one reason why not.
-- key: send_id
-- from: mails_at_hand, leaving, tests_now, lead_variants, rule_variants, rule_scenarios, send_decision_changes, sends,
--       pauses, holdout, lead_aliases, leads, lead_attributes, rule_steps, segment_members, window_openings,
--       known_zones, mail_caps
-- A mail whose window is closed, or whose lead has had enough mails, waits: it is judged again by every run.
with steps_at_hand as (
    -- numbers in place of names, in their order
    select scenario, step, row_number() over (order by scenario, step) as step_number
    from (select distinct scenario, step from mails_at_hand)
),

mails as (
    -- a lead's mails are decided on together
    select
        at_hand.*,
        at_hand.rowid as mail,
        steps_at_hand.step_number,
    from mails_at_hand as at_hand
    inner join steps_at_hand on at_hand.scenario = steps_at_hand.scenario and at_hand.step = steps_at_hand.step
),

doubles as (
    -- of leads that turned out to be one, what another of their names has come to first; a lead of one name has each
    -- mail once
    select mail
    from mails
    where
        current_lead_id in (
            select names.current_lead_id from mails as names where names.current_lead_id != names.lead_id
        )
    qualify
        row_number() over (
            partition by current_lead_id, step_number, occurrence
            -- one that was decided against says nothing of the others
            order by
                is_sent desc,
                is_decided,
                -- the run that goes on, not the one that ended when two leads turned out to be one
                send_id in (select leaving.send_id from leaving where leaving.reason = 'merged'),
                triggered_at,
                lead_id
        ) > 1
),

due as (
    select
        mails.mail,
        mails.step_number,
        mails.send_number,
        mails.send_id,
        mails.lead_id,
        mails.current_lead_id,
        mails.scenario,
        mails.step,
        mails.occurrence,
        mails.trigger_event_id,
        mails.due_at,
        mails.earlier_decision,
        leads.email,
        leads.is_suppressed,
        leads.stage as current_stage,
        refusal_of(
            rule_steps.kind, leads.newsletter_refusal, leads.step_refusal, leads.trigger_refusal
        ) as refusal,
        coalesce(known_zones.zone, $timezone) as zone,
        rule_steps.segment,
        rule_steps.stage,
        rule_steps.category,
        rule_steps.kind,
        rule_steps.priority,
        rule_steps.is_enabled,
        rule_steps.asks_segment,
        rule_scenarios.is_enabled = false as is_switched_off,
        if(rule_variants.variant is null, rule_steps.send_window, rule_variants.send_window) as send_window,
        lead_variants.variant,
        tests_now.test,
        tests_now.longest_us as test_longest_us,
    from mails
    left join warehouse.rule_steps on mails.scenario = rule_steps.scenario and mails.step = rule_steps.step
    left join warehouse.rule_scenarios on mails.scenario = rule_scenarios.scenario
    left join warehouse.leads on mails.current_lead_id = leads.lead_id
    left join (
        select lead_id, attributes[$time_zone_field] as zone
        from warehouse.lead_attributes
        where $time_zone_field is not null
    ) as told on mails.current_lead_id = told.lead_id
    left join known_zones on told.zone = known_zones.zone
    left join tests_now on mails.scenario = tests_now.scenario and mails.step = tests_now.step
    left join lead_variants
        on
            mails.current_lead_id = lead_variants.lead_id
            and mails.scenario = lead_variants.scenario
            and mails.step = lead_variants.step
    left join warehouse.rule_variants
        on tests_now.test = rule_variants.test and lead_variants.variant = rule_variants.variant
    where mails.is_due
),

in_segment as (
    select due.mail
    from due
    semi join (
        select lead_id, segment
        from warehouse.segment_members
        where left_at is null and segment in (select asked.segment from due as asked where asked.asks_segment)
    ) as members
        on due.current_lead_id = members.lead_id and due.segment = members.segment
    where due.asks_segment
),

alike as materialized (
    -- hardly any mail has gone to its address before: compared by what stands for it, then by all of it
    select due.mail, due.email, due.scenario, due.step, due.occurrence
    from due
    where send_mark(due.email, due.scenario, due.step, due.occurrence) in (
        select send_mark(sends.email, sends.scenario, sends.step, sends.occurrence) from sends
    )
),

same_address as (
    -- whose mail went to its address before, under whatever lead
    select alike.mail
    from alike
    semi join sends
        on
            alike.email = sends.email
            and alike.scenario = sends.scenario
            and alike.step = sends.step
            and alike.occurrence = sends.occurrence
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
        due.mail,
        min(greatest(openings.opens_at, due.due_at)) filter (openings.opens_at <= $as_of) as may_go_from,
        bool_or(openings.opens_at <= $as_of and openings.closes_at > $as_of) as is_open,
        list_sort(list(openings.closes_at))[2] as second_closes_at,
    from due
    inner join openings
        on
            due.send_window = openings.send_window
            and due.zone = openings.zone
            and openings.closes_at > due.due_at
    group by due.mail
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
        due.*,
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
    left join opened on due.mail = opened.mail
),

judged as (
    select
        waits.*,
        case
            when waits.priority is null or not waits.is_enabled then 'step_removed'
            when waits.is_suppressed is null then 'unknown_lead'
            when waits.mail in (from doubles) then 'duplicate_address'
            when waits.expires_at < $as_of then 'expired'
            when waits.stage is not null and waits.stage != coalesce(waits.current_stage, '') then 'exited'
            when leaving.reason != 'consent' then 'exited'
            when waits.asks_segment and in_segment.mail is null then 'exited'
            when waits.email is null then 'no_address'
            when not is_deliverable(waits.email) then 'bad_address'
            when waits.is_suppressed then 'suppressed'
            when waits.category = 'marketing' and waits.refusal is not null then waits.refusal
            when leaving.reason is not null then 'exited'
            when same_address.mail is not null then 'duplicate_address'
            when waits.category = 'marketing' and held_out.lead_id is not null then 'holdout'
            when exists (select 1 from pauses where pauses.scenario in ('*', waits.scenario)) then 'paused'
            when waits.is_switched_off then 'paused'
            when waits.test is not null and waits.variant is null then 'awaiting_winner'
            when waits.is_open then null
            when opening_days.zone is null then 'holiday'
            else 'quiet_hours'
        end as reason,
    from waits
    left join leaving on waits.send_id = leaving.send_id
    left join in_segment on waits.mail = in_segment.mail
    left join same_address on waits.mail = same_address.mail
    left join held_out on waits.current_lead_id = held_out.lead_id
    left join opening_days on waits.send_window = opening_days.send_window and waits.zone = opening_days.zone
),

answers as (
    -- what one trigger event yields for a lead after one delay: mails that went, and those that could go now, by turns
    -- a mail that went before all others, then by priority, then by the step's number, which is less than a million
    select current_lead_id, trigger_event_id, due_at, step_number as turn
    from mails
    where is_sent
    union all
    select current_lead_id, trigger_event_id, due_at, (priority + 1)::bigint * 1000000 + step_number as turn
    from judged
    where reason is null or reason = 'paused'
),

firsts as (
    -- it yields one mail: one that went stays, else the step that stands first in the rules
    select current_lead_id, trigger_event_id, due_at, min(turn) % 1000000 as step_number
    from answers
    group by current_lead_id, trigger_event_id, due_at
),

answered as (
    select
        judged.*,
        case
            when
                (judged.reason is null or judged.reason in ('paused', 'awaiting_winner', 'holiday', 'quiet_hours'))
                and firsts.step_number != judged.step_number
                then 'superseded'
            else coalesce(judged.reason, 'sent')
        end as decision,
        firsts.step_number as first_step_number,
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
        of_their_kind.mail,
        of_their_kind.current_lead_id,
        of_their_kind.step_number,
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
    select distinct current_lead_id, step_number
    from capped
),

next_in_line as (
    -- the one mail that may go in the place of one that a cap keeps back
    select mail
    from answered
    where decision = 'superseded' and category = 'transactional' and reason is null
    qualify
        row_number() over (
            partition by current_lead_id, trigger_event_id, due_at
            order by priority, scenario, step
        ) = 1
),

decided as (
    select
        answered.*,
        case
            when capped.mail is not null then 'frequency_cap'
            -- what stands behind a mail that has to wait waits with it, unless no cap keeps it and it is the next
            when answered.decision = 'superseded' and capped_steps.current_lead_id is not null
                then
                    case
                        when answered.category = 'marketing' then 'frequency_cap'
                        when next_in_line.mail is not null then 'sent'
                        else 'superseded'
                    end
            else answered.decision
        end as final_decision,
    from answered
    left join capped on answered.mail = capped.mail
    left join next_in_line on answered.mail = next_in_line.mail
    left join capped_steps
        on
            answered.current_lead_id = capped_steps.current_lead_id
            and answered.first_step_number = capped_steps.step_number
)

select
    send_number,
    send_id,
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
