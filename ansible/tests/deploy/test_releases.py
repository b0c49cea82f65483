"""The playbooks of releases, on a balancer and applications on loopback addresses, under load.

Needs ansible-playbook and the balancer: FLEET_ANSIBLE names the first, COALMINE_BINARY the second.
"""

from __future__ import annotations

import http.client
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from deploy_host import eventually

ROOT = Path(__file__).parents[3]
PLAYBOOKS = ROOT / "ansible/playbooks"
ANSIBLE = os.environ.get("FLEET_ANSIBLE") or shutil.which("ansible-playbook")
BINARY = Path(os.environ.get("COALMINE_BINARY", ROOT / "target/debug/coalmine"))

pytestmark = pytest.mark.skipif(
    not (ANSIBLE and BINARY.exists()), reason="FLEET_ANSIBLE or COALMINE_BINARY names no program"
)

APP = """\
import http.server, sys
address, port, version = sys.argv[1], int(sys.argv[2]), sys.argv[3]
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        sick = version == "sick" and "ready" in self.path
        data = f"ok {version}\\n".encode()
        self.send_response(503 if sick else 200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
    def log_message(self, *words):
        pass
class Server(http.server.ThreadingHTTPServer):
    request_queue_size, allow_reuse_address = 128, True
Server((address, port), Handler).serve_forever()
"""

# In place of APP-release: HOME HOST ADDRESS PORT VERB ..; version `bad` does not start and is taken back.
TOOL = """\
import os, pathlib, signal, socket, subprocess, sys, time
home, host, address, port, verb, *rest = sys.argv[1:]
folder = pathlib.Path(home) / host
folder.mkdir(exist_ok=True)
def read(name):
    return (folder / name).read_text() if (folder / name).exists() else ""
def start(version):
    if pid := read("pid"):
        os.kill(int(pid), signal.SIGKILL)
    while True:
        try:
            socket.create_connection((address, int(port)), 1).close()
            time.sleep(0.02)
        except OSError:
            break
    app = subprocess.Popen([sys.executable, home + "/app.py", address, port, version], start_new_session=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    (folder / "pid").write_text(str(app.pid))
    while True:
        try:
            socket.create_connection((address, int(port)), 1).close()
            break
        except OSError:
            time.sleep(0.02)
def switch(version):
    before = read("current")
    if version == before:
        return print("unchanged")
    if version == "bad":
        start(before)
        sys.exit("version bad does not answer: 500")
    start(version)
    (folder / "previous").write_text(before)
    (folder / "current").write_text(version)
    print("changed", before)
    while (pathlib.Path(home) / "hold").exists():
        time.sleep(0.05)
if verb == "version":
    print(read("current"))
elif verb == "back":
    switch(read("previous")) if read("previous") else sys.exit("there is no previous version")
elif verb == "switch":
    switch(rest[0])
else:
    print("unchanged" if verb == "prune" else "changed")
"""


class Fleet:
    """Hosts on 127.x.y.n: lb1 at .1, itrust1 to 3 at .11 to .13, stable1 at .21, canary1 at .31."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.net = f"127.{random.randint(1, 254)}.{random.randint(1, 254)}"
        self.ports = {name: self.free() for name in ("http", "admin", "app")}
        groups = {"balancers": {"lb1": 1}, "itrust": {f"itrust{n}": 10 + n for n in (1, 2, 3)}}
        groups |= {"checkbox_stable": {"stable1": 21}, "checkbox_canary": {"canary1": 31}}
        self.hosts = {name: f"{self.net}.{n}" for hosts in groups.values() for name, n in hosts.items()}
        (home / "app.py").write_text(APP)
        (home / "tool.py").write_text(TOOL)
        (home / "artifact").write_text("artifact")
        self.write_inventory(groups)
        for name in self.hosts:
            if name != "lb1":
                self.tool(name, "switch", "1")
        self.start_balancer()
        self.answers: list[tuple[str, str]] = []
        self.loads = threading.Event()

    def free(self) -> int:
        with socket.socket() as probe:
            probe.bind((f"{self.net}.1", 0))
            return int(probe.getsockname()[1])

    def write_inventory(self, groups: dict[str, dict[str, int]]) -> None:
        child = lambda hosts: {"hosts": {h: {"ansible_host": self.hosts[h]} for h in hosts}}
        (self.home / "hosts.json").write_text(
            json.dumps({"all": {"children": {name: child(hosts) for name, hosts in groups.items()}}})
        )
        app = self.ports["app"]
        variables = {
            "ansible_connection": "local",
            "ansible_user": "deploy",
            "ansible_python_interpreter": sys.executable,
            "fleet_ip": "{{ ansible_host }}",
            "fleet_ports": {"admin": self.ports["admin"], "checkbox": app, "render": app, "itrust": app},
            "fleet_checkbox_hosts": ["checkbox.test"],
            "fleet_itrust_hosts": ["itrust.test"],
            "vault_coalmine_admin_token": "the token of this test",
            "release_tool": [sys.executable, f"{self.home}/tool.py", str(self.home), "{{ inventory_hostname }}",
                             "{{ fleet_ip }}", str(app)],
            "release_file": f"{self.home}/incoming-{{{{ inventory_hostname }}}}",
            "app_artifact": f"{self.home}/artifact",
            "app_artifact_sha256": "0" * 64,
            "release_health_patience": 8,
            "promote_folder": str(self.home),
        }  # fmt: skip
        (self.home / "vars.json").write_text(json.dumps(variables))
        tools = self.home / "bin"
        tools.mkdir()
        journal = tools / "journalctl"
        journal.write_text(f'#!/bin/sh\nfor word; do :; done\nexec grep -e "${{word#--grep=}}" {self.home}/log\n')
        journal.chmod(0o755)

    def start_balancer(self) -> None:
        def backends(*names: str) -> str:
            return json.dumps([f"{name}" for name in names]) and (
                "["
                + ", ".join(f'{{ address = "{self.hosts[n]}:{self.ports["app"]}", name = "{n}" }}' for n in names)
                + "]"
            )

        probe = 'interval = "200ms"\ntimeout = "2s"'
        (self.home / "token").write_text("the token of this test")
        (self.home / "token").chmod(0o600)
        (self.home / "coalmine.toml").write_text(f"""
