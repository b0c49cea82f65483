"""Redis fails, and the alerts go on."""

import time

import pytest
from asks import ALL
from canary import settle
from lab import Lab, eventually
from load import Load
from report import Report
from test_03_alert import redis

pytestmark = pytest.mark.needs("redis", "checkbox_canary")


def _primary(lab: Lab) -> str:
    password = lab.secret("vault_redis_admin_password")
    line = f"REDISCLI_AUTH={password} redis-cli --user admin --no-auth-warning role | head -1"
    return next(host for host in lab.hosts("redis") if "master" in lab.on(host, line, check=False, within=20))


def test_sentinel_promotes_another_when_the_primary_is_killed_and_alerts_go_on(lab: Lab, report: Report) -> None:
    if len(lab.hosts("redis")) < 3:
        pytest.skip("Sentinel takes three hosts of Redis")
    primary = _primary(lab)
    others = [host for host in lab.hosts("redis") if host != primary]
    with Load(lab.address, ALL, rate=20) as load:
        active = lab.active()
        lab.run("kill", primary)
        started = time.monotonic()
        eventually("another is promoted", lambda: _promoted(lab, others), within=60)
        report.say(f"promoted after {time.monotonic() - started:.1f} s")
        redis(lab, "set", "coalmine:alert:checkbox:scenario", "by-hand")
        started = time.monotonic()
        eventually("the alert takes the canary out", lambda: "alert" in lab.reasons(active), within=60)
        report.say(f"an alert at the new primary is seen {time.monotonic() - started:.1f} s later")
        redis(lab, "del", "coalmine:alert:checkbox:scenario")
        settle(lab)
        lab.run("boot", primary)
        eventually("the old primary follows", lambda: "slave" in _role(lab, primary), within=90)
    assert load.wrong() == [], load.summary()


def _promoted(lab: Lab, hosts: list[str]) -> bool:
    return any("master" in _role(lab, host) for host in hosts)


def _role(lab: Lab, host: str) -> str:
    password = lab.secret("vault_redis_admin_password")
    return lab.on(host, f"REDISCLI_AUTH={password} redis-cli --user admin --no-auth-warning role | head -1", check=False)


def test_without_redis_traffic_goes_on(lab: Lab, report: Report) -> None:
    hosts = lab.hosts("redis")
    with Load(lab.address, ALL, rate=20) as load:
        for host in hosts:
            lab.run("cut", host)
        time.sleep(5)
        for host in hosts:
            lab.run("mend", host)
        eventually("the balancers hear alerts again", lambda: _hears(lab), within=60)
    report.say(load.summary())
    assert load.wrong() == []


def _hears(lab: Lab) -> bool:
    redis(lab, "set", "coalmine:alert:checkbox:scenario", "by-hand", "px", "2000")
    return all("alert" in lab.reasons(name) for name in lab.hosts("balancers"))
