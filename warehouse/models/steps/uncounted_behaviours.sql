-- One row per event of a lead in scope that, as a behaviour, only repeats one that counted.
-- key: event_id, behaviour
-- from: scope_behaviours, rule_set
with views as (
    select
        lead_id,
        behaviour,
        page_group,
        event_id,
        occurred_at,
        coalesce(
            occurred_at - lag(occurred_at) over (
                partition by lead_id, behaviour, page_group order by occurred_at, event_id
            ) >= (select page_view_window from rule_set),
            true
        ) as is_chain_start,
    from scope_behaviours
    where event_type = 'page_view' and page_group is not null
),

chains as (
    -- A view is counted when none of its group was counted within the window before it. A view that follows the one
    -- before it by a whole window is always counted; only chains of closer views have to be walked.
    select
        *,
        count(*) filter (where is_chain_start) over (
            partition by lead_id, behaviour, page_group order by occurred_at, event_id
        ) as chain,
    from views
),

walked as (
    select
        behaviour,
        list(event_id) as members,
        list_transform(
            list_reduce(
                list_transform(
                    list(
                        {
                            'id': event_id,
                            'seen_at': occurred_at,
                            'next_at': occurred_at + rule_set.page_view_window
                        }
                        order by occurred_at, event_id
                    ),
                    lambda view: [view]
                ),
                lambda kept, following: case
                    when following[1].seen_at >= kept[-1].next_at then kept || following
                    else kept
                end
            ),
            lambda view: view.id
        ) as counted,
    from chains
    cross join rule_set
    group by lead_id, behaviour, page_group, chain
    having count(*) > 1
),

repeated as (
    -- opens and clicks count once a send; a deal is won once
    select
        event_id,
        behaviour,
        row_number() over (
            partition by lead_id, behaviour, coalesce(deal, send_id), event_type order by occurred_at, event_id
        ) as nth,
    from scope_behaviours
    where
        (event_type in ('mail_open', 'mail_click') and send_id is not null and not is_machine and not is_opt_out_click)
        or deal is not null
)

(
    select unnest(members) as event_id, behaviour from walked
    except
    select unnest(counted) as event_id, behaviour from walked
)
union all
select event_id, behaviour
from repeated
where nth > 1
