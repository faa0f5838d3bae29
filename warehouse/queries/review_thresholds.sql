-- One row per score asked about: the calls it would have made of those that the present one made, and their deals.
-- key: threshold
-- from: review_thresholds, review_crossings, deals
-- Looked at are the leads that first reached the present threshold within the time replayed, with no deal at that
-- instant. A deal is one created within so many days after it; one is kept by a higher threshold that the lead had
-- reached by then.
with first_deals as (
    select lead_id, min(created_at) as deal_at
    from deals
    where lead_id is not null
    group by lead_id
),

cohort as (
    select
        crossings.lead_id,
        crossings.reached_at,
        crossings.reached_at + $outcome as followed_until,
        case when first_deals.deal_at < crossings.reached_at + $outcome then first_deals.deal_at end as deal_at,
    from review_crossings as crossings
    left join first_deals on crossings.lead_id = first_deals.lead_id
    where
        crossings.threshold = $present
        and crossings.reached_at >= $since
        and crossings.reached_at + $outcome < $until
        and (first_deals.deal_at is null or first_deals.deal_at >= crossings.reached_at)
)

select
    thresholds.threshold,
    count(crossings.lead_id) as calls,
    count(cohort.deal_at) filter (where crossings.reached_at <= cohort.deal_at) as kept,
    count(cohort.deal_at) as deals,
    count(cohort.lead_id) as calls_now,
    min(cohort.reached_at) as first_at,
from review_thresholds as thresholds
left join cohort on true
left join review_crossings as crossings
    on
        cohort.lead_id = crossings.lead_id
        and thresholds.threshold = crossings.threshold
        and crossings.reached_at < cohort.followed_until
group by thresholds.threshold
order by thresholds.threshold
