#!/usr/bin/env python3
"""What the documents name is there: python3 ansible/tests/docs/test_docs.py"""

import re
import unittest
from pathlib import Path

ANSIBLE = Path(__file__).resolve().parents[2]
TOP = ANSIBLE.parent
README = (ANSIBLE / "README.md").read_text()
# Folders of downloads below these have documents of others.
OWN = [path for path in sorted(ANSIBLE.rglob("*.md")) if "node_modules" not in path.parts]
DOCUMENTS = [*OWN, TOP / "README.md", *sorted((TOP / "docs").glob("*.md"))]
FLEET = [*OWN, TOP / "docs" / "jenkins.md"]
ROLES = sorted(path.parents[1].name for path in ANSIBLE.glob("roles/*/tasks/main.yml"))


def prose(path):
    """A document without its code."""
    return re.sub(r"^```.*?^```", "", path.read_text(), flags=re.MULTILINE | re.DOTALL)


def anchors(path):
    """What a link into a document may name: its headings, as they are written in addresses."""
    headings = re.findall(r"^#+ (.*)$", prose(path), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def missing(found, exists):
    """One line for each thing that a document names and that is not there."""
    return [f"{path.relative_to(TOP)}: {thing}" for path, thing in found if not exists(thing)]


def named(pattern, documents=DOCUMENTS):
    """Each match of a pattern in the documents, with its document."""
    return [(path, thing) for path in documents for thing in re.findall(pattern, path.read_text())]


class Documents(unittest.TestCase):
    maxDiff = None

    def test_every_playbook_role_and_inventory_is_in_the_readme(self):
        playbooks = [f"`{path.name}`" for path in ANSIBLE.glob("playbooks/*.yml")]
        roles = [f"(roles/{name}/README.md)" for name in ROLES]
        inventories = [f"(inventories/{path.parent.parent.name}/" for path in ANSIBLE.glob("inventories/*/group_vars/all")]
        self.assertEqual([name for name in playbooks + roles + inventories if name not in README], [])

    def test_every_link_leads_somewhere(self):
        lost = []
        for path in DOCUMENTS:
            for target in re.findall(r"\]\(([^)\s]+)\)", prose(path)):
                if re.match(r"[a-z]+:", target):
                    continue
                file, _, anchor = target.partition("#")
                at = (path.parent / file).resolve() if file else path
                if not at.exists() or (anchor and anchor not in anchors(at)):
                    lost.append(f"{path.relative_to(TOP)}: {target}")
        self.assertEqual(lost, [])

    def test_every_test_that_shows_a_capability_exists(self):
        text = (ANSIBLE / "CAPABILITIES.md").read_text()
        shown = re.findall(r"`([\w/.]+)::([^`]+)`", text)
        self.assertGreater(len(shown), 40)
        lost = []
        for file, name in shown:
            at = next((folder / file for folder in (ANSIBLE / "tests", TOP) if (folder / file).is_file()), None)
            pattern = {".py": rf"\bdef {name}\(", ".rs": rf"\bfn {name}\("}.get(Path(file).suffix, f"'{re.escape(name)}'")
            if at is None or not re.search(pattern, at.read_text()):
                lost.append(f"{file}::{name}")
        self.assertEqual(lost, [])

    def test_every_command_exists(self):
        playbooks = named(r"playbooks/(\w+\.yml)")
        self.assertEqual(missing(playbooks, lambda name: (ANSIBLE / "playbooks" / name).is_file()), [])
        commands = named(r"(?<!/)\bansible/lab/([a-z]+)\b(?![/.])")
        self.assertEqual(missing(commands, lambda name: (ANSIBLE / "lab" / name).exists()), [])
        targets = set(re.findall(r"^([a-z-]+):", (TOP / "Makefile").read_text(), re.MULTILINE))
        self.assertEqual(missing(named(r"(?:`|^    (?:sudo )?)make ([a-z-]+)"), targets.__contains__), [])

    def test_every_variable_exists(self):
        texts = [*ANSIBLE.glob("roles/*/defaults/main.yml"), *ANSIBLE.glob("inventories/**/*.yml")]
        texts += [*ANSIBLE.glob("playbooks/**/*.yml"), *ANSIBLE.glob("roles/*/tasks/main.yml")]
        known = {word for path in texts for word in re.findall(r"\w+", path.read_text())}
        variables = named(rf"`((?:{'|'.join([*ROLES, 'fleet', 'vault'])})_\w+)`", FLEET)
        self.assertEqual(missing(variables, known.__contains__), [])

    def test_no_document_names_a_machine_of_its_writers(self):
        self.assertEqual(named(r"(?<![\w.])(/home/\w+/[^\s`]*|/root/[^\s`]*)"), [])


if __name__ == "__main__":
    unittest.main()
