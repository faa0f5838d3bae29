-- One row per planned send of a page, with what its mail shows and the reason, if any, why it may no longer go.
-- key: send_id
-- from: page, leaving, sends, holdout, scenario_runs, lead_aliases, leads, rule_steps, segment_members, fresh_blocks
-- A send may have waited since it was decided: stage, segment and step are looked at again. Suppression stands here
-- again because facts may have come in since. What the last recompute saw is in leads; what came in at its instant or
-- later is in fresh_blocks, and holds for the whole lead and for the address. The mail is rendered from the present
-- rules: where these name another category or kind than was planned, whatever keeps a mail of either back keeps it.
-- What is looked for in large tables is narrowed to what is asked for, which often is nothing.
with present as (
    select
        page.position,
        page.batch,
        page.send_id,
        page.lead_id as planned_lead_id,
        page.scenario,
        page.step,
        page.variant,
        page.occurrence,
        page.kind,
        page.email,
        page.expires_at,
        page.due_at,
        if(rule_steps.category = 'marketing', 'marketing', page.category) as category,
        rule_steps.kind as present_kind,
        rule_steps.segment,
        coalesce(rule_steps.asks_segment, false) as asks_segment,
        rule_steps.stage,
        coalesce(rule_steps.is_enabled, false) as is_enabled,
        aliases.lead_id,
        leads.lead_id is null as is_unknown,
        leads.is_suppressed,
        leads.stage as lead_stage,
        coalesce(
            refusal_of(page.kind, leads.newsletter_refusal, leads.step_refusal, leads.trigger_refusal),
            refusal_of(rule_steps.kind, leads.newsletter_refusal, leads.step_refusal, leads.trigger_refusal)
        ) as refusal,
        leads as shown_lead,
    from page
    left join warehouse.rule_steps on page.scenario = rule_steps.scenario and page.step = rule_steps.step
    left join warehouse.lead_aliases as aliases on page.lead_id = aliases.alias_lead_id
    left join warehouse.leads on aliases.lead_id = leads.lead_id
),

held_out as (
    select aliases.lead_id
    from holdout
    inner join warehouse.lead_aliases as aliases on holdout.lead_id = aliases.alias_lead_id
    group by aliases.lead_id
    having arg_min(holdout.is_held_out, (holdout.assigned_at, holdout.lead_id))
),

freshly_blocked as (
    -- by what came in since, of the address or of the lead
    select send_id, if(bool_or(blocks = 'all'), 'suppressed', 'opted_out') as reason
    from (
        select present.send_id, present.category, present.kind, present.present_kind, fresh_blocks.blocks
        from present
        inner join fresh_blocks on present.email = fresh_blocks.email
        union all
        select present.send_id, present.category, present.kind, present.present_kind, fresh_blocks.blocks
        from present
        inner join fresh_blocks on present.lead_id = fresh_blocks.lead_id
    )
    where blocks = 'all' or (category = 'marketing' and (kind is null or blocks in (kind, present_kind)))
    group by send_id
),

names as materialized (
    -- of leads with more than one, which hardly any has
    select aliases.lead_id, aliases.alias_lead_id
    from warehouse.lead_aliases as aliases
    semi join (
        select others.lead_id from warehouse.lead_aliases as others where others.alias_lead_id != others.lead_id
    ) as merged
        on aliases.lead_id = merged.lead_id
),

alike as materialized (
    -- hardly any send has its address in common with another of its step and occurrence; each counts itself, since a
    -- page is made of sends
    select present.*
    from present
    semi join (
        select marks.mark
        from (
            select send_mark(sends.email, sends.scenario, sends.step, sends.occurrence) as mark
            from sends
            where sends.step in (select page.step from page)
        ) as marks
        where
            marks.mark in (
                select send_mark(page.email, page.scenario, page.step, page.occurrence) from page
            )
        group by marks.mark
        having count(*) > 1
    ) as shared
        on send_mark(present.email, present.scenario, present.step, present.occurrence) = shared.mark
),

of_the_same as (
    -- two leads that were one person all along: sends to the same address, and to any other of the lead's names
    select
        alike.send_id,
        other.send_id as other_id,
        other.lead_id,
        other.scenario,
        other.occurrence,
        other.state,
        other.email,
    from alike
    inner join sends as other
        on
            alike.email = other.email
            and alike.scenario = other.scenario
            and alike.step = other.step
            and alike.occurrence = other.occurrence
            and alike.send_id != other.send_id
    union all
    select
        present.send_id,
        other.send_id as other_id,
        other.lead_id,
        other.scenario,
        other.occurrence,
        other.state,
        other.email,
    from present
    inner join names on present.lead_id = names.lead_id and present.planned_lead_id != names.alias_lead_id
    inner join sends as other
        on
            names.alias_lead_id = other.lead_id
            and present.scenario = other.scenario
            and present.step = other.step
            and present.occurrence = other.occurrence
            and present.send_id != other.send_id
),

twins as (
    -- whichever mail went first, or stands first of those that can go, is the one
    select send_id
    from of_the_same
    where
        state not in ('cancelled', 'rejected')
        and (
            state != 'planned'
            or (
                other_id < send_id
                and is_deliverable(email)
                and (lead_id, scenario, occurrence) not in (
                    select (runs.lead_id, runs.scenario, runs.occurrence)
                    from scenario_runs as runs
                    where runs.end_reason = 'merged'
                )
            )
        )
),

asked_segments as (
    select send_id, lead_id, segment
    from present
    where asks_segment
),

out_of_segment as (
    select asked_segments.send_id
    from asked_segments
    anti join (
        select lead_id, segment
        from warehouse.segment_members
        where left_at is null and segment in (select asked_segments.segment from asked_segments)
    ) as members
        on asked_segments.segment = members.segment and asked_segments.lead_id = members.lead_id
)

select
    present.position,
    present.batch,
    present.send_id,
    present.scenario,
    present.step,
    present.variant,
    present.email,
    case
        when not present.is_enabled then 'step_removed'
        when coalesce(present.expires_at, present.due_at + $expires_after) < $as_of then 'expired'
        when not is_deliverable(present.email) then 'bad_address'
        when present.send_id in (select twins.send_id from twins) then 'duplicate_address'
        when present.is_unknown then 'unknown_lead'
        when present.is_suppressed then 'suppressed'
        when freshly_blocked.reason is not null then freshly_blocked.reason
        when present.category = 'marketing' and present.refusal is not null then present.refusal
        when present.category = 'marketing' and present.lead_id in (from held_out) then 'holdout'
        when present.stage is not null and present.stage != coalesce(present.lead_stage, '') then 'exited'
        when leaving.reason != 'consent' then 'exited'
        when present.send_id in (select out_of_segment.send_id from out_of_segment) then 'exited'
    end as stop_reason,
    columns('shown_.*'),
from present
left join leaving on present.send_id = leaving.send_id
left join freshly_blocked on present.send_id = freshly_blocked.send_id
