"""Settings of the machine's kernel that labs need, kept until the last lab is down and then set back."""

import json
from pathlib import Path

from . import settings

# All hosts have the same root as the machine, so that limits of a user are shared by all: one systemd takes some ten
# instances of inotify, and does not start without.
NEEDED = {
    "net/ipv4/ip_forward": 1,
    "fs/inotify/max_user_instances": 8192,
    "fs/inotify/max_user_watches": 524288,
    "kernel/keys/maxkeys": 4000,
}
BEFORE = settings.RUN / "sysctl.json"


def raise_limits():
    """Raises what is lower than needed, and notes what it was."""
    before = json.loads(BEFORE.read_text()) if BEFORE.exists() else {}
    for name, needed in NEEDED.items():
        file = Path("/proc/sys", name)
        value = int(file.read_text())
        if value < needed:
            before.setdefault(name, value)
            settings.RUN.mkdir(parents=True, exist_ok=True)
            BEFORE.write_text(json.dumps(before))
            file.write_text(str(needed))


def restore():
    """Sets everything back when no lab's bridge is left."""
    bridges = [link for link in Path("/sys/class/net").glob("cl*") if (link / "bridge").exists()]
    if BEFORE.exists() and not bridges:
        for name, value in json.loads(BEFORE.read_text()).items():
            Path("/proc/sys", name).write_text(str(value))
        BEFORE.unlink()
