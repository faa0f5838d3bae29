-- One row per event to place and behaviour that it is, where it belongs to a known person.
-- key: event_id, behaviour
-- from: events_to_place, page_groups, asset_groups, event_kinds, rule_behaviours, send_records, lead_identities,
--       send_addresses, visitor_bindings
-- An event belongs to the person whose address or id it bears; without either, to its send's addressee; without a
-- send, to whomever the browser belonged then.
with matched as (
    select
        events.event_id,
        events.event_type,
        events.occurred_at,
        events.received_at,
        events.source,
        events.email,
        events.external_id,
        events.visitor,
        events.url,
        events.asset,
        events.send_id,
        events.properties,
        page_groups.page_group,
        event_kinds.behaviour,
    from events_to_place as events
    left join page_groups on events.url = page_groups.url
    left join asset_groups on events.asset = asset_groups.asset
    inner join event_kinds
        on
            events.event_type = event_kinds.event_type
            and page_groups.page_group is not distinct from event_kinds.page_group
            and asset_groups.asset_group is not distinct from event_kinds.asset_group
),

narrowed as (
    -- what few behaviours ask for beyond type and groups
    select matched.*
    from matched
    inner join rule_behaviours on matched.behaviour = rule_behaviours.behaviour
    left join send_records
        on
            rule_behaviours.scenario is not null
            and matched.send_id = send_records.send_id
            and send_records.received_at <= $as_of
    where
        (
            rule_behaviours.scenario is null
            or (
                send_records.scenario = rule_behaviours.scenario
                and (rule_behaviours.step is null or send_records.step = rule_behaviours.step)
            )
        )
        and (
            rule_behaviours.asset is null
            or readable(matched.asset) glob rule_behaviours.asset
            or readable(split_part(matched.asset, '/', -1)) glob rule_behaviours.asset
        )
        and (
            len(rule_behaviours.tests) = 0
            or list_bool_and(
                list_transform(
                    rule_behaviours.tests,
                    lambda test: coalesce(
                        case
                            when test.is_known is not null
                                then (matched.properties[test.property] is not null) = test.is_known
                            when test.one_of is not null
                                then
                                    list_contains(test.one_of, normal_form(matched.properties[test.property]))
                                    or list_contains(
                                        list_transform(test.one_of, lambda text: finite_number(text)),
                                        finite_number(matched.properties[test.property])
                                    )
                            when test.contains is not null
                                then contains(normal_form(matched.properties[test.property]), test.contains)
                            else
                                finite_number(matched.properties[test.property])
                                between coalesce(test.at_least, '-infinity'::double)
                                and coalesce(test.at_most, 'infinity'::double)
                        end,
                        false
                    )
                )
            )
        )
),

owned as (
    select
        narrowed.*,
        coalesce(by_email.lead_id, by_id.lead_id, by_send.lead_id, visitor_bindings.lead_id) as lead_id,
    from narrowed
    left join lead_identities as by_email on narrowed.email = by_email.value and by_email.kind = 'email'
    left join lead_identities as by_id on narrowed.external_id = by_id.value and by_id.kind = 'external_id'
    left join send_addresses
        on narrowed.send_id = send_addresses.send_id and narrowed.email is null and narrowed.external_id is null
    left join lead_identities as by_send on send_addresses.email = by_send.value and by_send.kind = 'email'
    left join visitor_bindings
        on
            narrowed.visitor = visitor_bindings.visitor
            and narrowed.email is null
            and narrowed.external_id is null
            and narrowed.occurred_at >= visitor_bindings.valid_from
            and narrowed.occurred_at < visitor_bindings.valid_to
)

select
    lead_id,
    behaviour,
    event_id,
    event_type,
    occurred_at,
    received_at,
    page_group,
    send_id,
    -- a deal is won once, however often the won deal is edited
    case when starts_with(event_type, 'deal_') then source || ':' || properties['deal_id'] end as deal,
    case
        when event_type in ('mail_open', 'mail_click') then is_machine_reading(properties)
        else false
    end as is_machine,
    -- a click on the opt-out or preference link is no interest
    case
        when event_type = 'mail_click'
            then coalesce(starts_with(url, $own_url || '/u/') or starts_with(url, $own_url || '/preferences/'), false)
        else false
    end as is_opt_out_click,
from owned
where lead_id is not null
