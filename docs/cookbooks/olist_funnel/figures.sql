-- One row per figure of the funnel: leads, won deals, and both by origin.
-- key: figure
-- from: lead_records, deal_records
with leads as (
    select
        lead_records.external_id,
        coalesce(lead_records.attributes['origin'], 'none') as origin,
        lead_records.occurred_at as first_contact_at,
        deal_records.occurred_at as won_at,
    from lead_records
    left join deal_records on lead_records.external_id = deal_records.external_id and deal_records.status = 'won'
)

select 'leads' as figure, format('{:,}', count(*)) as value from leads
union all
select 'won', format('{:,}', count(won_at)) from leads
union all
select 'won of leads', format('{:.3f} %', 100 * count(won_at) / count(*)) from leads
union all
select 'won of leads from ' || origin, format('{:,} / {:,}', count(won_at), count(*)) from leads group by origin
union all
select 'won of leads of January 2018', format('{:,} / {:,}', count(won_at), count(*))
from leads
where
    timezone('America/Sao_Paulo', first_contact_at) >= timestamp '2018-01-01'
    and timezone('America/Sao_Paulo', first_contact_at) < timestamp '2018-02-01'
union all
select 'median days to won', format('{:.0f}', median(date_diff('day', first_contact_at, won_at)))
from leads
where won_at is not null
union all
select 'rows in quarantine', format('{:,}', count(*)) from quarantine
