-- One row per event of a lead in scope that, as a behaviour, only repeats one that counted.
-- key: event_id, behaviour
-- from: scope_behaviours, rule_set
with timed as (
    select
        scope_behaviours.lead_id,
        scope_behaviours.behaviour,
        scope_behaviours.page_group,
        scope_behaviours.event_id,
        epoch_us(scope_behaviours.occurred_at) as seen_us,
        rule_set.page_view_window_us as window_us,
    from scope_behaviours
    cross join rule_set
    where scope_behaviours.event_type = 'page_view' and scope_behaviours.page_group is not null
),

views as (
    -- A view is counted when none of its group was counted within the window before it. So one that follows the view
    -- before it by a whole window is always counted, the second of two close views never is, and only longer chains
    -- of close views have to be walked.
    select
        *,
        coalesce(seen_us - lag(seen_us) over by_time >= window_us, true) as is_first,
        coalesce(lead(seen_us) over by_time - seen_us >= window_us, true) as is_last,
        coalesce(lag(seen_us) over by_time - lag(seen_us, 2) over by_time >= window_us, true) as follows_first,
        coalesce(lead(seen_us, 2) over by_time - lead(seen_us) over by_time >= window_us, true) as precedes_last,
    from timed
    window by_time as (partition by lead_id, behaviour, page_group order by seen_us, event_id)
    qualify not (is_first and (is_last or precedes_last))
),

chains as (
    select
        *,
        count(*) filter (where is_first) over (
            partition by lead_id, behaviour, page_group order by seen_us, event_id
        ) as chain,
    from views
    where not (is_last and follows_first)
),

walked as (
    select
        behaviour,
        list(event_id) as members,
        list_transform(
            list_reduce(
                list_transform(
                    list({'id': event_id, 'seen_us': seen_us, 'window_us': window_us} order by seen_us, event_id),
                    lambda view: [view]
                ),  -- noqa: PRS
                lambda kept, following: case
                    when following[1].seen_us >= kept[-1].seen_us + kept[-1].window_us then kept || following
                    else kept
                end
            ),
            lambda view: view.id
        ) as counted,
    from chains
    group by lead_id, behaviour, page_group, chain
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

select event_id, behaviour
from views
where is_last and follows_first
union all
select
    unnest(list_filter(members, lambda member: not list_contains(counted, member))) as event_id,
    behaviour,
from walked
union all
select event_id, behaviour
from repeated
where nth > 1
