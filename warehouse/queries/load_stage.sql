-- One row per row of the source: its id among its like, its stamps parsed, and the fault that keeps it out, if any.
-- key: row_number
-- from: load_incoming
-- The ordinal tells identical rows of one file apart, so that each counts, and counts once however often it is read.
-- Few rows have a like: only those are numbered, since numbering all would sort the whole load.
create or replace temp table load_stage as
with hashed as (
    select
        row_number,
        file,
        md5(coalesce(record_key, row_text, '')) as row_hash,
    from load_incoming
),

repeated as (
    select file, row_hash
    from hashed
    group by file, row_hash
    having count(*) > 1
),

ordinals as (
    select
        hashed.row_number,
        row_number() over (partition by hashed.file, hashed.row_hash order by hashed.row_number) as ordinal,
    from hashed
    inner join repeated on hashed.row_hash = repeated.row_hash and hashed.file is not distinct from repeated.file
),

parsed as (
    select
        * exclude (occurred_at, created_at),
        occurred_at as occurred_at_given,
        created_at as created_at_given,
        md5(coalesce(record_key, row_text, '')) as row_hash,
        load_stamp(load_stamp_text(occurred_at, $date_format, $epoch_unit), $timezone) as parsed_at,
        load_stamp(load_stamp_text(created_at, $date_format, $epoch_unit), $timezone) as parsed_created_at,
    from load_incoming
),

ordered as (
    select
        parsed.* exclude (parsed_at, parsed_created_at),
        case when load_is_stamp(parsed.parsed_at) then parsed.parsed_at end as stamped_at,
        case when load_is_stamp(parsed.parsed_created_at) then parsed.parsed_created_at end as created_at,
        coalesce(ordinals.ordinal, 1) as ordinal,
        -- whoever asks for no more mail gets none, whatever else of the row cannot be read
        $into = 'suppressions' or ($into = 'consents' and not coalesce(load_boolean(parsed.is_granted), true))
            as is_block,
    from parsed
    left join ordinals on parsed.row_number = ordinals.row_number
)

select
    *,
    case
        -- even where the list does not say since when
        when is_block or not $is_stamped then coalesce(stamped_at, $as_of)
        else stamped_at
    end as occurred_at,
    case
        when fault_reason is not null
            then load_fault(null, fault_column, fault_value, fault_reason)
        when email is not null and not load_is_address(email)
            then load_fault('email', null, email, 'not an e-mail address')
        when
            coalesce(email, external_id) is null
            and ($into != 'events' or coalesce(visitor, send_id) is null)
            then load_fault(null, null, row_text, 'nobody it could belong to: no email, no other id')
        when $into = 'events' and event_type is null
            then load_fault('event_type', null, null, 'no event type')
        when $into = 'events' and not regexp_matches(event_type, '^[a-z][a-z0-9_]*$')
            then load_fault('event_type', null, event_type, 'an event type is a lower-case name, such as page_view')
        when $into = 'deals' and deal_id is null
            then load_fault('deal_id', null, null, 'no deal_id')
        when $into = 'deals' and coalesce(status, '') not in ('open', 'won', 'lost')
            then load_fault('status', null, status, 'a deal is open, won or lost; translate others by values')
        when not is_block and $is_stamped and occurred_at_given is null
            then load_fault('occurred_at', null, null, 'no stamp')
        when not is_block and $is_stamped and stamped_at is null
            then load_fault('occurred_at', null, occurred_at_given, 'not a stamp; is date_format right?')
        when $into = 'consents' and is_granted is not null and load_boolean(is_granted) is null
            then load_fault('is_granted', null, is_granted, 'not true or false')
        when is_block
            then null
        when $into = 'consents' and basis is null
            then load_fault('basis', null, null, 'a consent needs its basis')
        when $into = 'consents' and not load_is_basis(basis)
            then
                load_fault(
                    'basis', null, basis,
                    'not a basis of consent: opt_in_form, business_card, existing_dealings, published_address'
                )
        when $into = 'consents' and not load_is_kind(mail_kind)
            then
                load_fault(
                    'mail_kind', null, mail_kind,
                    'not a kind of mail: newsletter, step, trigger, or marketing for all three'
                )
        when $into = 'consents' and not load_is_mailable(email)
            then load_fault('email', null, email, 'an address that SendGrid does not take')
    end as fault,
from ordered
