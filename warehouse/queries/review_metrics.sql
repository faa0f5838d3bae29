-- One row per span of time and metric: how many did it, and of a rate out of how many.
-- key: metric, number
-- from: review_spans, sends, steps, handoffs, lead_tier_changes, deals
-- Of each span only what was known at its own end counts, so that mails of an earlier span have had no more time to be
-- opened than those of the latest. Answers to a person's own request are no marketing, and left out.
with mails as (
    select
        spans.number,
        count(*) as sent,
        count(*) filter (where sends.bounced_at < spans.ended_at) as bounced,
        count(*) filter (where sends.delivered_at < spans.ended_at) as delivered,
        count(*) filter (where sends.opened_at < spans.ended_at) as opened,
        count(*) filter (where sends.clicked_at < spans.ended_at) as clicked,
        count(*) filter (where steps.has_cta and sends.delivered_at < spans.ended_at) as asking,
        count(*) filter (where steps.has_cta and sends.converted_at < spans.ended_at) as converted,
        count(*) filter (where sends.unsubscribed_at < spans.ended_at) as unsubscribed,
        count(*) filter (where sends.complained_at < spans.ended_at) as complained,
    from review_spans as spans
    inner join sends on sends.sent_at >= spans.started_at and sends.sent_at < spans.ended_at
    left join steps on sends.scenario = steps.scenario and sends.step = steps.step
    where sends.category = 'marketing' and sends.state in ('accepted', 'delivered', 'bounced', 'dropped')
    group by spans.number
),

calls as (
    select
        spans.number,
        count(*) as due,
        -- whoever gives a lead back has answered
        count(*) filter (
            where
            handoffs.first_contact_at <= handoffs.due_at
            or (handoffs.status = 'returned' and handoffs.status_changed_at <= handoffs.due_at)
        ) as in_time,
    from review_spans as spans
    inner join handoffs on handoffs.due_at >= spans.started_at and handoffs.due_at < spans.ended_at
    group by spans.number
),

happenings as (
    select 'hot_leads' as metric, changed_at as happened_at
    from lead_tier_changes
    where to_tier = $hot_tier
    union all
    select 'handoffs' as metric, handed_off_at as happened_at
    from handoffs
    union all
    select 'meetings' as metric, met_at as happened_at
    from handoffs
    union all
    select 'deals' as metric, created_at as happened_at
    from deals
    union all
    select 'deals_won' as metric, won_at as happened_at
    from deals
    where status = 'won'
),

counted as (
    select
        happenings.metric,
        spans.number,
        count(*) as hits,
    from review_spans as spans
    inner join happenings
        on happenings.happened_at >= spans.started_at and happenings.happened_at < spans.ended_at
    group by happenings.metric, spans.number
),

rates as (
    select 'open_rate' as metric, number, opened as hits, delivered as trials from mails
    union all
    select 'click_rate' as metric, number, clicked as hits, delivered as trials from mails
    union all
    select 'conversion_rate' as metric, number, converted as hits, asking as trials from mails
    union all
    select 'bounce_rate' as metric, number, bounced as hits, sent as trials from mails
    union all
    select 'unsubscribe_rate' as metric, number, unsubscribed as hits, delivered as trials from mails
    union all
    select 'complaint_rate' as metric, number, complained as hits, delivered as trials from mails
    union all
    select 'contacted_in_time_rate' as metric, number, in_time as hits, due as trials from calls
)

select metric, number, hits, trials from rates
union all
select metric, number, hits, null as trials from counted
order by metric, number
