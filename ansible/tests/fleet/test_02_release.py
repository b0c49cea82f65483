"""A canary takes its share, and goes out without a client's error when it fails."""

import json
import time
from collections import Counter

import pytest
from asks import ALL, LISTING, PAGE
from canary import settle
from client import Answer, Ask, Client
from lab import Lab, eventually
from load import Load
from report import Report

pytestmark = pytest.mark.needs("checkbox_stable", "checkbox_canary")

FAULT = "/var/lib/checkbox/faults.json"


@pytest.fixture
def canary(lab: Lab) -> str:
    settle(lab)
    return lab.hosts("checkbox_canary")[0]


def versions(lab: Lab) -> tuple[str, str]:
    """The versions of stable and of the canary, as they say themselves."""
    stable, canary = (
        lab.on(lab.hosts(group)[0], "checkbox-release version") for group in ("checkbox_stable", "checkbox_canary")
    )
    return stable, canary


def test_clients_see_two_to_one(lab: Lab, canary: str, report: Report) -> None:
    stable_version, canary_version = versions(lab)
    # An alert of the canary's host in between would be right, and would leave nothing to count.
    for _ in range(3):
        active = settle(lab)
        client, since = Client(lab.address), lab.service("checkbox", active)["gate"]["since"]
        seen = Counter(client.ask(PAGE).version for _ in range(3000))
        client.close()
        if lab.service("checkbox", active)["gate"]["since"] == since:
            break
    report.say(f"{seen[stable_version]} stable, {seen[canary_version]} canary of 3000")
    assert seen == {stable_version: 2000, canary_version: 1000}


def test_a_study_created_on_stable_is_read_on_canary(lab: Lab, canary: str) -> None:
    stable_version, canary_version = versions(lab)
    study = {"name": f"study {time.time_ns()}", "description": "d", "studyKind": "survey", "markdown": "# q", "invitecode": "RESEARCH"}
    create = Ask("create", "checkbox.lab", "/api/study/create", "POST", json.dumps(study).encode(), {"Content-Type": "application/json"})
    # Each track is visited by turns; whatever stable did not create is not looked for.
    created = next(answer for answer in _asked(lab, create) if answer.version == stable_version)
    assert not created.wrong, created
    listed = next(answer for answer in _asked(lab, LISTING) if answer.version == canary_version)
    assert study["name"] in listed.body.decode(), listed


def _asked(lab: Lab, ask: Ask) -> list[Answer]:
    client = Client(lab.address)
    answers = [client.ask(ask) for _ in range(6)]
    client.close()
    return answers


@pytest.mark.parametrize("fault", ["killed", "frozen", "answers 500", "slow"])
def test_a_broken_canary_goes_out_and_comes_back(lab: Lab, canary: str, report: Report, fault: str) -> None:
    version, active = versions(lab)[1], lab.active()
    with Load(lab.address, ALL) as load:
        eventually("the canary answers", lambda: _share(load, version) > 0)
        moment = time.time()
        {
            "killed": lambda: lab.run("kill", canary),
            "frozen": lambda: lab.run("freeze", canary),
            "answers 500": lambda: _fault(lab, canary, status500=1),
            "slow": lambda: _fault(lab, canary, delay_ms=20_000),
        }[fault]()
        eventually("the canary is out", lambda: not lab.admitted(active), within=60, pause=0.02)
        report.say(f"out {time.time() - moment:.2f} s after the command began: {lab.reasons(active)}")
        {
            "killed": lambda: lab.run("boot", canary),
            "frozen": lambda: lab.run("thaw", canary),
            "answers 500": lambda: _fault(lab, canary),
            "slow": lambda: _fault(lab, canary),
        }[fault]()
        mended = time.time()
        settle(lab)
        report.say(f"back after {time.time() - mended:.1f} s")
        eventually("the canary answers again", lambda: _share(load, version) > 0)
    report.say(load.summary())
    assert load.wrong() == []


def _fault(lab: Lab, host: str, **what: int) -> None:
    lab.on(host, f"printf %s {json.dumps(json.dumps(what))} >{FAULT}.new && mv {FAULT}.new {FAULT}")


def _share(load: Load, version: str) -> float:
    """The part of a version in the last two seconds."""
    recent = [answer for answer in load.since(time.time() - 2) if answer.ask == "listing" and not answer.wrong]
    return sum(answer.version == version for answer in recent) / max(1, len(recent))
