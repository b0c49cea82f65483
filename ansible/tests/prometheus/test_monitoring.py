"""Rules, configuration and dashboard: what they ask for exists, and the programs that read them take them."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

HERE = Path(__file__).resolve().parent
ANSIBLE = HERE.parents[1]
BIN = Path(sys.executable).parent
RULES = ANSIBLE / "roles" / "prometheus" / "files" / "coalmine.rules.yml"
DASHBOARD = ANSIBLE / "roles" / "grafana" / "files" / "coalmine.json"

# Of other programs: Prometheus itself and the node exporter.
FOREIGN = {
    "up",
    "node_cpu_seconds_total",
    "node_filesystem_avail_bytes",
    "node_filesystem_size_bytes",
    "node_memory_MemAvailable_bytes",
    "node_memory_MemTotal_bytes",
}


def run(*command, **more):
    return subprocess.run(command, capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL, **more)


def expressions():
    """(where, expression) of every alert and every panel."""
    groups = yaml.safe_load(RULES.read_text())["groups"]
    found = [(rule["alert"], rule["expr"]) for group in groups for rule in group["rules"]]
    panels = json.loads(DASHBOARD.read_text())["panels"]
    return found + [(panel["title"], target["expr"]) for panel in panels for target in panel["targets"]]


def table():
    """{metric: labels} of the README's table."""
    rows = re.findall(r"^\| `(coalmine_\w+)` \|([^|]*)\|", (ANSIBLE.parent / "README.md").read_text(), re.M)
    return {name: {label.strip() for label in labels.split(",") if label.strip()} for name, labels in rows}


@pytest.mark.parametrize(("where", "expression"), expressions())
def test_every_metric_that_is_asked_for_is_in_the_readme_with_its_labels(where, expression):
    known = table()
    assert len(known) > 20
    names = re.findall(r"\b((?:coalmine|node)_\w+|up)\b(?:\{([^}]*)\})?", expression)
    assert names, where
    for name, selector in names:
        if name in FOREIGN:
            continue
        base = name if name in known else re.sub(r"_(bucket|sum|count)$", "", name)
        assert base in known, f"{where}: {name} is not in the README"
        for label in re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", selector):
            assert label in known[base], f"{where}: {name} has no label {label}"


def test_prometheus_takes_the_rules_and_they_fire_when_they_should():
    checked = run("promtool", "check", "rules", RULES)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    tested = run("promtool", "test", "rules", HERE / "rules_test.yml", cwd=HERE)
    assert tested.returncode == 0, tested.stdout + tested.stderr


def test_every_rule_is_tested():
    names = {rule["alert"] for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]}
    # Counters that only have to be above zero.
    assert names - {"BalancerTaskPanicked", "ReloadRefused"} == set(
        re.findall(r"alertname: (\w+)", (HERE / "rules_test.yml").read_text())
    )


def test_the_templates_make_configurations_that_are_taken(tmp_path):
    play = [
        {
            "hosts": "mon1",
            "connection": "local",
            "gather_facts": False,
            "tasks": [
                {"ansible.builtin.include_vars": f"{ANSIBLE}/roles/{role}/defaults/main.yml"}
                for role in ("prometheus", "alertmanager")
            ]
            + [
                {"ansible.builtin.template": {"src": f"{ANSIBLE}/roles/{source}", "dest": f"{tmp_path}/{to}", "mode": "0644"}}
                for source, to in (
                    ("prometheus/templates/prometheus.yml.j2", "prometheus.yml"),
                    ("alertmanager/templates/alertmanager.yml.j2", "alertmanager.yml"),
                )
            ],
        }
    ]
    (tmp_path / "play.yml").write_text(yaml.safe_dump(play))
    environment = {**os.environ, "ANSIBLE_CONFIG": str(ANSIBLE / "ansible.cfg"), "HOME": str(tmp_path)}
    variables = json.dumps({"ansible_python_interpreter": sys.executable, "vault_mail_password": ""})
    played = run(
        BIN / "ansible-playbook", "-i", ANSIBLE / "inventories" / "lab", tmp_path / "play.yml", "-e", variables, env=environment
    )
    assert played.returncode == 0, played.stdout + played.stderr

    text = (tmp_path / "prometheus.yml").read_text().replace("/etc/prometheus/coalmine.rules.yml", str(RULES))
    (tmp_path / "prometheus.yml").write_text(text)
    checked = run("promtool", "check", "config", tmp_path / "prometheus.yml")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    jobs = {job["job_name"]: job["static_configs"] for job in yaml.safe_load(text)["scrape_configs"]}
    assert [of["targets"] for of in jobs["coalmine"]] == [["10.77.0.11:9901"], ["10.77.0.12:9901"]]
    assert jobs["coalmine"][0]["labels"]["instance"] == "lb1" and len(jobs["node"]) > 15

    checked = run("amtool", "check-config", tmp_path / "alertmanager.yml")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    mail = yaml.safe_load((tmp_path / "alertmanager.yml").read_text())["receivers"][0]["email_configs"]
    assert mail == [{"to": "ops@lab", "send_resolved": True}]