listen.http = ["{self.net}.1:{self.ports['http']}"]
admin = {{ listen = "{self.net}.1:{self.ports['admin']}", token_file = "token" }}
log.format = "json"
[[service]]
name = "checkbox"
hosts = ["checkbox.test"]
[service.probe]
path = "/healthz"
{probe}
[service.stable]
weight = 2
backends = {backends('stable1')}
[service.canary]
weight = 1
backends = {backends('canary1')}
[[service]]
name = "itrust"
hosts = ["itrust.test"]
[service.probe]
path = "/iTrust/healthz.jsp"
{probe}
[service.stable]
backends = {backends('itrust1', 'itrust2', 'itrust3')}
""")
        with (self.home / "log").open("wb") as log:
            argv = [str(BINARY), "serve", "-c", str(self.home / "coalmine.toml")]
            self.balancer = subprocess.Popen(argv, stdout=log, stderr=log)
        eventually(self.all_in, "every backend is up")

    def all_in(self) -> bool:
        assert self.balancer.poll() is None, (self.home / "log").read_text()
        try:
            shown = [self.service(name) for name in ("checkbox", "itrust")]
        except OSError:
            return False
        members = [b for service in shown for track in service["tracks"].values() for b in track["backends"]]
        return all(b["state"] == "up" for b in members) and shown[0]["gate"]["state"] == "admitted"

    def service(self, name: str) -> dict[str, Any]:
        return json.loads(self.get("admin", f"/api/v1/services/{name}")[1])

    def get(self, port: str, path: str, host: str = "localhost") -> tuple[int, str]:
        connection = http.client.HTTPConnection(f"{self.net}.1", self.ports[port], timeout=20)
        try:
            connection.request("GET", path, headers={"Host": host})
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def tool(self, name: str, *words: str) -> str:
        argv = [
            sys.executable,
            str(self.home / "tool.py"),
            str(self.home),
            name,
            self.hosts[name],
            str(self.ports["app"]),
        ]
        return subprocess.run([*argv, *words], check=True, capture_output=True, text=True, timeout=60).stdout.strip()

    def versions(self, prefix: str) -> list[str]:
        return [self.tool(name, "version") for name in sorted(self.hosts) if name.startswith(prefix)]

    def argv(self, playbook: str, **extra: object) -> list[str]:
        assert ANSIBLE
        words = [ANSIBLE, "-i", str(self.home / "hosts.json"), "-e", f"@{self.home}/vars.json", "-e", json.dumps(extra)]
        return [*words, str(PLAYBOOKS / playbook)]

    def environment(self) -> dict[str, str]:
        config = {"ANSIBLE_CONFIG": str(ROOT / "ansible/ansible.cfg"), "ANSIBLE_NOCOLOR": "1", "HOME": str(self.home)}
        return {**os.environ, **config, "PATH": f"{self.home}/bin:{os.environ['PATH']}"}

    def play(self, playbook: str, **extra: object) -> subprocess.CompletedProcess[str]:
        argv = self.argv(playbook, **extra)
        done = subprocess.run(argv, env=self.environment(), capture_output=True, text=True, timeout=400)
        print(done.stdout[-6000:], done.stderr[-2000:])
        return done

    def load(self, host: str, path: str) -> None:
        def ask() -> None:
            while not self.loads.is_set():
                try:
                    status, body = self.get("http", path, host)
                    self.answers.append((str(status), body.strip()))
                except (OSError, http.client.HTTPException) as error:
                    self.answers.append(("none", repr(error)))
                self.loads.wait(0.02)

        self.loader = threading.Thread(target=ask)
        self.loader.start()

    def failed(self) -> list[tuple[str, str]]:
        self.loads.set()
        self.loader.join()
        assert len(self.answers) > 20
        return [answer for answer in self.answers if answer[0] != "200"]

    def end(self) -> None:
        self.loads.set()
        self.balancer.kill()
        self.balancer.wait()
        for file in self.home.glob("*/pid"):
            try:
                os.kill(int(file.read_text()), signal.SIGKILL)
            except ProcessLookupError:
                pass


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    fleet = Fleet(tmp_path)
    yield fleet
    fleet.end()


def test_a_rolling_update_loses_no_request_and_proves_how_many_were_up(fleet: Fleet) -> None:
    fleet.load("itrust.test", "/iTrust/login.jsp")
    done = fleet.play("rolling.yml", app_version="2")
    assert done.returncode == 0
    assert fleet.failed() == [] and fleet.versions("itrust") == ["2"] * 3
    assert "by the log of lb1, at least 2 of 3 hosts" in done.stdout
    assert fleet.service("itrust")["up"] == 3 and not fleet.service("itrust")["marks"]["lease"]


@pytest.mark.parametrize("version", ["bad", "sick"])
def test_a_bad_version_stops_at_the_first_host_which_is_brought_back(fleet: Fleet, version: str) -> None:
    fleet.load("itrust.test", "/iTrust/login.jsp")
    done = fleet.play("rolling.yml", app_version=version)
    assert done.returncode != 0 and "itrust1 has version 1 again, no further host is touched" in done.stdout
    assert "by the log of lb1, at least 2 of 3 hosts" in done.stdout, "a failure has its proof as well"
    assert fleet.failed() == [] and fleet.versions("itrust") == ["1"] * 3
    service = fleet.service("itrust")
    assert service["up"] == 3 and service["marks"]["drains"] == {} and not service["marks"]["lease"]


def test_a_run_that_was_killed_is_finished_by_the_next(fleet: Fleet) -> None:
    (fleet.home / "hold").touch()
    argv = fleet.argv("rolling.yml", app_version="2", release_lease_ttl="20s")
    with (fleet.home / "killed").open("wb") as out:
        run = subprocess.Popen(argv, env=fleet.environment(), stdout=out, stderr=out, start_new_session=True)
        try:
            eventually(lambda: fleet.tool("itrust1", "version") == "2", "the first host has been switched")
        finally:
            os.killpg(run.pid, signal.SIGKILL)
            run.wait()
    (fleet.home / "hold").unlink()
    assert "itrust1" in fleet.service("itrust")["marks"]["drains"]
    assert fleet.play("rolling.yml", app_version="2").returncode == 0
    assert fleet.versions("itrust") == ["2"] * 3 and fleet.service("itrust")["up"] == 3


def test_a_canary_is_released_promoted_and_rolled_back(fleet: Fleet) -> None:
    fleet.load("checkbox.test", "/")
    assert fleet.play("canary.yml", app_version="2", canary_weight=1, stable_weight=9).returncode == 0
    assert (fleet.versions("canary"), fleet.versions("stable")) == (["2"], ["1"])
    tracks = fleet.service("checkbox")["tracks"]
    assert (tracks["stable"]["weight"], tracks["canary"]["weight"]) == (9, 1)
    assert fleet.play("promote.yml").returncode == 0
    assert fleet.versions("stable") == ["2"]
    tracks = fleet.service("checkbox")["tracks"]
    assert (tracks["stable"]["weight"], tracks["canary"]["weight"]) == (2, 1)
    record = str(fleet.home / "record.json")
    for _ in range(2):
        assert fleet.play("rollback.yml", release_record=record).returncode == 0
        assert fleet.versions("canary") == ["1"], "a second attempt does not go back twice"
        assert fleet.service("checkbox")["tracks"]["canary"]["weight"] == 0
    assert fleet.play("canary.yml", app_version="sick").returncode != 0
    assert fleet.versions("canary") == ["1"] and fleet.service("checkbox")["tracks"]["canary"]["weight"] == 0
    assert fleet.failed() == []


def test_the_only_host_of_stable_is_not_restarted_while_nothing_can_take_its_requests(fleet: Fleet) -> None:
    fleet.load("checkbox.test", "/")
    assert fleet.play("rollback.yml", release_words="unused").returncode != 0, "there is no previous version"
    done = fleet.play("deploy.yml", app_version="2", release_drain="1s")
    assert done.returncode != 0 and "give the canary a weight" in done.stdout
    assert fleet.versions("stable") == ["1"] and fleet.failed() == []
