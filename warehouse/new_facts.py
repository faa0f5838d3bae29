"""Finds the facts a run has not seen yet, at the cost of these alone.

Facts are only appended, so rows beyond those seen are new; and a fact stamped ahead becomes visible when its instant
has come.
"""

from __future__ import annotations

from warehouse.derivation import FACTS, Derivation

_VISIBLE = "received_at <= $as_of and occurred_at <= $as_of"


def find_new_facts(run: Derivation) -> None:
    """Make ``arrived_*`` (received by now) and ``new_*`` (visible now) of every table of facts: what is new of each.

    Where all is to be derived anew they are views on everything there is.
    """
    last = run.last()
    run.connection.execute("set variable as_of = $1", [run.as_of])
    run.make(
        "visible_events",
        "select * from events where received_at <= getvariable('as_of') and occurred_at <= getvariable('as_of')",
        kind="view",
    )
    if last is None:
        for table in FACTS:
            arrived = f"select * from {table} where received_at <= getvariable('as_of')"
            run.make(f"arrived_{table}", arrived, kind="view")
            run.make(f"new_{table}", f"{arrived} and occurred_at <= getvariable('as_of')", kind="view")
        return
    last_as_of, seen = last
    for table in FACTS:
        values = {"seen": seen[table], "last": last_as_of}
        run.make(
            f"arrived_{table}",
            f"""
            select * from {table} where rowid >= $seen and received_at <= $as_of
            union all
            select * from {table} where rowid < $seen and received_at > $last and received_at <= $as_of
            """,
            values=values,
        )
        run.make(
            f"new_{table}",
            f"""
            select * from {table} where rowid >= $seen and {_VISIBLE}
            union all
            select * from {table} where rowid < $seen and received_at > $last and {_VISIBLE}
            union all
            select * from {table} where rowid < $seen and received_at <= $last and occurred_at > $last and {_VISIBLE}
            """,
            values=values,
        )
