"""iTrust is updated one host after the other, and nobody notices."""

import json
import re
import threading
import time

import pytest
from asks import LOGIN
from client import Answer, Ask, Client
from lab import Lab, eventually
from load import Load
from report import Report

pytestmark = pytest.mark.needs("itrust")

HOME = Ask("home", "itrust.lab", "/iTrust/auth/home.jsp", check=lambda answer: _home(answer))


def _home(answer: Answer) -> str:
    return "" if b"9000000000" in answer.body else f"not logged in: {answer.body[:80]!r}"


def test_a_rolling_update_loses_no_request_and_keeps_all_but_one_up(lab: Lab, report: Report) -> None:
    hosts = lab.hosts("itrust")
    target = "2" if lab.on(hosts[0], "itrust-release version") == "1" else "1"
    visitor = Visitor(lab)
    with Load(lab.address, [LOGIN], rate=40) as load, Watch(lab) as watch:
        started, since = time.monotonic(), int(time.time())
        _roll(lab, target)
        report.say(f"{len(hosts)} hosts in {time.monotonic() - started:.0f} s")
        told = visitor.goes_on()
    report.say(load.summary())
    report.say(f"at least {watch.lowest} of {len(hosts)} up; a session is {told}")
    assert load.wrong() == []
    assert watch.lowest >= len(hosts) - 1
    assert _lowest_in_log(lab, since) >= len(hosts) - 1
    assert {lab.on(host, "itrust-release version") for host in hosts} == {target}


def test_a_bad_version_stops_at_the_first_host_and_is_rolled_back(lab: Lab, report: Report) -> None:
    hosts = lab.hosts("itrust")
    before = {host: lab.on(host, "itrust-release version") for host in hosts}
    with Load(lab.address, [LOGIN], rate=40) as load, Watch(lab) as watch:
        text = _roll(lab, "bad", fails=True)
    assert hosts[0] in text
    report.say(load.summary())
    assert load.wrong() == []
    assert {host: lab.on(host, "itrust-release version") for host in hosts} == before
    assert watch.lowest >= len(hosts) - 1
    for balancer in lab.hosts("balancers"):
        eventually("all are up again", lambda: lab.service("itrust", balancer)["up"] == len(hosts), within=60)
        assert not any(backend["draining"] for backend in lab.service("itrust", balancer)["tracks"]["stable"]["backends"])


def _roll(lab: Lab, version: str, fails: bool = False) -> str:
    artifact = lab.artifacts()["lab_artifacts"][f"itrust-{version}"]
    values = {"app_version": version, "app_artifact": artifact["path"], "app_artifact_sha256": artifact["sha256"]}
    return lab.play("rolling.yml", "-e", json.dumps(values), fails=fails, within=1500)


class Visitor:
    """Somebody who has logged in and goes on clicking."""

    def __init__(self, lab: Lab) -> None:
        self.client, self.jar = Client(lab.address, keep=False), dict[str, str]()
        self._ask(LOGIN)
        login = Ask("log in", "itrust.lab", "/iTrust/j_security_check", "POST", statuses=frozenset({200, 302, 303}))
        self._ask(HOME_OR_LOGIN)
        form = b"j_username=9000000000&j_password=pw"
        self._ask(Ask(login.name, login.host, login.path, "POST", form, FORM, login.statuses))
        assert not self._ask(HOME).wrong

    def goes_on(self) -> str:
        """`kept`, or `asked to log in again`: a restart forgets the sessions in its memory."""
        answer = self._ask(HOME_OR_LOGIN)
        assert not answer.wrong, answer
        if b"9000000000" in answer.body:
            return "kept"
        assert b"iTrust - Login" in answer.body, answer
        return "asked to log in again"

    def _ask(self, ask: Ask) -> Answer:
        answer = self.client.ask(ask, Cookie="; ".join(f"{name}={value}" for name, value in self.jar.items()))
        self.jar.update(re.findall(r"([^=; ]+)=([^;]*)", answer.cookies))
        return answer


HOME_OR_LOGIN = Ask("home or login", HOME.host, HOME.path)
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


class Watch:
    """Asks a balancer again and again how many of iTrust are up."""

    def __init__(self, lab: Lab) -> None:
        self.lab, self.lowest, self.active = lab, 99, lab.active()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "Watch":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(10)

    def _run(self) -> None:
        while not self._stop.wait(0.1):
            self.lowest = min(self.lowest, int(self.lab.service("itrust", self.active)["up"]))


def _lowest_in_log(lab: Lab, since: int) -> int:
    """The smallest `up` that a balancer wrote of iTrust."""
    lines = lab.on(lab.active(), f"journalctl -u coalmine -o cat --since @{since}").splitlines()
    fields = [record.get("fields", record) for record in map(_record, lines)]
    seen = [int(field["up"]) for field in fields if field.get("service") == "itrust" and "up" in field]
    assert seen, "the balancer wrote nothing of iTrust"
    return min(seen)


def _record(line: str) -> dict[str, dict[str, str]]:
    try:
        return dict(json.loads(line))
    except ValueError:
        return {}
