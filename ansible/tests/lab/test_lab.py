"""What the lab promises: real hosts, faults by name, and nothing left behind."""

import json
import os
import signal
import smtplib
import subprocess
import time
from pathlib import Path

import pytest

# The lab's name in the kernel, by the addresses in conftest.py.
LABEL = "79"
BURN = "sudo systemd-run -q --unit=burn sh -c 'while :; do :; done'"
BUSY = "grep '^cpu ' /proc/stat; sleep 2; grep '^cpu ' /proc/stat"


def eventually(question, within=60):
    deadline = time.monotonic() + within
    while not question():
        assert time.monotonic() < deadline, "it did not become true"
        time.sleep(0.2)


def test_a_host_runs_systemd_and_is_known_before_the_first_contact(lab):
    assert lab.on("near", "hostname; systemctl is-system-running").split() == ["near", "running"]
    assert "10.79.0.12" in (lab.state / "known_hosts").read_text()


def test_a_host_whose_key_is_another_is_refused(lab):
    known = lab.state / "known_hosts"
    kept = known.read_text()
    near, far = (line.split()[2] for line in kept.splitlines())
    known.write_text(kept.replace(near, "X").replace(far, near).replace("X", far))
    try:
        assert "Host key verification failed" in lab.on("near", "true", status=255)
    finally:
        known.write_text(kept)


def test_booting_what_runs_changes_nothing(lab):
    before = lab.on("near", "cat /proc/sys/kernel/random/boot_id; uptime -s")
    lab("up")
    assert lab.on("near", "cat /proc/sys/kernel/random/boot_id; uptime -s") == before


def test_hosts_do_not_see_each_others_processes(lab):
    lab.on("near", "sudo systemd-run -q --unit=mine sleep 1000")
    for where in ("ps ax", "systemd-cgls --no-pager"):
        assert "sleep 1000" in lab.on("near", where)
        assert "sleep 1000" not in lab.on("far", where)
    lab.on("near", "sudo systemctl stop mine")


def test_a_cable_is_cut_and_mended(lab):
    eventually(lambda: lab.reaches("far", "near"))
    lab("cut", "near")
    assert "cut" in lab("status").splitlines()[0]
    assert not lab.reaches("far", "near")
    lab("mend", "near")
    eventually(lambda: lab.reaches("far", "near"))


def test_two_hosts_are_cut_from_each_other_alone(lab):
    lab("cut", "near", "far")
    assert not lab.reaches("far", "near") and not lab.reaches("near", "far")
    eventually(lambda: lab.reaches("near", "10.79.0.1"))
    lab("mend", "far")
    eventually(lambda: lab.reaches("near", "far"))


def test_a_delayed_cable_is_slow_both_ways_until_it_is_mended(lab):
    lab("delay", "near", 150)
    assert _round_trip_ms(lab) >= 300
    lab("mend", "near")
    eventually(lambda: lab.reaches("far", "near"))


def test_a_delay_of_one_port_leaves_the_others_alone(lab):
    lab("delay", "near", 5000, "--port", 22)
    assert _round_trip_ms(lab) < 5000
    lab("mend", "near")


def _round_trip_ms(lab):
    answer = lab.on("far", "ping -c1 -W20 near")
    return float(answer.rpartition("time=")[2].split()[0])


def test_a_frozen_host_answers_nothing_until_it_is_thawed(lab):
    lab("freeze", "near")
    assert "frozen" in lab("status").splitlines()[0]
    with pytest.raises(subprocess.TimeoutExpired):
        lab.on("near", "true", timeout=3)
    lab("thaw", "near")
    assert lab.on("near", "echo here") == "here\n"


def test_a_frozen_unit_leaves_the_rest_of_the_host_alone(lab):
    lab.on("near", "sudo systemctl reset-failed; sudo systemd-run -q --unit=one sleep 1000")
    lab("freeze", "near", "one")
    assert "T" in lab.on("near", "ps -o stat= -p $(systemctl show one -p MainPID --value)")
    lab("thaw", "near", "one")
    lab("kill", "near", "one")
    eventually(lambda: "failed" in lab.on("near", "systemctl is-active one || true"))
    lab.on("near", "sudo systemctl reset-failed one")


