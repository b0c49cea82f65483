"""The whole lab: up and down."""

import shutil
from concurrent.futures import ThreadPoolExecutor

from . import authority, base, boot, cgroups, disk, helpers, keys, mail, manifest, network, procfs, sysctl, vault
from .progress import say, step
from .shell import LabError

AT_ONCE = 4


def up(lab, names, binary=None):
    """Boots hosts, all by default; what runs already is left alone."""
    hosts = lab.pick(names)
    tree = base.build()
    lab.state.mkdir(parents=True, exist_ok=True)
    vault.write(lab)
    authority.make(lab)
    keys.user_key(lab)
    keys.write_known_hosts(lab)
    network.raise_bridge(lab)
    sysctl.raise_limits()
    mail.start(lab)
    procfs.start(lab)
    missing = [host for host in hosts if not boot.runs(host)]
    if missing or binary:
        manifest.make(lab, binary)
    if missing:
        with step(f"booting {len(missing)} of {len(hosts)} hosts, {AT_ONCE} at a time"):
            _each(missing, lambda host: boot.boot(host, tree))
    say(f"lab {lab.label} is up: {len(hosts)} hosts, state in {lab.state}")


def _each(hosts, action):
    """Does it for all before it fails: one bad host does not hide another."""
    failures = []
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for host, future in [(host, pool.submit(action, host)) for host in hosts]:
            try:
                future.result()
            except LabError as error:
                failures.append(f"{host.name}: {error}")
    if failures:
        raise LabError("up", f"{len(failures)} of {len(hosts)} hosts failed", "\n  ".join(failures))


def boot_again(host):
    """Starts a host that was killed."""
    network.require_bridge(host.lab)
    tree = disk.tree_of(host) if disk.is_made(host) else base.build()
    if not boot.boot(host, tree):
        raise LabError(f"host {host.name}", "it runs already")


def down(lab):
    """Takes everything of a lab away but its keys, secrets, certificates, artifacts and mails; whatever state it is in."""
    group = f"coalmine-lab/{lab.label}"
    keys.hang_up(lab)
    cgroups.end(group)
    cgroups.remove(group)
    network.remove(lab)
    sysctl.restore()
    shutil.rmtree(lab.state / "hosts", ignore_errors=True)
    shutil.rmtree(lab.run, ignore_errors=True)
    say(f"lab {lab.label} is down")


def status(lab):
    """One line a host, and one for the lab's own helpers."""
    lines = []
    for host in lab.pick([]):
        process = cgroups.init(host.cgroup)
        state = "off"
        if process is not None:
            state = "frozen" if boot.frozen(process) else "up"
        cable = "cut" if network.exists(host.port) and not network.is_up(host) else ""
        lines.append(f"{host.name:12} {host.address:15} {state:7} {cable}".rstrip())
    lines.append(f"helpers: {' '.join(helpers.names(lab)) or 'none'}")
    return lines
