-- One row per asset in the events to place whose asset group some behaviour asks for.
-- key: asset
-- from: events_to_place, event_kinds, rule_asset_groups
with assets as (
    select distinct asset
    from events_to_place
    where asset is not null and event_type in (select event_type from event_kinds where asset_group is not null)
),

grouped as (
    select
        assets.asset,
        arg_min(rule_asset_groups.asset_group, rule_asset_groups.position) as asset_group,
    from assets
    inner join rule_asset_groups
        on
            readable(assets.asset) glob rule_asset_groups.pattern
            -- an asset may be told by its path
            or readable(split_part(assets.asset, '/', -1)) glob rule_asset_groups.pattern
    group by assets.asset
)

select asset, asset_group
from grouped
where asset_group in (select asset_group from event_kinds)
