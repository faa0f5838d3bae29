-- One row per event of a known person: whose it is, which page or asset group it falls in, and whether it counts.
-- key: event_id
-- from: events, lead_identities, send_addresses, visitor_bindings, rule_page_groups, rule_asset_groups, rule_set
with visible as (
    select *
    from events
    where occurred_at <= $as_of and received_at <= $as_of
),

owned as (
    select
        visible.event_id,
        coalesce(by_email.lead_id, by_id.lead_id, by_send.lead_id, visitor_bindings.lead_id) as lead_id,
        visible.event_type,
        visible.occurred_at,
        visible.received_at,
        visible.source,
        visible.url,
        visible.asset,
        visible.send_id,
        visible.properties['deal_id'] as deal_id,
        -- a click on the opt-out or preference link is no interest
        coalesce(
            visible.event_type = 'mail_click'
            and (starts_with(visible.url, $own_url || '/u/') or starts_with(visible.url, $own_url || '/preferences/')),
            false
        ) as is_opt_out_click,
        coalesce(visible.properties['sg_machine_open'] = 'true', false) as is_machine,
    from visible
    left join lead_identities as by_email on by_email.identity = 'email:' || visible.email
    left join lead_identities as by_id on by_id.identity = 'id:' || visible.external_id
    left join send_addresses on visible.send_id = send_addresses.send_id
    left join lead_identities as by_send on by_send.identity = 'email:' || send_addresses.email
    left join visitor_bindings
        on
            visible.visitor = visitor_bindings.visitor
            and visible.occurred_at >= visitor_bindings.valid_from
            and visible.occurred_at < visitor_bindings.valid_to
),

page_groups as (
    -- the first group that a page matches is its group
    select
        urls.url,
        arg_min(rule_page_groups.page_group, rule_page_groups.position) as page_group,
    from (select distinct url from owned where url is not null and lead_id is not null) as urls
    inner join rule_page_groups
        on
            lower(url_decode(regexp_extract(urls.url, '^(?:[A-Za-z][A-Za-z0-9+.-]*://[^/?#]*)?([^?#]*)', 1)))
            glob rule_page_groups.pattern
    group by urls.url
),

asset_groups as (
    select
        assets.asset,
        arg_min(rule_asset_groups.asset_group, rule_asset_groups.position) as asset_group,
    from (select distinct asset from owned where asset is not null and lead_id is not null) as assets
    inner join rule_asset_groups
        on
            lower(url_decode(assets.asset)) glob rule_asset_groups.pattern
            -- an asset may be told by its path
            or lower(url_decode(split_part(assets.asset, '/', -1))) glob rule_asset_groups.pattern
    group by assets.asset
),

grouped as (
    select
        owned.*,
        page_groups.page_group,
        asset_groups.asset_group,
    from owned
    left join page_groups on owned.url = page_groups.url
    left join asset_groups on owned.asset = asset_groups.asset
    where owned.lead_id is not null
),

view_islands as (
    -- A view is counted when none of its group was counted within the window before it. A view that follows the one
    -- before it by a whole window is always counted; only chains of closer views have to be walked.
    select
        event_id,
        lead_id,
        page_group,
        occurred_at,
        is_chain_start,
        count(*) filter (where is_chain_start)
            over (partition by lead_id, page_group order by occurred_at, event_id) as chain,
    from (
        select
            event_id,
            lead_id,
            page_group,
            occurred_at,
            coalesce(
                occurred_at - lag(occurred_at) over (partition by lead_id, page_group order by occurred_at, event_id)
                >= (select page_view_window from rule_set),
                true
            ) as is_chain_start,
        from grouped
        where event_type = 'page_view' and page_group is not null and not is_machine
    )
),

counted_views as (
    select event_id
    from view_islands
    where is_chain_start
    union
    select unnest(
        list_transform(
            list_reduce(
                list_transform(
                    list(
                        {'id': event_id, 'at': occurred_at, 'next_at': occurred_at + rule_set.page_view_window}
                        order by occurred_at, event_id
                    ),
                    lambda view: [view]
                ),
                lambda kept, following: case
                    when following[1].at >= kept[-1].next_at
                        then kept || following
                    else kept
                end
            ),
            lambda view: view.id
        )
    ) as event_id
    from view_islands
    cross join rule_set
    group by lead_id, page_group, chain
    having count(*) > 1
)

select
    grouped.event_id,
    grouped.lead_id,
    grouped.event_type,
    grouped.occurred_at,
    grouped.received_at,
    grouped.source,
    grouped.url,
    grouped.page_group,
    grouped.asset,
    grouped.asset_group,
    grouped.send_id,
    grouped.is_machine,
    grouped.is_opt_out_click,
    case
        when grouped.is_machine or grouped.is_opt_out_click then false
        when grouped.event_type in ('mail_open', 'mail_click') and grouped.send_id is not null
            then row_number() over (
                partition by
                    grouped.send_id, grouped.event_type, grouped.is_machine, grouped.is_opt_out_click
                order by grouped.occurred_at, grouped.event_id
            ) = 1
        when grouped.event_type = 'page_view' and grouped.page_group is not null
            then counted_views.event_id is not null
        -- a deal is won once, however often the won deal is edited
        when grouped.deal_id is not null
            then row_number() over (
                partition by grouped.source, grouped.deal_id, grouped.event_type
                order by grouped.occurred_at, grouped.event_id
            ) = 1
        else true
    end as is_counted,
from grouped
left join counted_views on grouped.event_id = counted_views.event_id
