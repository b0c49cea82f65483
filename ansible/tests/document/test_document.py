"""roles/document: a README that follows the specification, and a word about each that differs from the defaults."""

import shutil
import subprocess
import sys
from pathlib import Path

ANSIBLE = Path(__file__).resolve().parents[2]
SPECIFICATION = """
argument_specs:
  main:
    short_description: A web server
    options:
      web_port: {description: "Where it listens, C(80) | C(8080).", type: int, default: 80}
      web_name: {description: Its name., type: str, required: true}
"""


def role(tmp_path, specification=SPECIFICATION, defaults="web_port: 80\n"):
    for folder in ("meta", "defaults", "tasks"):
        (tmp_path / "web" / folder).mkdir(parents=True, exist_ok=True)
    (tmp_path / "web" / "meta" / "argument_specs.yml").write_text(specification)
    (tmp_path / "web" / "defaults" / "main.yml").write_text(defaults)
    (tmp_path / "web" / "tasks" / "main.yml").write_text("---\n")
    shutil.copy(ANSIBLE / "roles" / "document", tmp_path)
    return tmp_path / "web" / "README.md"


def document(tmp_path, *arguments):
    command = [sys.executable, tmp_path / "document", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def test_the_table_is_written_once_and_what_is_by_hand_stays(tmp_path):
    readme = role(tmp_path)
    assert document(tmp_path, "--check").returncode == 1
    assert document(tmp_path).returncode == 0
    text = readme.read_text()
    assert "| `web_port` | int | `80` | Where it listens, `80` \\| `8080`. |" in text
    assert "| `web_name` | str | required | Its name. |" in text

    readme.write_text(text + "\n<!-- by hand -->\nMore.\n")
    assert document(tmp_path, "--check").returncode == 0
    role(tmp_path, SPECIFICATION.replace("Its name", "The name"))
    assert "README.md is stale" in document(tmp_path, "--check").stderr
    document(tmp_path)
    assert "The name" in readme.read_text() and readme.read_text().endswith("<!-- by hand -->\nMore.\n")


def test_tags_and_an_example_are_those_of_the_role_and_of_the_playbooks(tmp_path):
    readme = role(tmp_path / "roles")
    (tmp_path / "roles" / "web" / "tasks" / "main.yml").write_text("- {name: Serve, tags: [web_serve]}\n")
    (tmp_path / "playbooks").mkdir()
    (tmp_path / "playbooks" / "site.yml").write_text("- {name: Web, hosts: w, become: true, tags: [w], roles: [web]}\n")
    document(tmp_path / "roles")
    text = readme.read_text()
    assert "| `w` | Web, the whole play |\n| `web_serve` | Serve |" in text
    assert "- name: Web\n  hosts: w\n  become: true\n  roles: [web]" in text


def test_a_specification_that_differs_from_the_defaults_is_named(tmp_path):
    role(tmp_path, SPECIFICATION, "web_port: 81\nweb_extra: 1\n")
    said = document(tmp_path)
    assert said.returncode == 1
    assert "web_port is specified as 80 and is 81" in said.stderr
    assert "web_extra has a default and is not specified" in said.stderr
    role(tmp_path, SPECIFICATION, "{}\n")
    assert "web_port is specified and has no default" in document(tmp_path).stderr
