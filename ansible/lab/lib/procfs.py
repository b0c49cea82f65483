"""Each host's own CPU time, load and uptime in /proc, where the kernel shows those of the machine.

lxcfs counts them by the host's control groups. Its files are mounted in a namespace of its own: the machine does not
see them, and they go with the process.
"""

import os
import shutil

from . import cgroups, helpers
from .shell import LabError

NAME = "procfs"


def folder(lab):
    return lab.run / NAME


def files():
    """What hosts see as their own. Memory only where they have a memory controller."""
    memory = any(names.split(",")[0] in ("memory", "") and (names or point == cgroups.ROOT)
                 for names, point in cgroups.hierarchies().items())
    return ["stat", "loadavg", "uptime"] + (["meminfo", "swaps"] if memory else [])


def start(lab):
    """Starts lxcfs for a lab; nothing when it runs."""
    if shutil.which("lxcfs") is None:
        raise LabError("lxcfs", "not installed", "run ansible/lab/setup as root")
    folder(lab).mkdir(parents=True, exist_ok=True)
    helpers.start(lab, NAME, ["unshare", "--mount", "lxcfs", "--foreground", "--enable-loadavg",
                              f"--pidfile={lab.run / NAME}.pid", folder(lab)],
                  ready=lambda process: os.path.exists(f"/proc/{process}/root{folder(lab)}/proc/stat"))


def process(lab):
    """The process in whose mount namespace the files are."""
    found = cgroups.processes(helpers.group(lab, NAME))
    if not found:
        raise LabError("lxcfs", "it does not run", f"ansible/lab/up -i {lab.inventory}")
    return found[0]
