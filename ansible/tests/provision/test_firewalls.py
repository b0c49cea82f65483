"""What is open between the machines, before any provider has a say."""

import sys
from pathlib import Path

import yaml

ANSIBLE = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ANSIBLE / "roles" / "provision" / "filter_plugins"))

import provision  # noqa: E402

CHILDREN = {"checkbox": ["stable", "canary"]}
COUNTS = {"lb": 2, "stable": 2, "canary": 1, "db": 1, "none": 0}


def rules(*flows):
    return provision.provision_rules(flows, COUNTS, CHILDREN)


def test_machines_are_numbered_by_group():
    names = {"lb": "lb", "none": "x"}
    assert provision.provision_machines({"lb": 2, "none": 0}, names) == [
        {"name": "lb1", "group": "lb"},
        {"name": "lb2", "group": "lb"},
    ]


def test_a_flow_opens_its_port_on_its_target_alone():
    made = rules({"name": "db", "from": "checkbox", "to": "db", "port": 27017})
    assert made["db"] == [{"protocol": "tcp", "port": 27017, "sources": ["canary", "stable"]}]
    assert made["lb"] == made["stable"] == []


def test_flows_to_one_port_become_one_rule():
    made = rules(
        {"name": "a", "from": "lb", "to": "checkbox", "port": "80"},
        {"name": "b", "from": "operators", "to": "stable", "port": 80},
    )
    assert made["stable"] == [{"protocol": "tcp", "port": 80, "sources": ["lb", "operators"]}]
    assert made["canary"] == [{"protocol": "tcp", "port": 80, "sources": ["lb"]}]


def test_who_comes_from_any_machine_is_not_named_again():
    made = rules({"name": "a", "from": "all", "to": "db", "port": 1}, {"name": "b", "from": "lb", "to": "db", "port": 1})
    assert made["db"] == [{"protocol": "tcp", "port": 1, "sources": ["all"]}]


def test_a_group_without_machines_opens_nothing_and_is_not_there():
    made = rules({"name": "a", "from": "none", "to": "db", "port": 1}, {"name": "b", "from": "lb", "to": "none", "port": 1})
    assert made["db"] == [] and "none" not in made


def test_the_same_firewall_in_another_order_is_left_alone():
    made = rules(
        {"name": "a", "from": "world", "to": "db", "port": 80},
        {"name": "b", "from": "all", "to": "db", "port": 22},
    )
    inbound = provision.provision_do_inbound(made["db"], "f", [])
    have = {"name": "coalmine-f-db", "inbound_rules": inbound[::-1]}
    stale = provision.provision_do_stale(made, [have], "f", [])
    assert "db" not in stale and "lb" in stale


def test_only_clients_of_the_balancers_come_from_everywhere():
    text = (ANSIBLE / "inventories" / "common" / "fleet.yml").read_text()
    world = [flow for flow in yaml.safe_load(text)["fleet_flows"] if flow["from"] == "world"]
    ports = [f"{{{{ fleet_ports.{name} }}}}" for name in ("http", "https")]
    assert [(flow["to"], flow["port"]) for flow in world] == [("balancers", port) for port in ports]
