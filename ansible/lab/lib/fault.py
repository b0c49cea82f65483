"""Faults by name: a cable cut, processes frozen or killed."""

import json
import os
import signal
import time

from . import boot, cgroups, delay, helpers, keys, network
from .shell import LabError, run, succeeds

FREEZE_S = 30


def cut(host, peer=None):
    """Pulls the host's cable, or drops everything between it and one other host."""
    network.require_bridge(host.lab)
    if peer is None:
        run("ip", "link", "set", host.port, "down")
        return
    pairs = ", ".join(f'"{a}" . "{b}"' for a in _ports(host) for b in _ports(peer))
    back = ", ".join(f'"{b}" . "{a}"' for a in _ports(host) for b in _ports(peer))
    run("nft", f"add element bridge {network.table(host.lab)} cut {{ {pairs}, {back} }}")


def mend(host):
    """Ends every cut and delay of a host."""
    network.require_bridge(host.lab)
    delay.end(host)
    succeeds("ip", "link", "set", host.port, "up")
    listing = json.loads(run("nft", "-j", "list", "set", "bridge", network.table(host.lab), "cut"))
    for entry in next(part["set"] for part in listing["nftables"] if "set" in part).get("elem", []):
        first, second = entry["concat"]
        if set(_ports(host)) & {first, second}:
            run("nft", f'delete element bridge {network.table(host.lab)} cut {{ "{first}" . "{second}" }}')


def _ports(host):
    """The bridge's ports that a host may be behind: its cable, or the relay of a delay."""
    return [host.port, delay.port(host)]


def freeze(host, unit=None):
    """Stops all processes of a host, or those of one of its units, where they stand."""
    group = _group(host, unit)
    deadline = time.monotonic() + FREEZE_S
    # One that is not stopped yet may start others: until none is left.
    while left := [process for process in cgroups.processes(group) if not boot.frozen(process)]:
        if time.monotonic() > deadline:
            raise LabError(f"host {host.name}", f"processes {left} do not stop within {FREEZE_S} s")
        _signal(left, signal.SIGSTOP)
        time.sleep(0.02)


def thaw(host, unit=None):
    """Lets them go on."""
    _signal(cgroups.processes(_group(host, unit)), signal.SIGCONT)


def _signal(processes, number):
    for process in processes:
        try:
            os.kill(process, number)
        except ProcessLookupError:
            continue


def _group(host, unit):
    """The control group of a host, or that of a unit of it."""
    if cgroups.init(host.cgroup) is None:
        raise LabError(f"host {host.name}", "it does not run", f"ansible/lab/boot {host.name}")
    if unit is None:
        return host.cgroup
    name = unit if "." in unit else f"{unit}.service"
    for folder, folders, _ in os.walk(cgroups.tracking() / host.cgroup):
        if name in folders:
            group = os.path.relpath(os.path.join(folder, name), cgroups.tracking())
            if cgroups.processes(group):
                return group
    raise LabError(f"unit {name} of {host.name}", "it has no processes",
                   f"ansible/lab/ssh {host.name} systemctl status {name}")


def kill(host, unit=None):
    """Takes the power of a host away, or kills the main process of a unit."""
    if unit is None:
        boot.power_off(host)
        delay.end(host)
        keys.hang_up(host.lab, host.address)
        return
    _group(host, unit)
    boot.inside(host, "systemctl", "kill", "--kill-whom=main", "--signal=KILL", unit)
