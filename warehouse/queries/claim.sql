-- One row per planned send of a page, with what its mail shows and the reason, if any, why it may no longer go.
-- key: send_id
-- from: page, leaving, sends, holdout, scenario_runs, lead_aliases, leads, rule_steps, segment_members, fresh_blocks
-- A send may have waited since it was decided: stage, segment and step are looked at again. Suppression stands here
-- again because facts may have come in since. What the last recompute saw is in leads; what came in at its instant or
-- later is in fresh_blocks, and holds for the whole lead and for the address. The mail is rendered from the present
-- rules: where these name another category or kind than was planned, whatever keeps a mail of either back keeps it.
with present as (
    select
        page.* replace (
            if(rule_steps.category = 'marketing', 'marketing', page.category) as category
        ),
        rule_steps.kind as present_kind,
    from page
    left join warehouse.rule_steps on page.scenario = rule_steps.scenario and page.step = rule_steps.step
),

held_out as (
    select aliases.lead_id
    from holdout
    inner join warehouse.lead_aliases as aliases on holdout.lead_id = aliases.alias_lead_id
    group by aliases.lead_id
    having arg_min(holdout.is_held_out, (holdout.assigned_at, holdout.lead_id))
),

batch as (
    select
        page.send_id,
        page.scenario,
        page.step,
        page.occurrence,
        page.kind,
        page.present_kind,
        page.category,
        page.email,
        page.lead_id as planned_lead_id,
        aliases.lead_id,
        coalesce(
            refusal_of(page.kind, leads.newsletter_refusal, leads.step_refusal, leads.trigger_refusal),
            refusal_of(page.present_kind, leads.newsletter_refusal, leads.step_refusal, leads.trigger_refusal)
        ) as refusal,
    from present as page
    left join warehouse.lead_aliases as aliases on page.lead_id = aliases.alias_lead_id
    left join warehouse.leads on aliases.lead_id = leads.lead_id
),

freshly_blocked as (
    -- by what came in since, of the address or of the lead
    select send_id, if(bool_or(blocks = 'all'), 'suppressed', 'opted_out') as reason
    from (
        select batch.send_id, batch.category, batch.kind, batch.present_kind, fresh_blocks.blocks
        from batch
        inner join fresh_blocks on batch.email = fresh_blocks.email
        union all
        select batch.send_id, batch.category, batch.kind, batch.present_kind, fresh_blocks.blocks
        from batch
        inner join fresh_blocks on batch.lead_id = fresh_blocks.lead_id
    )
    where blocks = 'all' or (category = 'marketing' and (kind is null or blocks in (kind, present_kind)))
    group by send_id
),

of_the_same as (
    -- two leads that were one person all along: sends to the same address, and to any other of the lead's names
    select
        batch.send_id,
        other.send_id as other_id,
        other.state,
        other.email,
        (other.lead_id, other.scenario, other.occurrence) in (
            select (lead_id, scenario, occurrence) from scenario_runs
            where end_reason = 'merged'
        ) as is_of_an_ended_run,
    from batch
    inner join sends as other
        on
            batch.email = other.email
            and batch.scenario = other.scenario
            and batch.step = other.step
            and batch.occurrence = other.occurrence
    union all
    select
        batch.send_id,
        other.send_id as other_id,
        other.state,
        other.email,
        (other.lead_id, other.scenario, other.occurrence) in (
            select (lead_id, scenario, occurrence) from scenario_runs
            where end_reason = 'merged'
        ) as is_of_an_ended_run,
    from batch
    inner join warehouse.lead_aliases as names
        on batch.lead_id = names.lead_id and batch.planned_lead_id != names.alias_lead_id
    inner join sends as other
        on
            names.alias_lead_id = other.lead_id
            and batch.scenario = other.scenario
            and batch.step = other.step
            and batch.occurrence = other.occurrence
),

in_segment as (
    select batch.send_id
    from batch
    inner join warehouse.rule_steps on batch.scenario = rule_steps.scenario and batch.step = rule_steps.step
    inner join warehouse.segment_members
        on rule_steps.segment = segment_members.segment and batch.lead_id = segment_members.lead_id
    where segment_members.left_at is null
),

twins as (
    -- whichever mail went first, or stands first of those that can go, is the one
    select send_id
    from of_the_same
    where
        other_id != send_id
        and state not in ('cancelled', 'rejected')
        and (state != 'planned' or (other_id < send_id and is_deliverable(email) and not is_of_an_ended_run))
)

select
    sends.position,
    sends.send_id,
    sends.scenario,
    sends.step,
    sends.variant,
    sends.email,
    sends.batch,
    case
        when rule_steps.step is null or not rule_steps.is_enabled then 'step_removed'
        when coalesce(sends.expires_at, sends.due_at + $expires_after) < $as_of then 'expired'
        when not is_deliverable(sends.email) then 'bad_address'
        when sends.send_id in (select send_id from twins) then 'duplicate_address'
        when leads.lead_id is null then 'unknown_lead'
        when leads.is_suppressed then 'suppressed'
        when freshly_blocked.reason is not null then freshly_blocked.reason
        when sends.category = 'marketing' and batch.refusal is not null then batch.refusal
        when sends.category = 'marketing' and leads.lead_id in (from held_out) then 'holdout'
        when rule_steps.stage is not null and rule_steps.stage != coalesce(leads.stage, '') then 'exited'
        when leaving.reason != 'consent' then 'exited'
        when rule_steps.asks_segment and sends.send_id not in (select send_id from in_segment) then 'exited'
    end as stop_reason,
    leads as lead,
from present as sends
left join leaving on sends.send_id = leaving.send_id
left join warehouse.lead_aliases as aliases on sends.lead_id = aliases.alias_lead_id
left join warehouse.leads on aliases.lead_id = leads.lead_id
left join warehouse.rule_steps on sends.scenario = rule_steps.scenario and sends.step = rule_steps.step
left join batch on sends.send_id = batch.send_id
left join freshly_blocked on sends.send_id = freshly_blocked.send_id
