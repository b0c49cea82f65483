"""What is on the hosts, and what is not."""

import pytest
from asks import SURVEY
from canary import settle
from lab import Lab, eventually
from load import Load
from report import Report


def test_the_user_that_deploys_may_do_exactly_what_releases_need(lab: Lab) -> None:
    for app in ("checkbox", "itrust", "render"):
        for host in lab.hosts(app):
            allowed = lab.on(host, "sudo -l -U deploy").split("may run the following commands")[-1]
            rules = [line.strip() for line in allowed.splitlines() if "NOPASSWD" in line]
            assert rules, allowed
            assert all(f"/usr/local/sbin/{app}-release " in rule for rule in rules), rules
            for command in (f"/usr/local/sbin/{app}-release restart", "/usr/bin/id"):
                answer = lab.on(host, f"sudo -u deploy sudo -n {command} 2>&1 || echo refused")
                assert answer.endswith("refused"), answer


def test_hosts_of_applications_have_nothing_that_builds(lab: Lab) -> None:
    for host in {*lab.hosts("checkbox"), *lab.hosts("itrust")}:
        found = lab.on(host, "for tool in mvn javac gcc npm; do command -v $tool; done; true")
        assert found == "", f"{host} has {found}"


def test_every_host_starts_what_it_serves_again_after_a_power_cut(lab: Lab) -> None:
    host = lab.hosts("checkbox_canary")[0]
    lab.run("kill", host)
    lab.run("boot", host)
    assert settle(lab)


@pytest.mark.needs("render")
def test_surveys_are_rendered_by_a_pool_of_their_own(lab: Lab, report: Report) -> None:
    pool = lab.hosts("render")
    with Load(lab.address, [SURVEY], rate=20) as load:
        eventually("all of the pool answer", lambda: {answer.host for answer in load.answers} == set(pool))
        lab.run("freeze", pool[-1])
        active = lab.active()
        eventually("it is out", lambda: lab.service("render", active)["up"] == len(pool) - 1, within=60)
        out = max(answer.at for answer in load.answers)
        eventually("the others answer", lambda: len(load.since(out + 0.5)) > 20)
        after = load.since(out + 0.5)
        lab.run("thaw", pool[-1])
        eventually("it is back", lambda: lab.service("render", active)["up"] == len(pool), within=90)
    report.say(load.summary())
    assert {answer.host for answer in load.answers if answer.host} <= set(pool)
    # A POST that was sent to it is not sent again; what came after was answered.
    assert [answer for answer in after if answer.wrong] == []
