"""What the templates make of a fleet whose groups are empty, missing, or of one host."""

import json
import os
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

ANSIBLE = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
# Role and template, and the hosts that have it.
TEMPLATES = {
    "base/nftables.conf.j2": "all",
    "base/sudoers.j2": "all",
    "coalmine/coalmine.toml.j2": "balancers",
    "coalmine/coalmine.service.j2": "balancers",
    "keepalived/keepalived.conf.j2": "balancers",
    "monitor/monitor.toml.j2": "all",
    "prometheus/prometheus.yml.j2": "all",
    "alertmanager/alertmanager.yml.j2": "all",
    "redis/redis-server.conf.j2": "redis",
    "redis/users.acl.j2": "redis",
    "mariadb/users.sql.j2": "all",
    "node_app/nginx.conf.j2": "all",
    "itrust/server.xml.j2": "all",
}
ROLES = sorted({name.split("/")[0] for name in TEMPLATES} | {"deploy"})

# What is needed at all; every other group is not even named.
BARE = """
all:
  children:
    checkbox: { children: { checkbox_stable: { hosts: { stable1: { ansible_host: 10.0.0.2 } } } } }
    redis: { hosts: { redis1: { ansible_host: 10.0.0.3 } } }
"""
ONE = """
    balancers: { hosts: { lb1: { ansible_host: 10.0.0.1 } } }
"""
TWO = """
    balancers: { hosts: { lb1: { ansible_host: 10.0.0.1 }, lb2: { ansible_host: 10.0.0.6 } } }
    itrust: { hosts: { itrust1: { ansible_host: 10.0.0.4 } } }
    monitoring: { hosts: { mon1: { ansible_host: 10.0.0.5 } } }
"""


def render(folder, inventory):
    """{host: {template: text}}"""
    lines = []
    for name, group in TEMPLATES.items():
        role, file = name.split("/")
        path = ANSIBLE / "roles" / role / "templates" / file
        lines.append(
            f"{json.dumps(name)}: (lookup('ansible.builtin.template', {json.dumps(str(path))})"
            f" if {json.dumps(group)} in group_names + ['all'] else '-')"
        )
    # As defaults of a role, so that the inventory goes before them.
    defaults = folder / "roles" / "values" / "defaults" / "main"
    defaults.mkdir(parents=True)
    for role in ROLES:
        (defaults / f"{role}.yml").symlink_to(ANSIBLE / "roles" / role / "defaults" / "main.yml")
    files = [ANSIBLE / "roles" / role / "vars" / "main.yml" for role in ROLES]
    play = [
        {
            "hosts": "all",
            "connection": "local",
            "gather_facts": False,
            "vars": {"__base_container": {"stdout": "container-other"}, "keys": [], "node_app_name": "checkbox"},
            "vars_files": [str(file) for file in files if file.exists()],
            "roles": ["values"],
            "tasks": [
                {
                    "ansible.builtin.copy": {
                        "content": "{{ {" + ", ".join(lines) + "} | to_json }}",
                        "dest": f"{folder}/{{{{ inventory_hostname }}}}.json",
                        "mode": "0600",
                    },
                }
            ],
        }
    ]
    (folder / "play.yml").write_text(yaml.safe_dump(play))
    command = [BIN / "ansible-playbook", "-i", inventory, folder / "play.yml"]
    command += ["-e", f"@{ANSIBLE / 'inventories/vault.example.yml'}", "-e", "ansible_python_interpreter=" + sys.executable]
    command += ["-e", "lab_tls=/lab/tls"]
    environment = {**os.environ, "ANSIBLE_CONFIG": str(ANSIBLE / "ansible.cfg"), "ANSIBLE_LOCALHOST_WARNING": "0"}
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=300, env=environment, stdin=subprocess.DEVNULL
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    return {file.stem: json.loads(file.read_text()) for file in folder.glob("*.json")}


