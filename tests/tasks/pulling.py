"""A small world of sources for tests: files in a folder, a sources.yaml, pulls an hour apart."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml

from rules.models import Field
from settings import Settings
from tasks.pull import PullReport, SourceReport, pull_sources
from warehouse.connection import open_warehouse
from warehouse.load_schema import LoadCounts

FIELDS = (
    Field(id="name", label="氏名"),
    Field(id="email", label="メールアドレス"),
    Field(id="company", label="会社名"),
    Field(id="industry", label="業種", type="choice", values=("製造業", "IT")),
    Field(id="employees", label="企業規模", type="number"),
    Field(id="joined", label="入会日", type="date"),
    Field(id="is_customer", label="顧客", type="boolean"),
    Field(id="topics", label="興味トピック", type="choices", values=("価格", "導入事例", "製品A")),
    Field(id="corporate_number", label="法人番号", type="corporate_number"),
    Field(id="score", label="スコア", type="number", system=True),
)
START = datetime(2026, 4, 1, 0, 0, tzinfo=UTC)


class Pulling:
    """Sources under a folder, pulled into a warehouse beside them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.fields = FIELDS
        self.settings = Settings(home=folder / "home", sources=folder / "sources.yaml")

    def sources(self, *sources: dict[str, Any]) -> None:
        """Write sources.yaml."""
        text = yaml.safe_dump({"sources": list(sources)}, allow_unicode=True, sort_keys=False)
        self.settings.sources.write_text(text, encoding="utf-8")

    def file(self, name: str, content: str | bytes, encoding: str = "utf-8") -> Path:
        """Write a file beside the sources."""
        path = self.folder / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
        return path

    def file_source(self, path: Path | str, into: str = "events", **options: Any) -> dict[str, Any]:
        """A source of kind ``file``; events are page views unless the options say otherwise."""
        source = {"name": "web", "kind": "file", "path": str(path), "into": into, "timezone": "Asia/Tokyo"}
        if into == "events" and "constants" not in options and "event_type" not in options.get("columns", {}):
            source["constants"] = {"type": "page_view"}
        return {**source, **options}

    def pull(self, hours: float = 0) -> PullReport:
        """Pull everything, some hours after the start."""
        return pull_sources(self.settings, START + timedelta(hours=hours), fields=self.fields)

    def pull_one(self, hours: float = 0) -> SourceReport:
        """Pull the only source."""
        (report,) = self.pull(hours).sources
        return report

    def counts(self, hours: float = 0) -> LoadCounts:
        """Pull the only source, which must not fail."""
        report = self.pull_one(hours)
        assert report.error is None
        return report.counts

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Ask the warehouse."""
        with open_warehouse(self.settings, read_only=True) as connection:
            return connection.execute(query).fetchall()

    def quarantine(self) -> list[tuple[Any, ...]]:
        """What stands in quarantine: file name, line, column, value, reason."""
        rows = self.rows(
            "select file, line, column_name, value, reason from quarantine order by file, line, column_name"
        )
        return [(Path(file).name if file else None, *rest) for file, *rest in rows]
