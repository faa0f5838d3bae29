-- One row per behaviour of a lead in scope that a rule gives points for, before caps.
-- key: lead_id, rule, event_id
-- from: lead_behaviours, rule_scoring
with matched as (
    select
        lead_behaviours.lead_id,
        lead_behaviours.event_id,
        lead_behaviours.occurred_at,
        lead_behaviours.send_id,
        rule_scoring.rule,
        rule_scoring.points,
        rule_scoring.once_per,
    from lead_behaviours
    inner join rule_scoring on lead_behaviours.behaviour = rule_scoring.behaviour
    -- is_counted is what "once a send" and "once a window" mean; a rule that pays every event takes all but machines',
    -- the clicks of those who opt out, and edits of a deal that was won before
    where
        not lead_behaviours.is_machine
        and not lead_behaviours.is_opt_out_click
        and (
            lead_behaviours.is_counted
            or (rule_scoring.once_per in ('event', 'lead') and lead_behaviours.deal is null)
        )
)

select lead_id, rule, event_id, occurred_at, points, send_id
from matched
where once_per != 'lead'
union all
(
    select lead_id, rule, event_id, occurred_at, points, send_id
    from matched
    where once_per = 'lead'
    qualify row_number() over (partition by lead_id, rule order by occurred_at, event_id) = 1
)
