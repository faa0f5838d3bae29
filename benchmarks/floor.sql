-- The floor of a recompute: the best plain SQL we could write that makes the tables of the guide's rules (and the four
-- segments more of the bench) from the crowd's facts. It knows its data and its rules: addresses alone name leads, points
-- stand in it, nothing is kept from run to run and nothing could be changed without writing it anew.

create temp table people as
with seen as (
    select email, min(occurred_at) as seen_at
    from facts.events
    where email is not null and not starts_with(event_type, 'mail_')
    group by email
)

select
    contacts.email,
    'L' || translate(substr(to_base64(unhex(md5('email:' || contacts.email))), 1, 11), '+/', '-_') as lead_id,
    least(contacts.occurred_at, seen.seen_at) as first_seen_at,
    contacts.occurred_at as told_at,
    attributes['title'] as title,
    attributes['industry'] as industry,
    attributes['region'] as region,
    try_cast(attributes['employees'] as integer) as employees,
from facts.lead_records as contacts
left join seen on contacts.email = seen.email;

create temp table browsers as
with ties as (
    select visitor, occurred_at, min(lead_id) as lead_id
    from facts.events
    inner join people using (email)
    where visitor is not null
    group by visitor, occurred_at
),

changes as (
    select *
    from ties
    qualify lead_id is distinct from lag(lead_id) over (partition by visitor order by occurred_at)
)

select
    visitor,
    lead_id,
    case when row_number() over by_time = 1 then timestamptz '-infinity' else occurred_at end as valid_from,
    coalesce(lead(occurred_at) over by_time, timestamptz 'infinity') as valid_to,
    count(*) over (partition by visitor) > 1 as is_shared,
from changes
window by_time as (partition by visitor order by occurred_at);

create temp table starts as
with gathered as (
    select
        events.email,
        case when events.email is null then events.visitor end as visitor,
        case when shared.visitor is not null then events.occurred_at end as seen_at,
        min(events.occurred_at) as first_at,
        max(events.occurred_at) filter (
            events.event_type not in ('mail_processed', 'mail_delivered', 'deal_created', 'deal_won', 'deal_lost')
        ) as last_action_at,
    from facts.events
    left join (select distinct visitor from browsers where is_shared) as shared
        on events.visitor = shared.visitor and events.email is null
    group by all
)

select
    people.lead_id,
    least(any_value(people.first_seen_at), min(owned.first_at)) as created_at,
    max(owned.last_action_at) as last_action_at,
from people
left join (
    select coalesce(people.lead_id, browsers.lead_id) as lead_id, first_at, last_action_at
    from gathered
    left join people on gathered.email = people.email
    left join browsers
        on
            gathered.visitor = browsers.visitor
            and coalesce(seen_at, first_at) >= valid_from
            and coalesce(seen_at, first_at) < valid_to
) as owned on people.lead_id = owned.lead_id
group by people.lead_id;

create temp table acts as
select
    coalesce(people.lead_id, browsers.lead_id) as lead_id,
    event_id,
    event_type,
    occurred_at,
    asset,
    send_id,
from (
    select *
    from facts.events
    where
        event_type in (
            'mail_open', 'mail_click', 'document_download', 'seminar_signup', 'seminar_attend', 'consultation_request'
        )
        or (event_type = 'page_view' and (starts_with(url, '/price') or starts_with(url, '/plan')))
) as events
left join people on events.email = people.email
left join browsers
    on
        events.visitor = browsers.visitor
        and events.email is null
        and events.occurred_at >= browsers.valid_from
        and events.occurred_at < browsers.valid_to
where coalesce(people.lead_id, browsers.lead_id) is not null;

create temp table views as
select
    *,
    coalesce(epoch_us(occurred_at) - lag(epoch_us(occurred_at)) over by_time >= 1800000000, true) as is_start,
    coalesce(lead(epoch_us(occurred_at)) over by_time - epoch_us(occurred_at) < 1800000000, false) as has_follower,
from acts
where event_type = 'page_view'
window by_time as (partition by lead_id order by occurred_at, event_id);

create temp table repeated as
with chains as (
    select *, count(*) filter (is_start) over (partition by lead_id order by occurred_at, event_id) as chain
    from views
    where has_follower or not is_start
),

walked as (
    select
        list(event_id) as members,
        list_transform(
            list_reduce(
                list_transform(
                    list({'id': event_id, 'seen': epoch_us(occurred_at)} order by occurred_at, event_id),
                    lambda view: [view]
                ),
                lambda kept, following: case
                    when following[1].seen >= kept[-1].seen + 1800000000 then kept || following
                    else kept
                end
            ),
            lambda view: view.id
        ) as counted,
    from chains
    group by lead_id, chain
)

select unnest(list_filter(members, lambda member: not list_contains(counted, member))) as event_id
from walked;

