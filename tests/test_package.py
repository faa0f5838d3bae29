"""The wheel holds all that a run needs: packages, SQL, rules, comments."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

from tests.company import REPOSITORY


def test_the_wheel_holds_every_module_and_data_file(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", str(tmp_path)]
    subprocess.run([*build, str(REPOSITORY)], check=True, capture_output=True, timeout=120)
    (wheel,) = tmp_path.glob("*.whl")
    packed = set(zipfile.ZipFile(wheel).namelist())
    tracked = subprocess.run(
        ["git", "ls-files", "flows", "tasks", "rules", "warehouse", "sandbox", "settings.py", "cli.py", "demo.py"],
        cwd=REPOSITORY, check=True, capture_output=True, text=True,
    ).stdout.splitlines()  # fmt: skip
    assert tracked
    assert set(tracked) - packed == set()
    assert not any(name.startswith("tests/") for name in packed)
