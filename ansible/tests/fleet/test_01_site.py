"""The fleet comes from nothing, by the commands that the README names."""

import json
import os
import time

import pytest
from canary import settle
from lab import ANSIBLE, ROOT, Lab
from report import Report

pytestmark = pytest.mark.sets_up


def test_the_hosts_boot(lab: Lab, report: Report) -> None:
    lab.run("down", within=300)
    started = time.monotonic()
    lab.run("up", "--binary", os.environ.get("COALMINE_BINARY", str(ROOT / "target/debug/coalmine")), within=1200)
    report.say(f"{len(lab.hosts())} hosts in {time.monotonic() - started:.0f} s")


def test_the_site_is_deployed(lab: Lab, report: Report) -> None:
    lab.play("site.yml", within=2400)
    assert set(lab.recap) >= set(lab.hosts())
    report.say(f"{sum(row['ok'] for row in lab.recap.values())} tasks")


def test_the_schema_is_made_by_a_step_of_its_own(lab: Lab) -> None:
    files = [str(path) for path in sorted((ANSIBLE / "lab/apps/itrust/sql").glob("*.sql"))]
    lab.play("schema.yml", "-e", json.dumps({"schema_files": files}))


def test_a_second_run_changes_nothing(lab: Lab, report: Report) -> None:
    text = lab.play("site.yml", within=2400)
    assert {host: row["changed"] for host, row in lab.recap.items() if row["changed"]} == {}, _changed(text)


def test_a_dry_run_is_clean(lab: Lab) -> None:
    text = lab.play("site.yml", "--check", within=2400)
    assert {host: row for host, row in lab.recap.items() if row["changed"] or row["failed"]} == {}, _changed(text)


def test_the_fleet_verifies_itself(lab: Lab) -> None:
    # The work of the plays may have been load enough for an alert.
    settle(lab)
    lab.play("verify.yml")


def _changed(text: str) -> str:
    lines = text.splitlines()
    return "\n".join(
        f"{task}: {line}"
        for number, line in enumerate(lines)
        if line.startswith("changed:")
        for task in [next((lines[n] for n in range(number, -1, -1) if lines[n].startswith(("TASK", "RUNNING"))), "")]
    )
