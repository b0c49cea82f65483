"""Where things are. Every path of the lab comes from here."""

import os
from pathlib import Path

LIB = Path(__file__).resolve().parent
ANSIBLE = LIB.parent.parent
REPOSITORY = ANSIBLE.parent
TARGET = REPOSITORY / "target"

# The tools' own Python environment; `setup` makes it.
VENV = Path(os.environ.get("COALMINE_LAB_VENV") or TARGET / "tools" / "fleet")
# The folder of base trees that all hosts share. It may be shared by several checkouts.
BASE = Path(os.environ.get("COALMINE_LAB_BASE") or TARGET / "lab" / "base")
INVENTORY = Path(os.environ.get("COALMINE_LAB_INVENTORY") or ANSIBLE / "inventories" / "lab")

# What must be gone after a reboot of the machine lies here.
RUN = Path("/run/coalmine-lab")


def tool(name):
    """The path of a program of the tools' environment."""
    from .shell import LabError

    path = VENV / "bin" / name
    if not path.exists():
        raise LabError(f"{name} is not at {path}", "the lab's tools are not installed", "run ansible/lab/setup as root")
    return path


def state_of(label):
    """The folder of one lab: keys, secrets, disks of hosts."""
    return Path(os.environ.get("COALMINE_LAB_STATE") or TARGET / "lab" / label)
