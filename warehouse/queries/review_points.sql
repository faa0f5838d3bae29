-- One row per scoring rule: who has its points now, and who would be hot no more with half of them, or without.
-- key: rule
-- from: review_rules, lead_score_points, leads
with held as (
    select
        rule,
        lead_id,
        coalesce(sum(points) filter (where occurred_at < $until), 0) as points,
        -- award by award, as the rule would then give them
        coalesce(sum(points - cast(trunc(points / 2.0) as bigint)) filter (where occurred_at < $until), 0) as half,
        -- up to now, not to the end of the period: whoever has been given some since proves that they can be had
        count(*) filter (where occurred_at >= $since) as lately,
    from lead_score_points
    group by rule, lead_id
)

select
    review_rules.rule,
    count(held.lead_id) filter (where held.lately > 0) as lately,
    count(leads.lead_id) filter (where held.points != 0) as leads,
    count(leads.lead_id) filter (where leads.score >= $hot_score and held.points != 0) as hot,
    count(leads.lead_id) filter (where leads.score >= $hot_score and leads.score - held.half < $hot_score)
        as cooled_by_half,
    count(leads.lead_id) filter (where leads.score >= $hot_score and leads.score - held.points < $hot_score)
        as cooled_without,
from review_rules
left join held on review_rules.rule = held.rule
left join leads on held.lead_id = leads.lead_id
group by review_rules.rule
order by review_rules.rule
