"""The same fleet by https: the same split, and a certificate that changes while it serves."""

import socket
import ssl
import subprocess
import time
from collections import Counter

import pytest
from asks import ALL, LISTING
from canary import settle
from client import Client
from lab import Lab, eventually
from load import Load
from report import Report

pytestmark = pytest.mark.needs("checkbox_stable", "checkbox_canary", "itrust")


@pytest.fixture
def trust(lab: Lab) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=lab.authority)


def curl(lab: Lab, *arguments: str) -> subprocess.Popen[str]:
    """Asks checkbox by HTTP/2; a line for each answer: protocol, status, version of the application, new connections."""
    seen = "%{http_version} %{response_code} %header{x-app-version} %{num_connects}\\n"
    line = ["stdbuf", "-oL", "curl", "--silent", "--show-error", "--http2", "--cacert", str(lab.authority), "--max-time", "120"]
    line += ["--resolve", f"checkbox.lab:443:{lab.address}", "--output", "/dev/null", "--write-out", seen, *arguments]
    return subprocess.Popen(line, text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def test_the_split_is_the_same_by_http_2_over_tls(lab: Lab, report: Report) -> None:
    # An alert of the canary's host in between would be right, and would leave nothing to count.
    for _ in range(3):
        active = settle(lab)
        since = lab.service("checkbox", active)["gate"]["since"]
        text, _ = curl(lab, "https://checkbox.lab/index.html?[1-300]").communicate(timeout=150)
        if lab.service("checkbox", active)["gate"]["since"] == since:
            break
    answers = [line.split() for line in text.splitlines()]
    seen = Counter(version for _, _, version, _ in answers)
    report.say(f"{dict(seen)} of 300")
    assert {(protocol, status) for protocol, status, _, _ in answers} == {("2", "200")}, text
    assert sorted(seen.values()) == [100, 200]
    plain = Client(lab.address).ask(LISTING)
    assert not plain.wrong, plain


def test_a_certificate_is_replaced_and_no_request_fails(lab: Lab, trust: ssl.SSLContext, report: Report) -> None:
    settle(lab)
    old = {_serial(lab, trust, name) for name in lab.hosts("balancers")}
    assert len(old) == 1
    # One connection of HTTP/2 that lives through it, besides those of the load.
    long = curl(lab, "--rate", "10/s", "https://checkbox.lab/index.html?[1-1000]")
    try:
        with Load(lab.address, ALL, tls=trust) as load:
            started = time.monotonic()
            lab.run("certificate")
            lab.play("site.yml", "--tags", "coalmine_certificates")
            report.say(f"renewed in {time.monotonic() - started:.0f} s")
            for name in lab.hosts("balancers"):
                eventually(f"{name} serves another certificate", lambda: _serial(lab, trust, name) not in old)
            renewed = time.time()
            eventually("a kept connection is asked again", lambda: any(it.opened < renewed for it in load.since(renewed)))
    finally:
        long.terminate()
        text, _ = long.communicate(timeout=30)
    report.say(load.summary())
    assert load.wrong() == []
    # The last line may be a part of one.
    answers = [line.split() for line in text.splitlines()[:-1]]
    report.say(f"{len(answers)} more by one connection of HTTP/2")
    assert {(protocol, status) for protocol, status, _, _ in answers} == {("2", "200")}, text
    assert sum(int(connects) for _, _, _, connects in answers) == 1


def _serial(lab: Lab, trust: ssl.SSLContext, balancer: str) -> str:
    """The serial number of the certificate that a balancer serves."""
    with socket.create_connection((lab.ip(balancer), 443), 10) as link:
        with trust.wrap_socket(link, server_hostname="checkbox.lab") as guarded:
            certificate = guarded.getpeercert()
    assert certificate
    return str(certificate["serialNumber"])
