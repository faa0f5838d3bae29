-- One row per local date, scenario, step, variant and segment: how many mails were meant, left, and were answered.
-- key: date, scenario, step, variant, segment
-- from: mail_counts, steps
-- The date is that of the send; of a mail that was not sent, that of the decision. Every rate is a quotient of two of
-- the counts, NULL where nothing was delivered; a step that asks for nothing has no conversions, which is not zero.
select
    counted.date,
    counted.scenario,
    counted.step,
    counted.variant,
    counted.segment,
    counted.targeted::bigint as targeted,
    counted.sent::bigint as sent,
    counted.delivered::bigint as delivered,
    counted.opened::bigint as opened,
    counted.clicked::bigint as clicked,
    case when steps.has_cta then counted.converted::bigint end as converted,
    counted.bounced::bigint as bounced,
    counted.unsubscribed::bigint as unsubscribed,
    counted.complained::bigint as complained,
    counted.opened / nullif(counted.delivered, 0)::double as open_rate,
    counted.clicked / nullif(counted.delivered, 0)::double as click_rate,
    counted.clicked / nullif(counted.opened, 0)::double as click_to_open_rate,
    case when steps.has_cta then counted.converted / nullif(counted.delivered, 0)::double end as conversion_rate,
from mail_counts as counted
left join steps on counted.scenario = steps.scenario and counted.step = steps.step
order by all
