-- One row per selected handoff or notice: itself, its lead, and what is worth knowing of the lead.
-- key: id
-- from: selected, lead_aliases, leads, rule_stages, lead_score_points, rule_scoring, lead_behaviours, rule_behaviours,
--       rule_talking_points, sends, send_outcomes, rule_steps, events
with current_selected as (
    select
        selected.*,
        coalesce(aliases.lead_id, selected.lead_id) as current_lead_id,
    from selected
    left join warehouse.lead_aliases as aliases on selected.lead_id = aliases.alias_lead_id
),

asked as (
    select distinct current_lead_id as lead_id from current_selected
),

reasons as (
    select
        points.lead_id,
        list(
            {'at': points.occurred_at, 'label': rule_scoring.label, 'points': points.points}
            order by points.occurred_at desc, points.event_id
        )[1:5] as reasons,
    from warehouse.lead_score_points as points
    inner join warehouse.rule_scoring on points.rule = rule_scoring.rule
    where points.lead_id in (select lead_id from asked)
    group by points.lead_id
),

acts as (
    select
        behaviours.lead_id,
        behaviours.behaviour,
        behaviours.occurred_at,
    from warehouse.lead_behaviours as behaviours
    where behaviours.lead_id in (select lead_id from asked) and behaviours.is_counted
),

groups_seen as (
    -- several rules may ask for one group, each with a number of its own
    select
        acts.lead_id,
        coalesce(kinds.page_group, kinds.asset_group) as page_group,
        kinds.event_type,
        count(distinct acts.occurred_at) as times,
        max(acts.occurred_at) as last_at,
    from acts
    inner join warehouse.rule_behaviours as kinds on acts.behaviour = kinds.behaviour
    where coalesce(kinds.page_group, kinds.asset_group) is not null
    group by all
),

seen as (
    select
        lead_id,
        list(
            {'page_group': page_group, 'event_type': event_type, 'times': times, 'last_at': last_at}
            order by last_at desc, page_group
        )[1:6] as seen,
    from groups_seen
    group by lead_id
),

says as (
    select
        acts.lead_id,
        arg_min(points.say, points.position) as say,
    from acts
    inner join warehouse.rule_talking_points as points on acts.behaviour = points.behaviour
    group by acts.lead_id
),

mails as (
    select
        aliases.lead_id,
        list(
            {
                'label': coalesce(rule_steps.label, sends.step),
                'sent_at': sends.sent_at,
                'is_opened': told.opened_at is not null or told.clicked_at is not null,
                'is_clicked': told.clicked_at is not null
            }
            order by sends.sent_at desc, sends.send_id
        )[1:5] as mails,
    from sends
    inner join warehouse.lead_aliases as aliases on sends.lead_id = aliases.alias_lead_id
    left join warehouse.send_outcomes as told on sends.send_id = told.send_id
    left join warehouse.rule_steps on sends.scenario = rule_steps.scenario and sends.step = rule_steps.step
    where sends.sent_at is not null and aliases.lead_id in (select lead_id from asked)
    group by aliases.lead_id
),

answers as (
    -- what the lead wrote when it asked for sales; the instant leads to the event, whose ids are not in order
    select
        current_selected.id,
        any_value(events.properties) as answers,
    from current_selected
    inner join warehouse.events as events
        on
            current_selected.caused_at = events.occurred_at
            and current_selected.cause_event_id = events.event_id::varchar
    where $with_answers
    group by current_selected.id
)

select
    current_selected,
    leads,
    {
        'stage_label': rule_stages.label,
        'reasons': reasons.reasons,
        'seen': seen.seen,
        'mails': mails.mails,
        'say': says.say,
        'answers': answers.answers
    } as more,
from current_selected
left join warehouse.leads as leads on current_selected.current_lead_id = leads.lead_id
left join warehouse.rule_stages as rule_stages on leads.stage = rule_stages.stage
left join reasons on current_selected.current_lead_id = reasons.lead_id
left join seen on current_selected.current_lead_id = seen.lead_id
left join says on current_selected.current_lead_id = says.lead_id
left join mails on current_selected.current_lead_id = mails.lead_id
left join answers on current_selected.id = answers.id
