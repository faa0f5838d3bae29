-- One row per handoff or notice that waits for an owner by turns: whose turn it is.
-- key: seeker_id
-- from: turn_seekers, turns_taken, handoff_owners
-- Each owner's next handoffs stand at equal steps, the shorter the higher the weight, and whoever's next step is lowest
-- is next. An owner who is new or comes back is next where the others are, and does not catch up. Nobody who took every
-- turn stands lower than that: the last handoff went to the lowest next step of all.
with seekers as (
    select
        seeker_id,
        row_number() over (order by caused_at, seeker_id) as place,
    from turn_seekers
),

now_at as (
    select coalesce(max(turns_taken.turn), 0) as turn
    from turns_taken
    semi join handoff_owners as owners on turns_taken.owner = owners.owner
    where turns_taken.route is not distinct from $route
),

standing as (
    select
        owners.owner,
        owners.position,
        owners.weight,
        owners.capacity,
        owners.is_absent,
        len($of_route) = 0 or list_contains($of_route, owners.owner) as is_of_route,
        coalesce(max(turns_taken.turn), 0) as last_turn,
        count(*) filter (turns_taken.is_open) as has_open,
    from handoff_owners as owners
    left join turns_taken on owners.owner = turns_taken.owner
    -- what is taken from one goes to somebody who is there, or stays
    where $not_to = '' or not (owners.is_absent or owners.owner = $not_to)
    group by all
),

steps as (
    select
        standing.owner,
        standing.position,
        standing.is_absent,
        standing.is_of_route,
        greatest(standing.last_turn, now_at.turn - 1 / standing.weight) + step.number / standing.weight as turn,
        standing.has_open + if($counts, step.number, 1) > coalesce(standing.capacity, 2147483647) as is_full,
    from standing
    cross join now_at
    cross join range(1, (select count(*) + 1 from seekers)) as step (number)
),

in_turn as (
    select
        *,
        row_number() over (order by is_absent, is_full, not is_of_route, turn, position) as place,
    from steps
)

select
    seekers.seeker_id,
    in_turn.owner,
    in_turn.turn,
    case
        when in_turn.is_absent or not in_turn.is_of_route then 'cover'
        when in_turn.is_full then 'over_capacity'
        when len($of_route) > 0 then 'route'
        else 'turn'
    end as assigned_because,
from seekers
inner join in_turn on seekers.place = in_turn.place
