-- One row per award of points: which rule gave them, for which event.
-- key: lead_id, rule, event_id
-- from: lead_events, rule_scoring, rule_set
-- Points are what counts now, so they add up to the lead's score.
select
    lead_events.lead_id,
    rule_scoring.rule,
    lead_events.event_id,
    lead_events.occurred_at,
    rule_scoring.points,
    lead_events.send_id,
    rule_set.rule_set_version,
from lead_events
inner join rule_scoring
    on
        lead_events.event_type = rule_scoring.event_type
        and (rule_scoring.page_group is null or rule_scoring.page_group = lead_events.page_group)
        and (rule_scoring.asset_group is null or rule_scoring.asset_group = lead_events.asset_group)
cross join rule_set
-- is_counted is what "once a send" and "once a window" mean; a rule that pays every event takes all but machines' and
-- the clicks of those who opt out
where
    not lead_events.is_machine
    and not lead_events.is_opt_out_click
    and (lead_events.is_counted or rule_scoring.once_per = 'event')
