"""The lab as its commands show it, and the balancers as their API does."""

import json
import os
import re
import subprocess
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar
from urllib.error import URLError

import yaml

ANSIBLE = Path(__file__).resolve().parents[2]
ROOT = ANSIBLE.parent
T = TypeVar("T")


def eventually(what: str, probe: Callable[[], T], within: float = 60.0, pause: float = 0.2) -> T:
    """The first true value of `probe`; an exception of it is a not yet. Fails, naming `what`, after `within` seconds."""
    until, last = time.monotonic() + within, ""
    while True:
        try:
            if value := probe():
                return value
            last = f"{value!r}"
        except (ConnectionError, TimeoutError, URLError, AssertionError, IndexError, subprocess.SubprocessError) as error:
            last = f"{type(error).__name__}: {error}"
        assert time.monotonic() < until, f"{what}: not within {within:g} s; last: {last}"
        time.sleep(pause)


class Lab:
    """A lab of one inventory; its state is where the lab's own commands keep it."""

    def __init__(self, inventory: str) -> None:
        self.inventory = ANSIBLE / "inventories" / inventory
        groups = yaml.safe_load((self.inventory / "group_vars/all/lab.yml").read_text())
        self.address: str = groups["fleet_address"]
        network = self.address.split(".")[1]
        self.state = Path(os.environ.get("COALMINE_LAB_STATE") or ROOT / "target/lab" / network)
        self.recap: dict[str, dict[str, int]] = {}
        self._hosts: dict[str, Any] = {}
        self._secrets: dict[str, str] = {}

    # --- commands -----------------------------------------------------------------------------------------------------

    def run(self, command: str, *arguments: str, within: float = 600, check: bool = True) -> str:
        """`ansible/lab/COMMAND -i INVENTORY ARGUMENTS`; its output."""
        line = [str(ANSIBLE / "lab" / command), "-i", str(self.inventory), *arguments]
        done = subprocess.run(line, capture_output=True, text=True, timeout=within, stdin=subprocess.DEVNULL)
        assert not check or done.returncode == 0, f"{' '.join(line)}: exit {done.returncode}\n{_tail(done)}"
        return done.stdout

    def play(self, playbook: str, *arguments: str, within: float = 1500, fails: bool = False) -> str:
        """Runs a playbook and keeps its recap; returns all that it printed. `fails`: it has to."""
        line = [str(ANSIBLE / "lab" / "play"), "-i", str(self.inventory), str(ANSIBLE / "playbooks" / playbook), *arguments]
        done = subprocess.run(line, capture_output=True, text=True, timeout=within, stdin=subprocess.DEVNULL)
        assert (done.returncode != 0) == fails, f"{' '.join(line)}: exit {done.returncode}\n{_tail(done, 6000)}"
        self.recap = _recap(done.stdout)
        return done.stdout

    def on(self, host: str, command: str, check: bool = True, within: float = 60) -> str:
        """Runs a shell command on a host, as root."""
        return self.run("ssh", host, "sudo", "sh", "-c", _quoted(command), check=check, within=within).strip()

    # --- what is there ------------------------------------------------------------------------------------------------

    def hosts(self, group: str = "all") -> list[str]:
        """Names of the hosts of a group, by the inventory."""
        if not self._hosts:
            tool = Path(os.environ.get("COALMINE_LAB_VENV") or ROOT / "target/tools/fleet") / "bin/ansible-inventory"
            text = subprocess.run(
                [str(tool), "-i", str(self.inventory), "--list"], capture_output=True, text=True, check=True
            ).stdout
            self._hosts = json.loads(text)
        return sorted(_members(self._hosts, group))

    def ip(self, host: str) -> str:
        self.hosts()
        return str(self._hosts["_meta"]["hostvars"][host]["ansible_host"])

    def secret(self, name: str) -> str:
        if not self._secrets:
            self._secrets = yaml.safe_load((self.state / "secrets.yml").read_text())
        return self._secrets[name]

    def artifacts(self) -> dict[str, Any]:
        return dict(yaml.safe_load((self.state / "artifacts/manifest.yml").read_text()))

    @property
    def authority(self) -> Path:
        """What clients of https trust."""
        return self.state / "tls/ca.pem"

    def mails(self) -> list[dict[str, Any]]:
        """Every mail that the lab's sink has taken, in order."""
        path = self.state / "mails.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def active(self) -> str:
        """The balancer that holds the floating address."""
        holders = [name for name in self.hosts("balancers") if self._holds(name)]
        assert len(holders) == 1, f"{self.address} is held by {holders}"
        return holders[0]

    def _holds(self, name: str) -> bool:
        text = self.run("ssh", name, "ip", "-o", "-4", "addr", check=False, within=10)
        return f" {self.address}/" in text

    # --- the balancers' API -------------------------------------------------------------------------------------------

    def service(self, name: str, balancer: str) -> dict[str, Any]:
        return dict(self.api("GET", f"services/{name}", balancer))

    def admitted(self, balancer: str, service: str = "checkbox") -> bool:
        return bool(self.service(service, balancer)["gate"]["state"] == "admitted")

    def reasons(self, balancer: str, service: str = "checkbox") -> list[str]:
        """Why a balancer keeps the canary out."""
        return list(self.service(service, balancer)["gate"]["reasons"])

    def api(self, method: str, path: str, balancer: str, body: Any = None) -> Any:
        request = urllib.request.Request(
            f"http://{self.ip(balancer)}:9900/api/v1/{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={
                "Authorization": f"Bearer {self.secret('vault_coalmine_admin_token')}",
                "Content-Type": "application/json",
            },
        )
        with urllib.request.urlopen(request, timeout=5) as response:
            text = response.read()
        return json.loads(text) if text else None


def _members(inventory: dict[str, Any], group: str) -> set[str]:
    if group == "all":
        return set(inventory["_meta"]["hostvars"])
    found = inventory.get(group, {})
    names = set(found.get("hosts", []))
    return names.union(*(_members(inventory, child) for child in found.get("children", [])))


def _recap(text: str) -> dict[str, dict[str, int]]:
    rows = re.findall(r"^(\S+)\s+: (ok=.*)$", text, re.MULTILINE)
    return {host: {name: int(count) for name, count in re.findall(r"(\w+)=(\d+)", row)} for host, row in rows}


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def _tail(done: subprocess.CompletedProcess[str], size: int = 3000) -> str:
    return f"{done.stdout[-size:]}\n{done.stderr[-size:]}"
