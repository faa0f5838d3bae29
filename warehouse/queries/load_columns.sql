-- One row per column that a source fills, and one per word that it translates.
create or replace temp table load_columns (target varchar, column_name varchar, type varchar, allowed varchar[]);
create or replace temp table load_words (place integer, word varchar, meaning varchar);

-- White space as Unicode has it, and ASCII's separators.
set variable load_spaces = (
    select string_agg(chr(code), '')
    from
        unnest([
            9, 10, 11, 12, 13, 28, 29, 30, 31, 32, 133, 160, 5760, 8192, 8193, 8194, 8195, 8196, 8197, 8198, 8199, 8200,
            8201, 8202, 8232, 8233, 8239, 8287, 12288
        ]) as spaces(code)
);
