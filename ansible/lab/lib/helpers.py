"""Programs of a lab that run on the machine itself: the mail sink, the relays of delayed cables.

Each is in a control group of its own below the lab's, which is how it is found and ended.
"""

import subprocess
import time

from . import cgroups
from .shell import LabError


def group(lab, name):
    return f"coalmine-lab/{lab.label}/+{name}"


def runs(lab, name):
    return bool(cgroups.processes(group(lab, name)))


def start(lab, name, command, ready, within=30):
    """Starts a helper in the background unless it runs, and waits until `ready(process)` is true.

    One that ends instead is an error with its last words.
    """
    if runs(lab, name):
        return
    lab.run.mkdir(parents=True, exist_ok=True)
    log = lab.run / f"{name}.log"
    folder = cgroups.tracking() / group(lab, name)
    folder.mkdir(parents=True, exist_ok=True)
    script = 'echo $$ >"$0/cgroup.procs"; exec "$@"'
    with open(log, "wb") as out:
        process = subprocess.Popen(["bash", "-euc", script, *map(str, [folder, *command])], stdout=out, stderr=out,
                                   stdin=subprocess.DEVNULL, start_new_session=True, cwd="/")
    deadline = time.monotonic() + within
    while not ready(process.pid):
        if process.poll() is not None or time.monotonic() > deadline:
            last = log.read_text(errors="replace").strip().splitlines()[-3:]
            stop(lab, name)
            raise LabError(name, f"it does not start, see {log}", "\n  ".join(last))
        time.sleep(0.05)


def stop(lab, name):
    """Ends a helper; nothing when it does not run."""
    cgroups.end(group(lab, name))
    cgroups.remove(group(lab, name))


def names(lab):
    """Names of the helpers that run."""
    folder = cgroups.tracking() / "coalmine-lab" / lab.label
    found = sorted(entry.name[1:] for entry in folder.glob("+*")) if folder.is_dir() else []
    return [name for name in found if runs(lab, name)]
