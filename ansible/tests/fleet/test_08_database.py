"""A database goes away and comes back; what it held is dumped and restored whole."""

import time

import pytest
from asks import LISTING, LOGIN, PAGE
from canary import settle
from client import Client
from lab import Lab, eventually
from load import Load
from report import Report

pytestmark = pytest.mark.needs("mongodb", "mariadb")


def test_a_database_that_is_cut_off_empties_no_pool(lab: Lab, report: Report) -> None:
    hosts = {*lab.hosts("mongodb"), *lab.hosts("mariadb")}
    active = lab.active()
    up = {name: lab.service(name, active)["up"] for name in ("checkbox", "itrust")}
    for host in hosts:
        lab.run("cut", host)
    try:
        with Load(lab.address, [PAGE], rate=20) as load:
            client = Client(lab.address)
            slow = [client.ask(LISTING) for _ in range(12)]
            assert {answer.status for answer in slow} <= {200, 500, 503, 504}, slow
            report.say(f"without it the listing answers {sorted({answer.status for answer in slow})} within {max(a.seconds for a in slow):.1f} s")
            for name, count in up.items():
                assert lab.service(name, active)["up"] == count, lab.service(name, active)
        assert load.wrong() == [], load.summary()
    finally:
        for host in hosts:
            lab.run("mend", host)
    mended = time.monotonic()
    client = Client(lab.address, keep=False)
    for ask in (LISTING, LOGIN):
        eventually(f"{ask.name} is served again", lambda: not client.ask(ask).wrong, within=90)
    report.say(f"served again {time.monotonic() - mended:.1f} s after it was back")
    settle(lab)


@pytest.mark.parametrize("database", ["mariadb", "mongodb"])
def test_a_dump_restores_the_same_counts(lab: Lab, report: Report, database: str) -> None:
    text = lab.play("database_drill.yml", "--tags", database)
    report.say(next((line.strip() for line in text.splitlines() if "drill:" in line), ""))


def test_dumped_dropped_and_restored_a_database_has_what_it_had(lab: Lab) -> None:
    before = _studies(lab)
    lab.play("database_backup.yml", "--tags", "mongodb")
    lab.play("database_restore.yml", "-e", "database_engine=mongodb", "-e", "database_overwrite=true")
    eventually("the studies are back", lambda: _studies(lab) == before, within=60)


def _studies(lab: Lab) -> int:
    answer = Client(lab.address).ask(LISTING)
    assert not answer.wrong, answer
    return answer.body.count(b'"name"')
