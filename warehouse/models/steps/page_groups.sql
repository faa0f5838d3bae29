-- One row per URL in the events to place whose page group some behaviour asks for.
-- key: url
-- from: events_to_place, event_kinds, rule_page_groups
-- The first group that a page matches is its group.
with urls as (
    select distinct url
    from events_to_place
    where url is not null and event_type in (select event_type from event_kinds where page_group is not null)
),

grouped as (
    select
        urls.url,
        arg_min(rule_page_groups.page_group, rule_page_groups.position) as page_group,
    from urls
    inner join rule_page_groups
        on
            readable(regexp_extract(urls.url, '^(?:[A-Za-z][A-Za-z0-9+.-]*://[^/?#]*)?([^?#]*)', 1))
            glob rule_page_groups.pattern
    group by urls.url
)

select url, page_group
from grouped
where page_group in (select page_group from event_kinds)