create temp table counted as
select lead_id, event_id, event_type, occurred_at, send_id, 15 as points
from views
where event_id not in (select event_id from repeated)
union all
(
    select
        lead_id, event_id, event_type, occurred_at, send_id,
        case event_type when 'mail_open' then 5 else 10 end as points,
    from acts
    where event_type in ('mail_open', 'mail_click')
    qualify row_number() over (partition by lead_id, send_id, event_type order by occurred_at, event_id) = 1
)
union all
select
    lead_id, event_id, event_type, occurred_at, send_id,
    case event_type when 'document_download' then 10 when 'seminar_signup' then 20 when 'consultation_request' then 30
    end as points,
from acts
where event_type not in ('page_view', 'mail_open', 'mail_click');

create table lead_score_points as
select
    lead_id,
    case event_type when 'page_view' then 'price_page_view' else event_type end as rule,
    event_id,
    occurred_at,
    points,
    send_id,
from counted
where points is not null;

create table lead_score_changes as
select
    lead_id,
    changed_at,
    points,
    (sum(points) over (partition by lead_id order by changed_at))::integer as score,
    cause_event_id,
from (
    select lead_id, occurred_at as changed_at, sum(points)::integer as points, max(event_id) as cause_event_id
    from lead_score_points
    group by lead_id, occurred_at
);

create table lead_tier_changes as
with passing as (
    select lead_id, changed_at, score, score - points as score_before, cause_event_id
    from lead_score_changes
    where (score >= 50) != (score - points >= 50) or (score >= 30) != (score - points >= 30)
    union all
    select lead_id, created_at, 0, null, null
    from starts
    where not exists (
        select 1 from lead_score_changes as changes
        where starts.lead_id = changes.lead_id and starts.created_at = changes.changed_at
    )
    union all
    select lead_id, created_at, score, null, cause_event_id
    from starts
    inner join lead_score_changes as changes using (lead_id)
    where starts.created_at = changes.changed_at
)

select
    lead_id,
    changed_at,
    case when score_before >= 50 then 'hot' when score_before >= 30 then 'warm' when score_before is not null then 'cold'
    end as from_tier,
    case when score >= 50 then 'hot' when score >= 30 then 'warm' else 'cold' end as to_tier,
    score,
    cause_event_id,
from passing
where
    score_before is null
    or not exists (select 1 from starts where starts.lead_id = passing.lead_id and starts.created_at = passing.changed_at);

create table lead_stage_changes as
with entries as (
    select
        lead_id,
        occurred_at,
        event_id,
        case
            when event_type = 'page_view' then 3
            when event_type = 'consultation_request' then 4
            else 2
        end as position,
    from acts
    where
        event_type in ('page_view', 'consultation_request')
        or (event_type = 'document_download' and (starts_with(asset, 'case-stud') or starts_with(asset, 'jirei')))
),

firsts as (
    select *
    from entries
    qualify row_number() over (partition by lead_id, position order by occurred_at, event_id) = 1
    union all
    select lead_id, created_at, null, 1 from starts
),

furthest as (
    select lead_id, occurred_at, max(position) as position, arg_max_null(event_id, position) as event_id
    from firsts
    group by lead_id, occurred_at
),

forward as (
    select *
    from furthest
    qualify
        position > coalesce(
            max(position) over (
                partition by lead_id order by occurred_at rows between unbounded preceding and 1 preceding
            ),
            0
        )
)

select
    lead_id,
    occurred_at as changed_at,
    ['awareness', 'interest', 'consideration', 'decision'][lag(position) over by_time] as from_stage,
    ['awareness', 'interest', 'consideration', 'decision'][position] as to_stage,
    event_id as cause_event_id,
    coalesce(lead(occurred_at) over by_time, timestamptz 'infinity') as left_at,
from forward
window by_time as (partition by lead_id order by occurred_at);

create table segment_members as
select segment, people.lead_id, told_at as entered_at, null::timestamptz as left_at
from people
cross join (
    values
        ('manufacturing'), ('information_technology'), ('finance'), ('department_head'), ('decision_makers'),
        ('large_companies'), ('capital_region'), ('manufacturing_department_head')
) as segments(segment)
where
    case segment
        when 'manufacturing' then industry = '製造業'
        when 'information_technology' then industry in ('IT', '情報通信業', 'ソフトウェア')
        when 'finance' then industry in ('金融', '金融業', '保険業')
        when 'department_head' then ends_with(title, '部長') and not ends_with(title, '副部長')
        when 'decision_makers' then
            (ends_with(title, '部長') and not ends_with(title, '副部長')) or ends_with(title, '代表取締役')
        when 'large_companies' then employees >= 300
        when 'capital_region' then region in ('東京都', '神奈川県', '埼玉県', '千葉県')
        else industry = '製造業' and ends_with(title, '部長') and not ends_with(title, '副部長')
    end;

