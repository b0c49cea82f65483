"""Control groups: one for each host in every hierarchy that the machine has, and one for a lab's helpers.

A host sees its own part alone, by a cgroup namespace. It is also how everything that belongs to a lab is found again,
so that `down` ends it whatever happened before.
"""

import os
import time
from pathlib import Path

from .shell import LabError

ROOT = Path("/sys/fs/cgroup")


def hierarchies():
    """Mount points that hosts get a part of, by name; `` is the one of cgroup v2.

    A v1 hierarchy in which this process is not at the root belongs to someone who keeps count of it: hosts stay in
    his group there, and have no such controller of their own.
    """
    if (ROOT / "cgroup.controllers").exists():
        return {"": ROOT}
    found = {}
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, names, group = line.split(":", 2)
        point = ROOT / (names.removeprefix("name=") or "unified")
        if (group == "/" or "/coalmine-lab/" in group) and point.is_dir():
            found[names] = point
    if not {"name=systemd", ""} & found.keys():
        raise LabError("control groups", f"neither cgroup2 nor the hierarchy of systemd is mounted at {ROOT}",
                       f"mount -t cgroup -o none,name=systemd systemd {ROOT}/systemd")
    return found


def tracking():
    """The hierarchy in which systemd and the lab find processes."""
    found = hierarchies()
    return found.get("name=systemd") or found[""]


def create(group):
    """Makes a group in every hierarchy and returns its folders."""
    folders = []
    for names, point in hierarchies().items():
        folder = point
        for part in group.split("/"):
            if names == "" and point == ROOT:
                _pass_controllers_on(folder)
            folder = folder / part
            folder.mkdir(exist_ok=True)
            if names == "cpuset":
                for file in ("cpuset.cpus", "cpuset.mems"):
                    (folder / file).write_text((folder.parent / file).read_text())
        folders.append(folder)
    return folders


def _pass_controllers_on(folder):
    for name in (folder / "cgroup.controllers").read_text().split():
        try:
            (folder / "cgroup.subtree_control").write_text(f"+{name}")
        except OSError:
            continue


def processes(group):
    """Ids of all processes of a group and of the groups in it."""
    found = []
    for folder, _, files in os.walk(tracking() / group):
        if "cgroup.procs" in files:
            try:
                found += map(int, (Path(folder) / "cgroup.procs").read_text().split())
            except OSError:
                continue
    return found


def init(group):
    """The id of the process that is PID 1 in a host, if it runs."""
    for process in processes(group):
        try:
            for line in Path(f"/proc/{process}/status").read_text().splitlines():
                if line.startswith("NSpid:") and line.split()[2:] == ["1"]:
                    return process
        except OSError:
            continue
    return None


def end(group, within=20):
    """Kills everything in a group and waits until it is gone."""
    deadline = time.monotonic() + within
    while left := processes(group):
        if time.monotonic() > deadline:
            raise LabError(f"group {group}", f"processes {left} do not end", f"look at /proc/{left[0]}/stack")
        for process in left:
            try:
                os.kill(process, 9)
            except ProcessLookupError:
                continue
        time.sleep(0.05)


def remove(group):
    """Removes a group and those in it from every hierarchy."""
    for point in hierarchies().values():
        for folder, _, _ in os.walk(point / group, topdown=False):
            try:
                os.rmdir(folder)
            except OSError:
                continue
