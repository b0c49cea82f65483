"""What a host's agent, or an old system, says takes the canary out; people are told once."""

import time
from typing import Any

import pytest
from asks import ALL, LISTING
from canary import settle
from client import Client
from lab import Lab, eventually
from load import Load
from report import Report

pytestmark = pytest.mark.needs("checkbox_stable", "checkbox_canary", "redis")

LEVEL = "/run/coalmine-level"


@pytest.fixture
def canary(lab: Lab) -> str:
    settle(lab)
    return lab.hosts("checkbox_canary")[0]


def _mails(lab: Lab, host: str, rule: str, since: int) -> list[dict[str, Any]]:
    """The mails of a host's rule after the first `since` ones."""
    return [mail for mail in lab.mails()[since:] if host in mail["subject"] and rule in mail["subject"]]


def test_load_on_the_canarys_host_takes_it_out_with_one_mail_and_brings_it_back_with_one(
    lab: Lab, canary: str, report: Report
) -> None:
    before, active = len(lab.mails()), lab.active()
    with Load(lab.address, ALL, rate=20) as load:
        started = time.monotonic()
        burn = "for n in 1 2 3; do while :; do :; done & done; wait"
        lab.on(canary, f'systemd-run --unit=burn --collect timeout 300 sh -c "{burn}"')
        eventually("the alert takes the canary out", lambda: "alert" in lab.reasons(active), within=120)
        report.say(f"out {time.monotonic() - started:.1f} s after the load began")
        assert canary in str(lab.service("checkbox", active)["gate"]["owners"])
        eventually("a mail says so", lambda: len(_mails(lab, canary, "cpu", before)) == 1, within=60)
        lab.on(canary, "systemctl stop burn", check=False)
        started = time.monotonic()
        settle(lab)
        report.say(f"back {time.monotonic() - started:.1f} s after it ended")
        eventually("a second mail says so", lambda: len(_mails(lab, canary, "cpu", before)) == 2, within=60)
    assert load.wrong() == [], load.summary()


@pytest.mark.parametrize(("level", "breaks"), [(5, False), (45, False), (100, True)])
def test_only_what_is_above_the_threshold_breaks_the_rule(lab: Lab, canary: str, level: int, breaks: bool) -> None:
    before, active = len(lab.mails()), lab.active()
    _set_level(lab, canary, level)
    try:
        if breaks:
            eventually("the alert takes the canary out", lambda: "alert" in lab.reasons(active), within=60)
        else:
            _never(lambda: "alert" in lab.reasons(active), seconds=8)
    finally:
        _set_level(lab, canary, 0)
    eventually("no alert stands", lambda: "alert" not in lab.reasons(active), within=60)
    if breaks:
        eventually("all of it is told", lambda: "RECOVERED" in _mails(lab, canary, "level", before)[-1]["subject"])


def test_a_spike_shorter_than_the_rule_asks_for_does_nothing(lab: Lab, canary: str) -> None:
    before, active = len(lab.mails()), lab.active()
    lab.on(canary, f"echo 100 >{LEVEL}; sleep 1; echo 0 >{LEVEL}")
    _never(lambda: "alert" in lab.reasons(active), seconds=6)
    assert _mails(lab, canary, "level", before) == []


def test_the_old_alert_sequence_stops_the_canary(lab: Lab, canary: str, report: Report) -> None:
    """`redisAlert.js yes` of the old system: the list is emptied, then written."""
    try:
        active = lab.active()
        _old_alert(lab, "yes")
        started = time.monotonic()
        eventually("the canary is out", lambda: not lab.admitted(active), within=10, pause=0.02)
        report.say(f"seen {time.monotonic() - started:.2f} s after the command ended")
        client, version = Client(lab.address), lab.on(canary, "checkbox-release version")
        assert [answer for answer in (client.ask(LISTING) for _ in range(60)) if answer.version == version] == []
    finally:
        _old_alert(lab, "no")
    settle(lab)


def _set_level(lab: Lab, host: str, level: int) -> None:
    lab.on(host, f"echo {level} >{LEVEL}.new && mv {LEVEL}.new {LEVEL}")


def _never(probe: Any, seconds: float) -> None:
    """Looks for `seconds` whether it becomes true."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        assert not probe()
        time.sleep(0.2)


def _old_alert(lab: Lab, word: str) -> None:
    redis(lab, "lpop", "alertValThreshold")
    redis(lab, "lpush", "alertValThreshold", word)


def redis(lab: Lab, *command: str) -> str:
    """Asks the primary, as its administrator."""
    password = lab.secret("vault_redis_admin_password")
    for host in lab.hosts("redis"):
        line = f"REDISCLI_AUTH={password} redis-cli --user admin --no-auth-warning"
        if "master" in lab.on(host, f"{line} role | head -1", check=False):
            return lab.on(host, f"{line} {' '.join(command)}")
    raise AssertionError("no host of Redis is the primary")
