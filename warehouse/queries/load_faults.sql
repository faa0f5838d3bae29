-- One row per row or value that goes to quarantine, with where it stands in the source.
-- key: quarantine_id
-- from: load_stage, load_values, load_columns
-- The id hangs on what the row says and not on its line, so that rows put in above it make no new entry.
create or replace temp table load_faults as
with told as (
    select row_number, fault.target, fault.column_name, fault.value, fault.reason, true as is_row
    from load_stage
    where fault is not null
    union all
    select row_number, target, null as column_name, unfit as value, reason, false as is_row
    from load_values
    where unfit is not null
    union all
    select row_number, 'created_at', null, created_at_given, 'not a stamp', false as is_row
    from load_stage
    where fault is null and created_at_given is not null and created_at is null
    union all
    select row_number, 'occurred_at', null, occurred_at_given, 'not a stamp; it holds from now on', false as is_row
    from load_stage
    where fault is null and is_block and occurred_at_given is not null and stamped_at is null
    union all
    select row_number, 'amount', null, amount, 'not an amount', false as is_row
    from load_stage
    where
        fault is null and amount is not null
        and try_cast(number_text(amount) as decimal(18, 2)) is null
    union all
    select
        row_number,
        'blocks',
        null,
        blocks,
        'not what may be blocked (newsletter, step, trigger, marketing, all); it blocks all',
        false as is_row,
    from load_stage
    where fault is null and $into = 'suppressions' and not load_is_kind(blocks) and blocks != 'all'
    union all
    select
        row_number,
        'mail_kind',
        null,
        mail_kind,
        'not a kind of mail (newsletter, step, trigger, marketing); all marketing is withdrawn',
        false as is_row,
    from load_stage
    where fault is null and $into = 'consents' and not load_is_kind(mail_kind)
    union all
    select row_number, 'email', null, email, 'an address that SendGrid does not take; the block is kept', false
    from load_stage
    where fault is null and $into in ('consents', 'suppressions') and not load_is_mailable(email)
    union all
    select
        row_number,
        'mail_kind',
        null,
        mail_kind,
        'not a kind of mail (newsletter, step, trigger, marketing); it grants none',
        false as is_row,
    from load_stage
    where fault is null and $into = 'leads' and basis is not null and not load_is_kind(mail_kind)
    union all
    select
        row_number,
        'basis' as target,
        null as column_name,
        basis as value,
        'not a basis of consent (opt_in_form, business_card, existing_dealings, published_address); it grants none'
            as reason,
        false as is_row,
    from load_stage
    where
        fault is null and $into in ('leads', 'consents') and not load_is_basis(basis)
)

select
    md5(
        concat_ws(
            chr(31), $source, load_stage.file, load_stage.row_hash, load_stage.ordinal, told.target, told.value,
            told.reason
        )
    ) as quarantine_id,
    load_stage.row_number,
    load_stage.file,
    case when load_stage.file is not null then load_stage.line end as line,
    coalesce(told.column_name, load_columns.column_name, told.target) as column_name,
    left(told.value, 1000) as value,
    told.reason,
    told.is_row,
from told
inner join load_stage on told.row_number = load_stage.row_number
left join load_columns on told.target = load_columns.target
