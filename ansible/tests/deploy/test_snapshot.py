"""What the deploy host is told of the fleet: a snapshot of the inventory, and keys that the control machine believes.

Needs Ansible: FLEET_ANSIBLE names ansible-playbook.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

ANSIBLE_FOLDER = Path(__file__).parents[2]
ROLE = ANSIBLE_FOLDER / "roles/deploy"
ANSIBLE = os.environ.get("FLEET_ANSIBLE") or shutil.which("ansible-playbook")

pytestmark = pytest.mark.skipif(not ANSIBLE, reason="FLEET_ANSIBLE names no program")

# As inventories of clouds are: two addresses, host keys by name, groups that may be empty, hosts in two groups.
CLOUD = """\
all:
  vars:
    provision_fleet: coalmine
    ansible_user: admin
    ansible_ssh_common_args: >-
      -o UserKnownHostsFile={{ lookup('env', 'KNOWN') }} -o GlobalKnownHostsFile=/dev/null
      -o HostKeyAlias={{ inventory_hostname }}.{{ provision_fleet }} -o StrictHostKeyChecking=yes
    fleet_ports: { admin: 9900, checkbox: 80, render: "{{ 40 + 40 }}", itrust: 8080 }
    fleet_checkbox_hosts: [checkbox.example.org]
    fleet_itrust_hosts: []
    vault_coalmine_admin_token: the-token
  children:
    balancers:
      hosts:
        lb2: { ansible_host: 203.0.113.12, fleet_ip: 10.10.0.12 }
        lb1: { ansible_host: 203.0.113.11, fleet_ip: 10.10.0.11 }
    checkbox:
      children:
        checkbox_stable: { hosts: { web1: { ansible_host: 203.0.113.21, fleet_ip: 10.10.0.21 } } }
        checkbox_canary: { hosts: { web2: { ansible_host: 203.0.113.22, fleet_ip: 10.10.0.22 } } }
    redis: { hosts: { lb1: {} } }
    render: {}
    deploy: { hosts: { deploy1: { ansible_host: 203.0.113.91, fleet_ip: 10.10.0.91 } } }
"""

PLAY = """\
- hosts: deploy
  connection: local
  gather_facts: false
  tasks:
    - ansible.builtin.include_role: {{ name: {role}, tasks_from: preflight, public: true }}
    - ansible.builtin.template: {{ src: {role}/templates/hosts.yml.j2, dest: {home}/hosts.yml }}
    - ansible.builtin.copy: {{ content: "{{{{ __deploy_known.stdout }}}}\\n", dest: {home}/known }}
"""

# As a play of a release, on this machine.
RELEASE = """\
- hosts: localhost
  connection: local
  gather_facts: false
  vars: { app: checkbox, balancer: lb1 }
  vars_files: [%s/playbooks/release/apps.yml]
  tasks:
    - ansible.builtin.copy:
        content: "{{ [release_url, release_balancers, release_app.host, ansible_user] | to_json }}"
        dest: "%s/said"
