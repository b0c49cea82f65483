"""A balancer dies, and the other one knows all that matters."""

import time

import pytest
from asks import ALL, LISTING
from canary import settle
from client import Client
from lab import Lab, eventually
from load import Load
from report import Report

pytestmark = pytest.mark.needs("balancers", "checkbox_canary")

# How long the floating address may be nowhere.
AWAY = 5.0


def test_the_other_balancer_serves_with_the_canary_still_out(lab: Lab, report: Report) -> None:
    active = lab.active()
    other = next(name for name in lab.hosts("balancers") if name != active)
    lab.api("PUT", "services/checkbox/ejection", active, {"reason": "scenario", "by": "test"})
    eventually("both know", lambda: not lab.admitted(other), within=10)
    try:
        with Load(lab.address, ALL, rate=40) as load:
            time.sleep(2)
            killed = time.time()
            lab.run("kill", active)
            eventually("the address moves", lambda: lab._holds(other), within=30, pause=0.05)
            moved = time.time()
            time.sleep(3)
            serving = time.time()
        after = [answer for answer in load.answers if answer.opened > moved]
        lost = [answer for answer in load.wrong() if answer.opened <= killed]
        report.say(f"the address moved within {moved - killed:.1f} s of the command; {len(lost)} open connections lost")
        refused = [answer for answer in load.wrong() if killed < answer.opened <= moved]
        report.say(f"{len(refused)} connections were begun while the address was nowhere, and failed")
        assert [answer for answer in after if answer.wrong] == []
        assert [answer for answer in load.wrong() if answer.opened < killed and answer.at > serving] == []
        assert moved - killed < AWAY
        client, version = Client(lab.address), lab.on(lab.hosts("checkbox_canary")[0], "checkbox-release version")
        assert [answer for answer in (client.ask(LISTING) for _ in range(60)) if answer.version == version] == []
    finally:
        lab.run("boot", active)
        lab.api("DELETE", "services/checkbox/ejection", other, {"by": "test"})
    assert settle(lab) == other, "an address that has moved stays where it is"
