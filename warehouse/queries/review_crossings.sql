-- One row per lead and score of those asked about that it reached: when first.
-- key: lead_id, threshold
-- from: review_thresholds, lead_score_changes
select
    changes.lead_id,
    thresholds.threshold,
    min(changes.changed_at) as reached_at,
from warehouse.lead_score_changes as changes
inner join review_thresholds as thresholds
    on changes.score >= thresholds.threshold and changes.score - changes.points < thresholds.threshold
where changes.changed_at < $until
group by changes.lead_id, thresholds.threshold
