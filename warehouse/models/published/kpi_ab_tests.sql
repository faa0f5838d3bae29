-- One row per A/B test and variant, and of the holdout: how many leads got it, how many were measured, how many acted.
-- key: test, variant
-- from: ab_tests, ab_variants, variant_assignments, lead_aliases, rule_variants, rule_set, sends, holdout,
--       lead_behaviours, rule_steps, deals
-- A test's mails are measured once delivered, up to the test's end. The figures are those of the verdict: what a lead
-- did within the window counts for the mail tested, whatever other mails asked for the same. A lead that two became who
-- had different variants leaves the figures. A test that is over stays when its rules are gone; one that was taken out
-- of them before has shown nothing.
-- The holdout is measured by leads: those who get no marketing mail are the first variant, and the others are what
-- nurturing does beside it. Who had a mail planned before the lot was drawn is compared with nobody: such leads are
-- nurtured whatever the lot says.
with arms as (
    select
        tests.test,
        aliases.lead_id,
        min(assigned.variant) as variant,
    from ledger.ab_tests as tests
    inner join ledger.variant_assignments as assigned on tests.test = assigned.test
    inner join warehouse.lead_aliases as aliases on assigned.lead_id = aliases.alias_lead_id
    group by tests.test, aliases.lead_id
    having count(distinct assigned.variant) = 1 and bool_and(assigned.is_sample)
),

mails as (
    select
        arms.test,
        arms.variant,
        arms.lead_id,
        tests.metric,
        coalesce(tests.ended_at, timestamptz 'infinity') as ended_at,
        mails.send_id,
        mails.delivered_at,
        mails.opened_at,
        mails.clicked_at,
    from arms
    inner join ledger.ab_tests as tests on arms.test = tests.test
    left join sends as mails
        on
            arms.lead_id = mails.current_lead_id
            and tests.scenario = mails.scenario
            and tests.step = mails.step
            and arms.variant = mails.variant
            and tests.started_at <= mails.sent_at
            and coalesce(tests.ended_at, timestamptz 'infinity') >= mails.sent_at
),

converted as (
    select
        mails.test,
        mails.send_id,
        min(behaviours.occurred_at) as converted_at,
    from mails
    inner join ledger.ab_variants as variants on mails.test = variants.test and mails.variant = variants.variant
    inner join warehouse.lead_behaviours as behaviours
        on mails.lead_id = behaviours.lead_id and variants.cta_behaviour = behaviours.behaviour
    cross join warehouse.rule_set
    where
        mails.metric = 'converted'
        and not behaviours.is_machine
        and behaviours.occurred_at >= mails.delivered_at
        and behaviours.occurred_at < mails.delivered_at + rule_set.conversion_window
    group by mails.test, mails.send_id
),

measured as (
    select
        mails.test,
        mails.variant,
        mails.lead_id,
        mails.delivered_at <= mails.ended_at as is_measured,
        case mails.metric
            when 'opened' then mails.opened_at
            when 'clicked' then mails.clicked_at
            when 'converted' then converted.converted_at
        end <= mails.ended_at as is_reached,
    from mails
    left join converted on mails.test = converted.test and mails.send_id = converted.send_id
),

tested as (
    select
        test,
        variant,
        count(distinct lead_id) as assigned,
        count(*) filter (is_measured) as measured,
        count(*) filter (is_measured and is_reached) as reached,
    from measured
    group by test, variant
),

lots as (
    select
        aliases.lead_id,
        holdout.is_held_out,
        holdout.assigned_at,
        holdout.share,
    from ledger.holdout as holdout
    inner join warehouse.lead_aliases as aliases on holdout.lead_id = aliases.alias_lead_id
),

names as (
    select
        aliases.alias_lead_id,
        aliases.lead_id,
    from warehouse.lead_aliases as aliases
    semi join lots on aliases.lead_id = lots.lead_id
),

firsts as (
    select
        names.lead_id,
        min(mails.planned_at) as planned_at,
    from ledger.sends as mails
    inner join names on mails.lead_id = names.alias_lead_id
    where mails.category = 'marketing'
    group by names.lead_id
),

drawn as (
    select
        lead_id,
        bool_or(is_held_out) as is_held_out,
        min(assigned_at) as assigned_at,
    from lots
    group by lead_id
    having count(distinct is_held_out) = 1
),

held as (
    select drawn.*
    from drawn
    anti join firsts on drawn.lead_id = firsts.lead_id and drawn.assigned_at > firsts.planned_at
),

fair_lots as (
    -- lots and not leads: of leads that became one, those with one lot alone are not as many as the share says
    select lots.*
    from lots
    anti join firsts on lots.lead_id = firsts.lead_id and lots.assigned_at > firsts.planned_at
),

shares as (
    select
        is_held_out,
        count(*) as assigned,
        -- of all lots; unknown where any lot's is
        if(
            sum(count(share)) over () = sum(count(*)) over (),
            sum(sum(share)) over () / sum(count(*)) over (),
            null
        ) as held_share,
    from fair_lots
    group by is_held_out
),

asked_for as (
    select cta_behaviour as behaviour
    from warehouse.rule_steps
    where cta_behaviour is not null
    union
    select cta_behaviour as behaviour
    from warehouse.rule_variants
    where cta_behaviour is not null
),

acted as (
    select 'converted' as metric, held.lead_id
    from held
    inner join warehouse.lead_behaviours as behaviours on held.lead_id = behaviours.lead_id
    inner join asked_for on behaviours.behaviour = asked_for.behaviour
    where not behaviours.is_machine and behaviours.occurred_at >= held.assigned_at
    union
    select 'won' as metric, held.lead_id
    from held
    inner join warehouse.deals as won on held.lead_id = won.lead_id
    where won.status = 'won' and won.won_at >= held.assigned_at
),

held_out as (
    select
        metrics.metric,
        held.is_held_out,
        min(held.assigned_at) as started_at,
        count(*) as measured,
        count(acted.lead_id) as reached,
    from held
    cross join (values ('converted'), ('won')) as metrics(metric)
    left join acted on held.lead_id = acted.lead_id and metrics.metric = acted.metric
    group by metrics.metric, held.is_held_out
)

select
    tests.test,
    tests.label,
    tests.scenario,
    tests.step,
    tests.metric,
    tests.started_at,
    tests.ended_at,
    tests.winner,
    variants.variant,
    row_number() over (partition by tests.test order by variants.place) = 1 as is_first,
    variants.share,
    coalesce(tested.assigned, 0) as assigned,
    coalesce(tested.measured, 0) as measured,
    coalesce(tested.reached, 0) as reached,
    coalesce(tests.smallest_effect, 0.05) as smallest_effect,
from ledger.ab_tests as tests
inner join ledger.ab_variants as variants on tests.test = variants.test
left join tested on tests.test = tested.test and variants.variant = tested.variant
where tests.ended_at is not null or tests.test in (select rules.test from warehouse.rule_variants as rules)
union all
select
    'holdout: ' || metric as test,
    'ホールドアウト' as label,
    null as scenario,
    null as step,
    metric,
    min(started_at) over (partition by metric) as started_at,
    null as ended_at,
    null as winner,
    if(held_out.is_held_out, 'held_out', 'nurtured') as variant,
    held_out.is_held_out as is_first,
    if(held_out.is_held_out, shares.held_share, 1 - shares.held_share) as share,
    shares.assigned,
    measured,
    reached,
    if(metric = 'won', 0.005, 0.02) as smallest_effect,
from held_out
inner join shares on held_out.is_held_out = shares.is_held_out
order by all
