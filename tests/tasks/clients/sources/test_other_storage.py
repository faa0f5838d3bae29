"""Files on other storage, by fsspec's URLs: the same rows, read once, and again when the file changed."""

from __future__ import annotations

from collections.abc import Iterator

import fsspec
import pytest

from tests.tasks.pulling import Pulling

COLUMNS = {"event_id": "id", "visitor": "cookie", "occurred_at": "ts", "url": "path"}


@pytest.fixture
def storage() -> Iterator[fsspec.AbstractFileSystem]:
    memory = fsspec.filesystem("memory")
    yield memory
    memory.rm("/bucket", recursive=True)


def test_files_of_another_storage_are_read_once_and_again_when_they_change(
    pulling: Pulling, storage: fsspec.AbstractFileSystem
) -> None:
    storage.pipe("/bucket/web/1.csv", b"id,cookie,ts,path\n1,v1,2026-04-01 09:00:00,/a\n")
    storage.pipe("/bucket/web/2.csv", b"id,cookie,ts,path\n2,v2,2026-04-01 09:00:00,/b\n")
    pulling.sources(pulling.file_source("memory://bucket/web/*.csv", columns=COLUMNS))
    assert pulling.counts().rows_loaded == 2
    assert pulling.counts(1).rows_read == 0
    storage.pipe("/bucket/web/2.csv", b"id,cookie,ts,path\n2,v2,2026-04-01 09:00:00,/b\n3,v2,2026-04-01 10:00:00,/c\n")
    assert pulling.counts(2).rows_loaded == 1
    assert pulling.rows("select url from events order by url") == [("/a",), ("/b",), ("/c",)]


def test_a_storage_that_is_not_known_is_told(pulling: Pulling) -> None:
    pulling.sources(pulling.file_source("nosuch://bucket/a.csv", columns=COLUMNS))
    assert "nosuch" in str(pulling.pull_one().error)