@pytest.fixture(scope="module", params=["one", "two", "lab-small"])
def fleet(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "lab-small":
        return request.param, render(folder, ANSIBLE / "inventories/lab-small")
    return request.param, render(folder, written(folder, TWO if request.param == "two" else ONE))


def written(folder, hosts, **more):
    """An inventory of these hosts and of what every fleet needs."""
    inventory = folder / "inventory"
    shared = inventory / "group_vars" / "all"
    shared.mkdir(parents=True)
    (inventory / "hosts.yml").write_text(BARE + hosts)
    (shared / "00-fleet.yml").symlink_to(ANSIBLE / "inventories/common/fleet.yml")
    own = {"fleet_address": "10.0.0.9", "fleet_checkbox_hosts": ["shop.test"], "fleet_itrust_hosts": ["itrust.test"]}
    own["fleet_mail"] = {"host": "10.0.0.8", "port": 25, "tls": "off", "from": "coalmine@test", "to": ["ops@test"]}
    (shared / "own.yml").write_text(yaml.safe_dump(own | more))
    return inventory


def test_every_template_is_made_on_every_host(fleet):
    name, hosts = fleet
    assert set(hosts) >= {"lb1", "stable1", "redis1"}
    for host, texts in hosts.items():
        for template, text in texts.items():
            assert text and "None" not in text and "Undefined" not in text, (name, host, template, text)


def test_the_firewall_names_only_who_is_there(fleet, tmp_path):
    name, hosts = fleet
    for host, texts in hosts.items():
        rules = texts["base/nftables.conf.j2"]
        assert "saddr {  }" not in rules and "policy drop" in rules, (host, rules)
        if os.geteuid() == 0 and shutil.which("nft"):
            (tmp_path / "rules").write_text(rules)
            done = subprocess.run(["nft", "-c", "-f", tmp_path / "rules"], capture_output=True, text=True, timeout=60)
            assert done.returncode == 0, (host, done.stderr, rules)
    assert ("protocol 112" in hosts["lb1"]["base/nftables.conf.j2"]) == (name != "one")


def test_a_service_without_hosts_is_left_out_and_one_redis_needs_no_sentinel(fleet):
    name, hosts = fleet
    text = hosts["lb1"]["coalmine/coalmine.toml.j2"]
    assert 'name = "checkbox"' in text and 'name = "render"' not in text
    assert ('name = "itrust"' in text) == (name != "one")
    assert ("[service.canary]" in text) == (name == "lab-small")
    assert "sentinels" not in text and "[service.rollback]" not in text
    assert "sentinels" not in hosts["stable1"]["monitor/monitor.toml.j2"]


def test_one_balancer_alone_has_no_peers(fleet):
    name, hosts = fleet
    assert ("unicast_peer" in hosts["lb1"]["keepalived/keepalived.conf.j2"]) == (name != "one")


def test_one_balancer_mails_where_monitoring_tells_of_its_death_and_else_each(fleet):
    name, hosts = fleet
    balancers = [host for host in ("lb1", "lb2") if host in hosts]
    mails = [host for host in balancers if 'ways = ["mail", "webhook"]' in hosts[host]["coalmine/coalmine.toml.j2"]]
    assert mails == (["lb1"] if name == "two" else balancers)


def test_prometheus_scrapes_only_who_is_there(fleet):
    for texts in fleet[1].values():
        configuration = yaml.safe_load(texts["prometheus/prometheus.yml.j2"])
        jobs = {job["job_name"]: job["static_configs"] for job in configuration["scrape_configs"]}
        assert len(jobs["node"]) == len(fleet[1]) and all(isinstance(found, list) for found in jobs.values())


def test_without_a_certificate_nothing_is_written_of_tls(fleet):
    name, hosts = fleet
    configuration = tomllib.loads(hosts["lb1"]["coalmine/coalmine.toml.j2"])
    assert ("https" in configuration["listen"]) == ("tls" in configuration) == (name == "lab-small")
    assert "limits" not in configuration and "redirect_https" not in configuration["listen"]
    if name == "lab-small":
        file = "/etc/coalmine/tls/lab.pem"
        assert configuration["tls"] == {"certificate": [{"cert": file, "key": file, "hosts": []}]}


def test_all_of_tls_is_written_as_the_program_reads_it(tmp_path):
    tracks = {
        "checkbox": {"stable": {"backends": [{"address": "unix:/run/shop.sock", "name": "shop"}], "proxy_protocol": "v2"}},
        "itrust": {"stable": {"h2": True, "tls": {"ca_file": "ca", "server_name": "i", "cert_file": "c", "key_file": "k"}}},
    }
    more = {
        "coalmine_acme_domains": ["shop.test"],
        "coalmine_acme_ca_file": "authority",
        "coalmine_redirect_https": True,
        "coalmine_proxy_protocol": ["10.1.0.0/16"],
        "coalmine_limits": {"max_requests": 9, "rate": {"requests": 5}},
        "coalmine_tracks": tracks,
        "coalmine_socket_groups": ["shop"],
    }
    texts = render(tmp_path, written(tmp_path, TWO, **more))["lb1"]
    configuration = tomllib.loads(texts["coalmine/coalmine.toml.j2"])
    listen = configuration["listen"]
    assert listen["https"] == ["0.0.0.0:443"] and listen["redirect_https"] and listen["proxy_protocol"] == ["10.1.0.0/16"]
    assert configuration["tls"]["acme"] == {
        "directory": "https://acme-v02.api.letsencrypt.org/directory",
        "contact": ["mailto:ops@test"],
        "domains": ["shop.test"],
        "state_dir": "/var/lib/coalmine/acme",
        "ca_file": "/etc/coalmine/tls/acme.ca.pem",
    }
    assert configuration["limits"] == {"max_requests": 9, "rate": {"requests": 5}}
    shop, itrust = (service["stable"] for service in configuration["service"])
    assert shop["backends"] == [{"address": "unix:/run/shop.sock", "name": "shop"}] and shop["proxy_protocol"] == "v2"
    assert itrust["backends"] == [{"address": "https://10.0.0.4:8080", "name": "itrust1"}] and itrust["h2"]
    client = "/etc/coalmine/tls/itrust.stable.client.pem"
    assert itrust["tls"] == {
        "ca_file": "/etc/coalmine/tls/itrust.stable.ca.pem",
        "server_name": "i",
        "cert_file": client,
        "key_file": client,
    }
    unit = texts["coalmine/coalmine.service.j2"]
    assert "SupplementaryGroups=shop\n" in unit and "CapabilityBoundingSet=CAP_NET_BIND_SERVICE\n" in unit


def test_a_key_of_another_certificate_and_one_that_has_ended_are_refused(tmp_path):
    files = {}
    for name, days in (("one", 2), ("two", 2), ("ended", 0)):
        files[name] = [tmp_path / f"{name}.{kind}" for kind in ("pem", "key")]
        certificate, key = files[name]
        line = "openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=shop.test -keyout"
        request = subprocess.run([*line.split(), key], check=True, capture_output=True, timeout=60).stdout
        line = ["openssl", "x509", "-req", "-signkey", key, "-days", str(days), "-out", certificate]
        subprocess.run(line, input=request, check=True, capture_output=True, timeout=60)
    command = yaml.safe_load((ANSIBLE / "roles/coalmine/vars/main.yml").read_text())["__coalmine_pair"]

    def passes(certificate, key):
        pair = tmp_path / "pair.pem"
        pair.write_text(files[certificate][0].read_text() + (files[key][1].read_text() if key else ""))
        line = shlex.split(command % pair)
        return subprocess.run(line, capture_output=True, timeout=60, stdin=subprocess.DEVNULL).returncode == 0

    assert passes("one", "one") and not passes("one", "two") and not passes("one", None) and not passes("ended", "ended")