"""


class Control:
    """A control machine in a folder."""

    def __init__(self, home: Path) -> None:
        self.home, self.known = home, home / "known_hosts"
        self.keys: dict[str, str] = {}
        self.known.touch()
        self.env = {**os.environ, "ANSIBLE_CONFIG": str(ANSIBLE_FOLDER / "ansible.cfg"), "KNOWN": str(self.known)}
        self.env["ANSIBLE_PYTHON_INTERPRETER"] = "/usr/bin/python3"
        (home / "play.yml").write_text(PLAY.format(role=ROLE, home=home))

    def believe(self, *names: str) -> None:
        for name in names:
            file = self.home / f"key-{name.replace(':', '-')}"
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", file], check=True, timeout=60)
            self.keys[name] = " ".join(file.with_suffix(file.suffix + ".pub").read_text().split()[:2])
            with self.known.open("a") as known:
                known.write(f"{name} {self.keys[name]}\n")

    def play(self, inventory: Path, play: str = "play.yml", *more: str) -> subprocess.CompletedProcess[str]:
        argv = [str(ANSIBLE), "-i", str(inventory), str(self.home / play), *more]
        return subprocess.run(
            argv, cwd=self.home, env=self.env, capture_output=True, text=True, check=False, timeout=300
        )

    def snapshot(self) -> dict[str, Any]:
        argv = [str(Path(str(ANSIBLE)).with_name("ansible-inventory")), "-i", str(self.home / "hosts.yml"), "--list"]
        return json.loads(subprocess.run(argv, env=self.env, capture_output=True, check=True, timeout=120).stdout)

    def told(self) -> list[str]:
        return (self.home / "known").read_text().splitlines()


@pytest.fixture
def control(tmp_path: Path) -> Control:
    return Control(tmp_path)


@pytest.fixture
def cloud(control: Control) -> Path:
    (control.home / "cloud.yml").write_text(CLOUD)
    return control.home / "cloud.yml"


def test_a_host_of_a_cloud_is_reached_at_its_fleet_ip_and_known_by_its_alias(control: Control, cloud: Path) -> None:
    control.believe(*(f"{name}.coalmine" for name in ("deploy1", "lb1", "lb2", "web1", "web2")))
    # Whoever has the address now is not meant.
    control.believe("203.0.113.11", "10.10.0.11")
    played = control.play(cloud)
    assert played.returncode == 0, played.stdout + played.stderr

    snapshot = control.snapshot()
    hosts = snapshot["_meta"]["hostvars"]
    addresses = {"deploy1": 91, "lb1": 11, "lb2": 12, "web1": 21, "web2": 22}
    assert {name: (host["ansible_host"], host["fleet_ip"]) for name, host in hosts.items()} == {
        name: (f"10.10.0.{number}",) * 2 for name, number in addresses.items()
    }
    assert control.told() == [f"10.10.0.{addresses[name]} {control.keys[name + '.coalmine']}" for name in addresses]
    assert {host["ansible_user"] for host in hosts.values()} == {"deploy"}
    assert hosts["lb1"]["fleet_ports"]["render"] in (80, "80")
    assert all("HostKeyAlias" not in host["ansible_ssh_common_args"] for host in hosts.values())
    assert snapshot["balancers"]["hosts"] == ["lb2", "lb1"], "the inventory's order"
    assert sorted(snapshot["checkbox"]["hosts"]) == ["web1", "web2"]
    assert snapshot["redis"]["hosts"] == ["lb1"]
    assert "render:\n      hosts: {}" in (control.home / "hosts.yml").read_text()
    assert "the-token" not in (control.home / "hosts.yml").read_text()

    again = control.play(cloud)
    assert "changed=0" in again.stdout, again.stdout
    assert "changed=0" in control.play(cloud, "play.yml", "--check", "--diff").stdout

    (control.home / "release.yml").write_text(RELEASE % (ANSIBLE_FOLDER, control.home))
    released = control.play(control.home / "hosts.yml", "release.yml", "-e", "vault_coalmine_admin_token=t")
    assert released.returncode == 0, released.stdout + released.stderr
    assert json.loads((control.home / "said").read_text()) == [
        "http://10.10.0.11:9900/api/v1/services/checkbox", ["lb2", "lb1"], "checkbox.example.org", "deploy",
    ]  # fmt: skip


def test_a_host_without_a_key_is_named_with_the_remedy(control: Control, cloud: Path) -> None:
    control.believe("deploy1.coalmine", "lb1.coalmine", "web1.coalmine", "203.0.113.12")
    played = control.play(cloud)
    assert played.returncode != 0
    assert "lb2 (lb2.coalmine in" in played.stdout and "web2 (web2.coalmine in" in played.stdout, played.stdout
    assert "lb1 (" not in played.stdout and "deploy_known_hosts" in played.stdout
    assert not (control.home / "hosts.yml").exists()


def test_another_file_with_the_keys_may_be_named(control: Control, cloud: Path) -> None:
    control.believe(*(f"{name}.coalmine" for name in ("deploy1", "lb1", "lb2", "web1", "web2")))
    control.known.rename(control.home / "elsewhere")
    played = control.play(cloud, "play.yml", "-e", f"deploy_known_hosts={control.home}/elsewhere")
    assert played.returncode == 0, played.stdout + played.stderr
    assert len(control.told()) == 5


def test_the_lab_is_told_as_it_is(control: Control) -> None:
    inventory = ANSIBLE_FOLDER / "inventories/lab"
    numbers = [11, 12, 21, 22, 31, 41, 42, 51, 52, 53, 54, 55, 61, 62, 71, 72, 73, 81, 91]
    control.believe(*(f"10.77.0.{number}" for number in numbers))
    control.env["ANSIBLE_SSH_COMMON_ARGS"] = f"-o UserKnownHostsFile={control.known} -o GlobalKnownHostsFile=/dev/null"
    played = control.play(inventory)
    assert played.returncode == 0, played.stdout + played.stderr
    snapshot = control.snapshot()
    assert snapshot["itrust"]["hosts"] == [f"itrust{number}" for number in range(1, 6)]
    assert sorted(snapshot["checkbox"]["hosts"]) == ["canary1", "stable1", "stable2"]
    host = snapshot["_meta"]["hostvars"]["itrust1"]
    assert (host["ansible_host"], host["fleet_ip"], host["fleet_ports"]["itrust"]) == ("10.77.0.51", "10.77.0.51", 8080)
    assert sorted(control.told()) == sorted(f"{name} {key}" for name, key in control.keys.items())


def test_names_are_looked_up_as_ssh_does(control: Control) -> None:
    """By the inventory's name where there is no address; with the port where it is another; revoked keys are none."""
    options = f"-o UserKnownHostsFile={control.known} -o GlobalKnownHostsFile=/dev/null"
    control.believe("by-name", "[192.0.2.2]:2222", "192.0.2.3")
    control.known.write_text(control.known.read_text().replace("192.0.2.3 ", "@revoked 192.0.2.3 "))
    hosts = [("by-name", None), ("192.0.2.2", 2222), ("192.0.2.3", 22)]

    def ask(wanted: list[tuple[str, int | None]]) -> subprocess.CompletedProcess[str]:
        said = [
            {"name": name, "fleet_ip": f"fleet-{name}", "address": name, "port": port, "options": options}
            for name, port in wanted
        ]
        return subprocess.run(
            ["python3", ROLE / "files/known_hosts.py"],
            input=json.dumps(said), capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip

    good = ask(hosts[:2])
    assert good.returncode == 0, good.stderr
    assert good.stdout.splitlines() == [
        f"fleet-by-name {control.keys['by-name']}",
        f"fleet-192.0.2.2 {control.keys['[192.0.2.2]:2222']}",
    ]
    refused = ask(hosts)
    assert refused.returncode == 1 and "192.0.2.3 (" in refused.stderr, refused.stderr
