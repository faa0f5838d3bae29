"""A publication as frames, for tests that count its figures again in another way than the SQL that made them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd

from tests.world import World


@dataclass
class Published:
    """One publication, and the world whose it is."""

    path: Path
    world: World
    as_of: datetime

    def __post_init__(self) -> None:
        self.zone = str(self.world.settings.timezone)

    @cached_property
    def tables(self) -> dict[str, pd.DataFrame]:
        with duckdb.connect(str(self.path), read_only=True) as connection:
            names = [name for (name,) in connection.execute("select table_name from duckdb_tables()").fetchall()]
            return {name: connection.execute(f"from {name}").df() for name in names}

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(str(self.path), read_only=True) as connection:
            return connection.execute(query).fetchall()

    def local(self, instants: pd.Series[Any]) -> pd.Series[Any]:
        """The local dates of instants."""
        return instants.dt.tz_convert(self.zone).dt.date

    def months(self, instants: pd.Series[Any]) -> pd.Series[Any]:
        return self.local(instants).map(lambda day: day.replace(day=1))


def as_dates(frame: pd.DataFrame, column: str) -> pd.DataFrame:
    """A frame whose dates are dates, as pandas has them not."""
    return frame.assign(**{column: pd.to_datetime(frame[column]).dt.date})


def same(found: pd.DataFrame, expected: pd.DataFrame, keys: Sequence[str]) -> None:
    """Whether two frames hold the same rows, in whatever order."""
    columns = list(expected.columns)
    plain = [
        frame[columns].astype(dict.fromkeys(keys, str)).sort_values(list(keys)).reset_index(drop=True)
        for frame in (found, expected)
    ]
    for column in set(columns) - set(keys):
        for frame in plain:
            frame[column] = pd.to_numeric(frame[column]).astype(float)
    pd.testing.assert_frame_equal(*plain, check_exact=False, rtol=1e-9, atol=1e-9)


def near(found: pd.Series[Any], expected: pd.Series[Any]) -> None:
    assert found.index.tolist() == expected.index.tolist()
    assert (found.astype(float) - expected.astype(float)).abs().max() < 1e-6 or found.empty
