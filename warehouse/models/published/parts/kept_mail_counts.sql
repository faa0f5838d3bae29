-- One row per local date, scenario, step, variant and segment of those published before: their counts.
-- key: date, scenario, step, variant, segment
-- from: kpi_mail_daily
select
    date,
    scenario,
    step,
    variant,
    segment,
    targeted,
    sent,
    delivered,
    opened,
    clicked,
    coalesce(converted, 0) as converted,
    bounced,
    unsubscribed,
    complained,
from kpi_mail_daily
