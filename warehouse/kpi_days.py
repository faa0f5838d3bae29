"""Counts by day or month, kept up to date by what changed mails and leads add to them.

A count is a sum over mails or leads. So the days of a publication are those of the one before, less what the
changed ones added to them as they were, plus what they add as they are.
"""

from __future__ import annotations

from collections.abc import Mapping

import duckdb

from warehouse.published_queries import part_query, published_query, put_rows, run

COUNTED = {
    "kpi_mail_daily": ("mail_counts", "kept_mail_counts", "date, scenario, step, variant, segment"),
    "kpi_funnel_daily": ("funnel_changes", "kept_funnel_changes", "date, stage"),
    "kpi_segment_daily": ("segment_changes", "kept_segment_changes", "date, segment, tier"),
    "kpi_move_times": ("stage_time_counts", "kept_stage_time_counts", "month, from_stage, to_stage, days"),
    "kpi_cohort_times": ("cohort_time_counts", "kept_cohort_time_counts", "month, dimension, value, step, days"),
    "kpi_cohorts": ("cohort_counts", "kept_cohort_counts", "month, dimension, value"),
}
"""The tables so kept: what is added up, the query that finds it in the days of before, and by what it is added up."""
OF_JOURNEYS = ("kpi_cohort_times", "kpi_cohorts")
"""Those that are counted from journeys, which are made after all others."""


class Day:
    """One such table on its way from the counts to the days."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, name: str, values: Mapping[str, object]) -> None:
        self.connection = connection
        self.counts, self.kept_counts, self.key = COUNTED[name]
        self.values = values

    def count(self, kind: str) -> None:
        """Count what the tables add to the days: ``old`` as they were before, or ``new``."""
        values = self.values
        if kind == "old":
            values = {**values, "as_of": values["since"]}
        run(self.connection, f"create temp table {kind}_{self.counts} as {part_query(self.counts)}", values)

    def sum_up(self, *, is_renewed: bool) -> None:
        """Add up the new counts, and of a renewed table those that it had before, less the old."""
        key = {name.strip() for name in self.key.split(",")}
        columns = self.connection.execute(f"from temp.new_{self.counts} limit 0").description or ()
        numbers = [name for name, *_ in columns if name not in key]
        parts = [f"select {self.key}, {', '.join(numbers)} from temp.new_{self.counts}"]
        if is_renewed:
            parts += [
                f"select {self.key}, {', '.join(f'-{name}' for name in numbers)} from temp.old_{self.counts}",
                f"select {self.key}, {', '.join(numbers)} from ({part_query(self.kept_counts)})",
            ]
        sums = ", ".join(f"sum({name}) as {name}" for name in numbers)
        some = " or ".join(f"sum({name}) != 0" for name in numbers)
        query = f"select {self.key}, {sums} from ({' union all '.join(parts)}) group by {self.key} having {some}"
        run(self.connection, f"create temp table {self.counts} as {query}", self.values)


def write_days(
    connection: duckdb.DuckDBPyConnection,
    name: str,
    values: Mapping[str, object],
    *,
    is_renewed: bool,
    has_before: bool,
) -> None:
    """Write a table by day, and mark the rows of days that were over when they were published otherwise before.

    Args:
        connection: Whose database in use gets the table; the publication before is ``before``.
        name: The published table; its query gives a row a key.
        values: What queries ask for: ``as_of``, ``timezone``.
        is_renewed: Whether the database in use has the table as it was before.
        has_before: Whether there is a publication before.
    """
    run(connection, f"create temp table written as {published_query(name)}", values)
    columns = [column for column, *_ in connection.execute("from written limit 0").description or ()]
    if has_before and _columns_before(connection, name) == [*columns, "restated_at"]:
        row = ", ".join(f"{{0}}.{column}" for column in columns)
        query = f"""
            select
                written.*,
                case
                    when written.date < (published_at.as_of at time zone $timezone)::date and (
                        known.date is null or ({row.format("known")}) is distinct from ({row.format("written")})
                    ) then $as_of::timestamptz
                    else known.restated_at
                end as restated_at,
            from written
            cross join before.main.publication as published_at
            left join before.main.{name} as known on {_same_key(name)}
        """
    else:
        query = "select *, null::timestamptz as restated_at from written"
    put_rows(connection, name, f"{query} order by all", values, is_renewed=is_renewed)
    connection.execute("drop table temp.written")


def _columns_before(connection: duckdb.DuckDBPyConnection, name: str) -> list[str]:
    return [
        column
        for (column,) in connection.execute(
            "select column_name from duckdb_columns() where database_name = 'before' and table_name = $1"
            " order by column_index",
            [name],
        ).fetchall()
    ]


def _same_key(name: str) -> str:
    key = next(line for line in published_query(name).splitlines() if line.startswith("-- key: "))
    return " and ".join(
        f"written.{column} is not distinct from known.{column}" for column in key.removeprefix("-- key: ").split(", ")
    )
