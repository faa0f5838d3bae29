"""Every fault of a YAML file is one problem, with its line, what came, and what is allowed."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest
from pydantic import AwareDatetime

from rules.documents import read_document
from rules.errors import Problem
from rules.models import Frozen


class Part(Frozen):
    id: str
    kind: Literal["one", "two"] = "one"


class Whole(Frozen):
    on: str = ""
    points: int = 0
    name: str = ""
    parts: tuple[Part, ...] = ()
    when: AwareDatetime | None = None
    share: float = 0.0


def read(tmp_path: Path, content: str | bytes) -> tuple[Whole | None, list[Problem]]:
    path = tmp_path / "whole.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    problems: list[Problem] = []
    return read_document(path, Whole, problems), problems


def test_plain_values_are_read_without_the_surprises_of_yaml(tmp_path: Path) -> None:
    value, problems = read(tmp_path, "\ufeffon: yes\nname: 09:30\nshare: 1\nwhen: 2026-04-01T09:00:00+09:00\n")
    assert problems == []
    assert value is not None
    assert (value.on, value.name, value.share) == ("yes", "09:30", 1.0)
    assert value.when is not None and value.when.isoformat() == "2026-04-01T09:00:00+09:00"


def test_every_fault_is_reported_at_once_with_its_line(tmp_path: Path) -> None:
    value, problems = read(
        tmp_path,
        "points: yes\nname: 12\nparts:\n  - {id: a, knd: one}\n  - kind: twoo\nwhen: 2026-04-01\nponts: 3\n",
    )
    assert value is None
    found = {(problem.place, problem.message): problem for problem in problems}
    assert set(found) == {
        ("line 1", "points is not the kind of value expected"),
        ("line 2", "name is not the kind of value expected"),
        ("line 4", "unknown key 'knd'"),
        ("line 5", "'id' is missing"),
        ("line 5", "parts[2].kind is none of the values allowed"),
        ("line 6", "when is not the kind of value expected"),
        ("line 7", "unknown key 'ponts'"),
    }
    assert found["line 1", "points is not the kind of value expected"].allowed == "a whole number"
    assert found["line 2", "name is not the kind of value expected"].hint == "put it in quotes"
    assert found["line 4", "unknown key 'knd'"].allowed == "id, kind"
    assert found["line 4", "unknown key 'knd'"].hint == "did you mean 'kind'?"
    kind = found["line 5", "parts[2].kind is none of the values allowed"]
    assert (kind.received, kind.allowed, kind.hint) == ("'twoo'", "'one', 'two'", "did you mean 'two'?")
    assert found["line 7", "unknown key 'ponts'"].hint == "did you mean 'points'?"


@pytest.mark.parametrize("text", ["points: true", 'points: "3"', "points: 3.5"])
def test_nothing_is_silently_taken_for_a_number(tmp_path: Path, text: str) -> None:
    value, problems = read(tmp_path, text)
    assert value is None
    assert [problem.allowed for problem in problems] == ["a whole number"]


@pytest.mark.parametrize(
    ("content", "place", "message"),
    [
        (b"", "", "the file is empty"),
        (b"# only words\n", "line 1", "the file holds only comments"),
        (b"- a\n", "line 1", "the file is not a mapping of keys to values"),
        ("on: 1\nname: 部長".encode("cp932"), "line 2", "the file is not UTF-8"),
        (b"on: a\nname: b\non: c\n", "line 3", "the key 'on' stands twice"),
        (b"on: [a\n", "line 2", "this is not YAML"),
        (b"on: a\n\tname: b\n", "line 2", "this is not YAML"),
        (b"on: &x [*x]\n", "line 1", "an anchor that contains itself"),
        (b"on: !!python/object/apply:os.getcwd []\n", "line 1", ""),
        (b"on: !!python/name:os.getcwd x\n", "line 1", "the tag"),
        (b"name: a\non: \x01\n", "line 2", "a character that YAML does not allow"),
        (b"<<: {on: a}\n", "line 1", "merge keys"),
        (b"{{ on }}: a\n", "line 1", "a key must be one word"),
        (b"on: a\n---\non: b\n", "line 2", "this is not YAML"),
    ],
)
def test_what_is_no_document_says_so(tmp_path: Path, content: bytes, place: str, message: str) -> None:
    value, problems = read(tmp_path, content)
    assert value is None
    assert problems
    assert problems[0].file == "whole.yaml"
    assert problems[0].place == place
    assert problems[0].message.startswith(message)


def test_a_missing_file_and_a_folder_are_problems(tmp_path: Path) -> None:
    problems: list[Problem] = []
    assert read_document(tmp_path / "none.yaml", Whole, problems, shown_as="shown.yaml") is None
    assert read_document(tmp_path, Whole, problems) is None
    assert [problem.message for problem in problems] == [
        "the file is missing",
        "a folder stands where a file is expected",
    ]
    assert problems[0].file == "shown.yaml"


@pytest.mark.parametrize(
    "line",
    [
        "api_key: abc",
        "url: postgresql://user:hunter2@host/db",
        "key: SG.abcdef",
        "value: 4f9aK29xkQ81mz0PqL55tYwB7nR3sD6e",
        "to: taro.yamada@example.com",
    ],
)
def test_no_secret_and_no_address_is_shown(tmp_path: Path, line: str) -> None:
    _, problems = read(tmp_path, line + "\n")
    shown = str(problems[0])
    for secret in ("abc", "hunter2", "SG.", "4f9a", "taro"):
        assert secret not in shown


def test_long_values_are_shortened(tmp_path: Path) -> None:
    _, problems = read(tmp_path, f"unknown: {'あ ' * 200}\n")
    assert len(problems[0].received) <= 62
