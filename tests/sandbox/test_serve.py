"""The stand-in in a process of its own, as the `nurture sandbox` command runs it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx

import sandbox

ROOT = Path(sandbox.__file__).parents[1]
PROGRAM = (
    "import sys; from pathlib import Path; from sandbox.sendgrid import serve; serve('127.0.0.1', 0, Path(sys.argv[1]))"
)


def test_it_names_its_url_and_its_witness_survives_a_kill(tmp_path: Path, mail_body: Any) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, text=True, encoding="utf-8"
    )
    assert process.stdout is not None
    with process, process.stdout:
        try:
            url = process.stdout.readline().split()[-1]
            assert url.startswith("http://127.0.0.1:")
            answer = httpx.post(f"{url}/v3/mail/send", json=mail_body(), headers={"Authorization": "Bearer SG.test"})
            assert answer.status_code == 202
        finally:
            process.kill()
    assert len((tmp_path / "sandbox" / "accepted.jsonl").read_text(encoding="utf-8").splitlines()) == 1