def test_a_killed_host_boots_again_with_its_disk(lab):
    lab.on("near", "echo kept | sudo tee /srv/file; sync")
    lab("kill", "near")
    assert "off" in lab("status").splitlines()[0]
    assert not lab.reaches("far", "near")
    lab("boot", "near")
    assert lab.on("near", "cat /srv/file") == "kept\n"


def test_a_busy_host_is_busy_alone(lab):
    lab.on("near", BURN)
    try:
        used = {host: _used_ticks(lab.on(host, BUSY)) for host in ("near", "far")}
    finally:
        lab.on("near", "sudo systemctl stop burn")
    assert used["near"] > used["far"]


def _used_ticks(answer):
    first, second = ([int(word) for word in line.split()[1:]] for line in answer.splitlines())
    return sum(second) - sum(first) - (second[3] - first[3])


def test_a_mail_is_kept_unless_the_sink_is_off(lab):
    with smtplib.SMTP("10.79.0.1", 2525, timeout=30) as server:
        server.sendmail("a@lab", ["ops@lab"], "Subject: one\n\ntext\n")
    assert [json.loads(line)["subject"] for line in lab("mails").splitlines()] == ["one"]
    lab("mail", "off")
    with pytest.raises(OSError):
        smtplib.SMTP("10.79.0.1", 2525, timeout=30)
    lab("mail", "on")
    smtplib.SMTP("10.79.0.1", 2525, timeout=30).close()


def test_secrets_are_made_once_and_for_their_owner_alone(lab):
    file = lab.state / "secrets.yml"
    before = file.read_text()
    lab("up")
    assert file.read_text() == before and "CHANGEME" not in before
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_name_that_is_not_there_is_told_with_those_that_are(lab):
    assert "near far" in lab("kill", "nowhere", status=1)


def test_down_leaves_nothing_not_even_of_a_half_booted_lab(lab):
    lab("delay", "near", 10)
    lab("freeze", "far")
    lab("down")
    _nothing_is_left()
    booting = lab.start("up")
    eventually(lambda: Path(f"/run/netns/cl{LABEL}-near").exists() or booting.poll() is not None)
    booting.send_signal(signal.SIGKILL)
    booting.communicate(timeout=30)
    lab("down")
    _nothing_is_left()
    lab("down")


def _nothing_is_left():
    def output(*command):
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    name = f"cl{LABEL}"
    assert name + "-" not in output("ip", "netns", "list")
    assert not [link for link in os.listdir("/sys/class/net") if link.startswith(name)]
    assert f"coalmine_lab_{LABEL}" not in output("nft", "list", "tables")
    assert not [line for line in Path("/proc/mounts").read_text().splitlines() if name in line]
    assert not list(Path("/sys/fs/cgroup").glob(f"**/coalmine-lab/{LABEL}"))
    assert not Path(f"/run/coalmine-lab/{LABEL}").exists()


def test_another_certificate_is_issued_by_the_same_authority(lab):
    folder = lab.state / "tls"

    def seen():
        line = ["openssl", "x509", "-noout", "-serial", "-ext", "subjectAltName", "-in", folder / "site.pem"]
        verified = ["openssl", "verify", "-CAfile", folder / "ca.pem", "-purpose", "sslserver", folder / "site.pem"]
        subprocess.run(verified, check=True, capture_output=True, timeout=60)
        return subprocess.run(line, check=True, capture_output=True, text=True, timeout=60).stdout.splitlines()

    before, authority = seen(), (folder / "ca.pem").read_text()
    assert "DNS:checkbox.lab" in before[-1] and (folder / "site.key").stat().st_mode & 0o077 == 0
    lab("up")
    assert seen() == before
    lab("certificate")
    assert seen()[0] != before[0] and seen()[1:] == before[1:]
    assert (folder / "ca.pem").read_text() == authority