insert into segment_members
select 'everyone', lead_id, created_at, null from starts;

insert into segment_members
select 'document_downloaders', lead_id, min(occurred_at), null
from counted
where event_type = 'document_download'
group by lead_id
union all
select 'seminar_attendees', lead_id, min(occurred_at), null
from counted
where event_type = 'seminar_attend'
group by lead_id;

insert into segment_members
select 'seminar_without_consultation', lead_id, attended_at, asked_at
from (
    select
        lead_id,
        min(occurred_at) filter (event_type = 'seminar_attend') as attended_at,
        min(occurred_at) filter (event_type = 'consultation_request') as asked_at,
    from counted
    where event_type in ('seminar_attend', 'consultation_request')
    group by lead_id
)
where attended_at < coalesce(asked_at, timestamptz 'infinity');

insert into segment_members
select 'manufacturing_department_head_price_page_3_times', lead_id, greatest(occurred_at, told_at), null
from (
    select lead_id, occurred_at
    from counted
    where event_type = 'page_view'
    qualify row_number() over (partition by lead_id order by occurred_at, event_id) = 3
)
inner join people using (lead_id)
where industry = '製造業' and ends_with(title, '部長') and not ends_with(title, '副部長');

create temp table spans as
with reached as (
    select
        'price_3_in_30_days' as segment,
        lead_id,
        occurred_at as from_at,
        make_timestamptz(
            lag(epoch_us(occurred_at), 2) over (partition by lead_id order by occurred_at, event_id) + 2592000000000
        ) as to_at,
    from counted
    where event_type = 'page_view'
    qualify to_at > from_at
    union all
    select 'engaged_readers', lead_id, occurred_at, make_timestamptz(epoch_us(occurred_at) + 7776000000000)
    from counted
    where event_type in ('mail_open', 'mail_click')
    union all
    select 'opened_in_90_days', lead_id, occurred_at, make_timestamptz(epoch_us(occurred_at) + 7776000000000)
    from counted
    where event_type = 'mail_open'
),

edges as (
    select
        *,
        coalesce(lag(to_at) over by_time < from_at, true) as is_first,
        coalesce(lead(from_at) over by_time > to_at, true) as is_last,
    from reached
    window by_time as (partition by segment, lead_id order by from_at, to_at)
    qualify is_first or is_last
)

select
    segment,
    lead_id,
    from_at,
    case when is_last then to_at else lead(to_at) over (partition by segment, lead_id order by from_at, to_at) end
    as to_at,
    is_first,
from edges
qualify is_first;

insert into segment_members
select segment, lead_id, from_at, case when to_at <= $as_of then to_at end
from spans
where segment in ('price_3_in_30_days', 'engaged_readers');

insert into segment_members
with gaps as (
    select lead_id, to_at as from_at, lead(from_at) over (partition by lead_id order by from_at) as to_at
    from spans
    where segment = 'opened_in_90_days'
    union all
    select starts.lead_id, created_at, min(from_at)
    from starts
    left join spans on starts.lead_id = spans.lead_id and segment = 'opened_in_90_days'
    group by starts.lead_id, created_at
)

select 'no_mail_opened_in_90_days', lead_id, from_at, to_at
from gaps
where from_at <= $as_of and from_at < coalesce(to_at, timestamptz 'infinity');

insert into segment_members
select 'case_studies_then_price', views.lead_id, min(views.occurred_at), null
from (select lead_id, occurred_at from acts where event_type = 'page_view') as views
asof join (
    select lead_id, occurred_at from acts
    where event_type = 'document_download' and (starts_with(asset, 'case-stud') or starts_with(asset, 'jirei'))
) as downloads
    on views.lead_id = downloads.lead_id and views.occurred_at > downloads.occurred_at
where epoch_us(views.occurred_at) <= epoch_us(downloads.occurred_at) + 604800000000
group by views.lead_id;

insert into segment_members
select to_tier || '_leads', lead_id, changed_at, lead(changed_at) over (partition by lead_id order by changed_at)
from lead_tier_changes;

create table leads as
select
    people.lead_id,
    people.email,
    coalesce(scores.score, 0) as score,
    case when scores.score >= 50 then 'hot' when scores.score >= 30 then 'warm' else 'cold' end as tier,
    stages.to_stage as stage,
    starts.last_action_at,
    starts.created_at,
from people
inner join starts on people.lead_id = starts.lead_id
left join (select lead_id, sum(points)::integer as score from lead_score_changes group by lead_id) as scores
    on people.lead_id = scores.lead_id
left join (select lead_id, to_stage from lead_stage_changes where left_at = timestamptz 'infinity') as stages
    on people.lead_id = stages.lead_id;
