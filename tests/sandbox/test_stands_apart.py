"""The outside world knows nothing of the engine: a witness that imports the accused is none."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import sandbox

ALLOWED = {"sandbox", "orjson", "sqlalchemy", "starlette", "uvicorn", "cryptography"}
ALSO = {"crowd.py": {"duckdb"}}  # it makes what load runs read, and witnesses nothing
FOLDER = Path(sandbox.__file__).parent


def _imported(file: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file.name}: relative import"
            names.add((node.module or "").partition(".")[0])
    return names


def test_it_imports_the_standard_library_and_five_others() -> None:
    for file in sorted(FOLDER.rglob("*.py")):
        foreign = _imported(file) - ALLOWED - ALSO.get(file.name, set()) - set(sys.stdlib_module_names)
        assert not foreign, f"{file.name} imports {foreign}"


def test_every_module_says_why_it_exists() -> None:
    for file in sorted(FOLDER.rglob("*.py")):
        assert ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))), file.name
