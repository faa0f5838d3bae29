-- One row per figure of the log: lines, stamps, status codes, browsers.
-- key: figure
-- from: events, quarantine
with views as (
    select
        *,
        properties['status'] as status,
    from events
    where source = 'weblog'
)

select 'events' as figure, format('{:,}', count(*)) as value from views
union all
select 'lines in quarantine', format('{:,}', count(*)) from quarantine
union all
select 'first', strftime(timezone('UTC', min(occurred_at)), '%Y-%m-%d %H:%M:%SZ') from views
union all
select 'last', strftime(timezone('UTC', max(occurred_at)), '%Y-%m-%d %H:%M:%SZ') from views
union all
select 'status ' || status, format('{:,}', count(*)) from views group by status
union all
select 'user agents', format('{:,}', count(distinct coalesce(properties['user_agent'], '-'))) from views
