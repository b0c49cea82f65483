"""Secrets of a lab: random, made once, in a file that only its owner reads."""

import os
import re
import secrets

from . import settings

EXAMPLE = settings.ANSIBLE / "inventories" / "vault.example.yml"


def path(lab):
    return lab.state / "secrets.yml"


def write(lab):
    """Gives every key of the example that has none a value; keys that have one keep it."""
    file = path(lab)
    known = set(re.findall(r"^(\w+):", file.read_text(), re.MULTILINE)) if file.exists() else set()
    lines = []
    for name, example in re.findall(r"^(\w+):\s*(.*)$", EXAMPLE.read_text(), re.MULTILINE):
        if name not in known:
            lines.append(f"{name}: {secrets.token_hex(24) if example == 'CHANGEME' else example}\n")
    if lines:
        with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "w") as out:
            out.write("".join(lines) if known else "---\n" + "".join(lines))
    return file
