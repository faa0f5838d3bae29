-- One row per scoring rule: who has its points now, and who would be hot no more with half of them, or without.
-- key: rule
-- from: review_rules, lead_score_points, leads
with held as (
    select
        rule,
        lead_id,
        sum(points) as points,
        -- award by award, as the rule would then give them
        sum(points - cast(trunc(points / 2.0) as bigint)) as half,
        count(*) filter (where occurred_at < $until and occurred_at >= $since) as lately,
    from lead_score_points
    where occurred_at < $until
    group by rule, lead_id
)

select
    review_rules.rule,
    count(held.lead_id) filter (where held.lately > 0) as lately,
    count(leads.lead_id) filter (where held.points != 0) as leads,
    count(leads.lead_id) filter (where leads.score >= $hot_score) as hot,
    count(leads.lead_id) filter (where leads.score >= $hot_score and leads.score - held.half < $hot_score)
        as cooled_by_half,
    count(leads.lead_id) filter (where leads.score >= $hot_score and leads.score - held.points < $hot_score)
        as cooled_without,
from review_rules
left join held on review_rules.rule = held.rule
left join leads on held.lead_id = leads.lead_id
group by review_rules.rule
order by review_rules.rule
