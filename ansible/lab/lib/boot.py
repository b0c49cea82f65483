"""Booting a host, asking whether it runs, and ending it."""

import os
import signal
import socket
import subprocess
import time

from . import cgroups, disk, network, procfs, settings
from .progress import say
from .shell import LabError, run

DEADLINE_S = 300


def runs(host):
    """Whether the host has a PID 1."""
    return cgroups.init(host.cgroup) is not None


def boot(host, tree):
    """Starts a host and waits until systemd has started everything and ssh answers; one that runs is left alone."""
    if runs(host):
        return False
    begin = time.monotonic()
    network.raise_cable(host)
    disk.prepare(host, tree)
    _start(host)
    state = _wait(host)
    if state != "running":
        units = inside(host, "systemctl", "list-units", "--failed", "--no-legend", "--plain", check=False)
        say(f"{host.name}: systemd is {state}: {' '.join(line.split()[0] for line in units.splitlines() if line)}")
    say(f"{host.name} {host.address}: up in {time.monotonic() - begin:.1f} s")
    return True


def _start(host):
    cgroups.end(host.cgroup)
    cgroups.remove(host.cgroup)
    groups = "\n".join(map(str, cgroups.create(host.cgroup)))
    environment = dict(os.environ, NAME=host.name, DISK=str(host.disk), BASE=disk.tree_of(host), CGROUPS=_mounts(),
                       PROCFS=str(procfs.folder(host.lab)), PROCFILES=" ".join(procfs.files()), JOIN=groups)
    # First into the groups, then new namespaces: the cgroup namespace takes the group it is made in as its root.
    script = 'while read -r group; do echo $$ >"$group/cgroup.procs"; done <<<"$JOIN"; exec "$@"'
    command = ["bash", "-euc", script, "boot",
               "nsenter", f"--net=/run/netns/{host.namespace}", "-t", procfs.process(host.lab), "--mount", "--wd=/",
               "unshare", "--pid", "--mount", "--uts", "--ipc", "--cgroup", "--fork", "--kill-child",
               settings.LIB / "host-init", host.disk / "root"]
    with open(host.console, "wb") as console:
        subprocess.Popen([*map(str, command)], env=environment, stdin=subprocess.DEVNULL, stdout=console, stderr=console,
                         start_new_session=True, cwd="/")


def _mounts():
    """What host-init mounts: `FOLDER TYPE OPTIONS` for each hierarchy."""
    lines = []
    for names, point in cgroups.hierarchies().items():
        if names == "":
            lines.append(". cgroup2 rw" if point == cgroups.ROOT else "unified cgroup2 rw")
        else:
            lines.append(f"{point.name} cgroup {'none,' if names.startswith('name=') else ''}{names}")
    return "\n".join(lines)


def _wait(host):
    deadline = time.monotonic() + DEADLINE_S
    state = "not started"
    started = time.monotonic()
    while time.monotonic() < deadline:
        if not runs(host) and time.monotonic() - started > 5:
            last = "\n  ".join(host.console.read_text(errors="replace").splitlines()[-8:])
            raise LabError(f"host {host.name}", "its PID 1 ended", f"{host.console} ends with:\n  {last}")
        state = (inside(host, "systemctl", "is-system-running", check=False).split() or ["silent"])[-1]
        if state in ("running", "degraded") and answers(host.address, 22):
            return state
        time.sleep(0.3)
    raise LabError(f"host {host.name}", f"not up after {DEADLINE_S} s, systemd is {state}", f"look at {host.console}")


def answers(address, port):
    """Whether something accepts connections there."""
    try:
        socket.create_connection((address, port), timeout=2).close()
        return True
    except OSError:
        return False


def inside(host, *command, **options):
    """Runs a program in a host, as root, and returns its output."""
    process = cgroups.init(host.cgroup)
    if process is None:
        if not options.get("check", True):
            return ""
        raise LabError(f"host {host.name}", "it does not run", f"ansible/lab/boot {host.name}")
    return run("nsenter", "-t", process, "-a", "--wd=/", "env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", *command,
               **options)


def power_off(host):
    """Takes the power away. The disk stays.

    The cable goes first: the kernel closes the sockets of what it ends, and a host without power sends nothing.
    """
    process = cgroups.init(host.cgroup)
    if process is None:
        raise LabError(f"host {host.name}", "it does not run", f"ansible/lab/boot {host.name}")
    network.drop_cable(host)
    os.kill(process, signal.SIGKILL)
    cgroups.end(host.cgroup)
    cgroups.remove(host.cgroup)


def frozen(process):
    """Whether a process is stopped, or has ended."""
    try:
        with open(f"/proc/{process}/stat", encoding="utf-8") as file:
            return file.read().rpartition(")")[2].split()[0] in "TZX"
    except OSError:
        return True
