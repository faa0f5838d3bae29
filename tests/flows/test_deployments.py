"""What prefect.yaml promises, read without a server: every flow can be loaded, is told about, and runs by Tokyo's clock."""

from __future__ import annotations

import os
import re
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import yaml
from prefect.client.schemas.schedules import CronSchedule
from prefect.flows import Flow, load_flow_from_entrypoint
from prefect.settings import Settings

REPOSITORY = Path(__file__).resolve().parents[2]
FILE = yaml.safe_load((REPOSITORY / "prefect.yaml").read_text(encoding="utf-8"))
DEPLOYMENTS: list[dict[str, Any]] = FILE["deployments"]
FLOW_FILES = sorted(path.stem for path in (REPOSITORY / "flows").glob("*.py") if "\n@flow" in path.read_text())

each_deployment = pytest.mark.parametrize("deployment", DEPLOYMENTS, ids=[entry["name"] for entry in DEPLOYMENTS])


@each_deployment
def test_its_flow_loads_and_takes_what_a_run_may_be_given(deployment: dict[str, Any]) -> None:
    # a placeholder would load whatever the file is worth
    flow = load_flow_from_entrypoint(deployment["entrypoint"], use_placeholder_flow=False)
    assert type(flow) is Flow
    assert set(deployment["parameters"]) <= set(flow.parameters.properties)
    assert {"as_of", "home"} <= set(flow.parameters.properties)
    assert not flow.parameters.required, "a scheduled run is given nothing"


@each_deployment
def test_it_is_told_about_and_runs_by_the_clock_of_tokyo(deployment: dict[str, Any]) -> None:
    assert len(deployment["description"]) > 40
    assert "nurture" in deployment["tags"]
    assert deployment["work_pool"]["name"] == "nurture"
    (schedule,) = deployment["schedules"]
    assert schedule["timezone"] == "Asia/Tokyo"
    assert CronSchedule(cron=schedule["cron"], timezone=schedule["timezone"])
    is_part = "part" in deployment["tags"]
    assert schedule["active"] is not is_part, (
        "nurture-cycle runs the parts in order; on their own they would be out of it"
    )


def test_every_flow_has_a_deployment_and_every_name_stands_once() -> None:
    assert FLOW_FILES
    assert {entry["entrypoint"] for entry in DEPLOYMENTS} == {f"flows.{name}.{name}" for name in FLOW_FILES}
    names = [entry["name"] for entry in DEPLOYMENTS]
    assert len(set(names)) == len(names)


def test_no_flow_file_hides_a_package() -> None:
    packages = {path.parent.name for path in REPOSITORY.glob("*/__init__.py")}
    assert not packages & set(FLOW_FILES)


def test_runs_happen_in_the_clone_where_rules_and_sources_stand() -> None:
    (build,) = FILE["build"]
    (pull,) = FILE["pull"]
    assert build["prefect.deployments.steps.run_shell_script"]["script"] == "pwd"
    assert pull == {"prefect.deployments.steps.set_working_directory": {"directory": "{{ clone.stdout }}"}}


def test_prefect_knows_the_server_settings_of_the_guide(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    guide = (REPOSITORY / "docs" / "deploy.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"^```bash server-environment\n(.*?)^```$", guide, flags=re.MULTILINE | re.DOTALL)
    given = dict(re.findall(r"^export (\w+)=(\S+)$", block, flags=re.MULTILINE))
    assert len(given) == len(block.splitlines())
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("PREFECT_")]:
        monkeypatch.delenv(name)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    settings = Settings()
    assert set(given) <= set(settings.to_environment_variables(exclude_unset=True))
    assert "flow_runs" in settings.server.services.db_vacuum.enabled_vacuum_types
    assert settings.server.services.db_vacuum.retention_period == timedelta(days=30)
    assert import_module(settings.server.concurrency.lease_storage).ConcurrencyLeaseStorage
