-- One row per event of a lead and scoring rule it falls under: the points before any cap, after the rule's own cap,
-- after the group's, and now; NULL where it gave none.
-- key: event_id, rule
-- from: lead_behaviours, rule_scoring, award_candidates, rule_capped_awards, behaviour_awards, lead_score_points,
--       award_steps
with following as (
    select rule, event_id, min(instant) as next_change_at
    from award_steps
    where lead_id = $lead_id and instant > $as_of
    group by rule, event_id
)

select
    behaviours.event_id,
    behaviours.occurred_at,
    behaviours.event_type,
    behaviours.is_machine,
    behaviours.is_opt_out_click,
    behaviours.is_counted,
    rule_scoring.rule,
    rule_scoring.points as rule_points,
    rule_scoring.once_per,
    later(behaviours.occurred_at, rule_scoring.expires_after_us) as expires_at,
    coalesce(expires_at <= $as_of, false) as is_expired,
    candidates.points as asked_points,
    capped.points as points_within_cap,
    given.points as points_given,
    counted.points as points_now,
    following.next_change_at,
from lead_behaviours as behaviours
inner join rule_scoring on behaviours.behaviour = rule_scoring.behaviour
left join award_candidates as candidates
    on
        behaviours.lead_id = candidates.lead_id
        and behaviours.event_id = candidates.event_id
        and rule_scoring.rule = candidates.rule
left join rule_capped_awards as capped
    on
        behaviours.lead_id = capped.lead_id
        and behaviours.event_id = capped.event_id
        and rule_scoring.rule = capped.rule
left join behaviour_awards as given
    on
        behaviours.lead_id = given.lead_id
        and behaviours.event_id = given.event_id
        and rule_scoring.rule = given.rule
left join lead_score_points as counted
    on
        behaviours.lead_id = counted.lead_id
        and behaviours.event_id = counted.event_id
        and rule_scoring.rule = counted.rule
left join following on behaviours.event_id = following.event_id and rule_scoring.rule = following.rule
where behaviours.lead_id = $lead_id
order by behaviours.occurred_at, behaviours.event_id, rule_scoring.position
