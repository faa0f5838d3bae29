-- One row per column that a source fills, and one per word that it translates.
create or replace temp table load_columns (target varchar, column_name varchar, type varchar, allowed varchar[]);
create or replace temp table load_words (place integer, word varchar, meaning varchar);
