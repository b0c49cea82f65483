"""Running playbooks, and ssh, against a lab."""

import json
import os
import subprocess
import time

from . import authority, base, keys, manifest, network, settings, vault
from .progress import say


def play(lab, playbook, arguments):
    """Runs ansible-playbook with everything of this lab; returns its exit status."""
    network.require_bridge(lab)
    command = [settings.tool("ansible-playbook"), "-i", lab.inventory, "--private-key", keys.user_key(lab),
               "-e", f"@{vault.path(lab)}",
               "-e", json.dumps({"lab_public_key": keys.public(keys.user_key(lab)).strip(),
                                 "lab_tls": str(authority.folder(lab))})]
    if manifest.path(lab).exists():
        command += ["-e", f"@{manifest.path(lab)}"]
    begin = time.monotonic()
    status = subprocess.call([*map(str, command), str(playbook), *arguments], env=_environment(lab))
    say(f"{playbook}: exit {status} in {time.monotonic() - begin:.0f} s")
    return status


def _environment(lab):
    sockets = keys.control_sockets(lab)
    sockets.mkdir(parents=True, exist_ok=True)
    known = f"-o UserKnownHostsFile={keys.known_hosts(lab)} -o GlobalKnownHostsFile=/dev/null"
    options = {
        "CONFIG": settings.ANSIBLE / "ansible.cfg",
        "REMOTE_USER": base.USER,
        "SSH_COMMON_ARGS": known,
        "SSH_CONTROL_PATH_DIR": sockets,
        "SSH_CONTROL_PATH": "%(directory)s/%%h-%%r",
        # All hosts share this machine: a login may take long when it is busy, and is worth keeping.
        "TIMEOUT": 90,
        "SSH_ARGS": "-o ControlMaster=auto -o ControlPersist=900s -o PreferredAuthentications=publickey",
    }
    return dict(os.environ, PATH=f"{settings.VENV / 'bin'}:{os.environ['PATH']}",
                **{f"ANSIBLE_{name}": str(value) for name, value in options.items()})


def ssh(host, command):
    """Logs in, or runs one command; returns its exit status."""
    network.require_bridge(host.lab)
    terminal = [] if command else ["-t"]
    return subprocess.call(["ssh", *keys.ssh_options(host.lab), *terminal, host.address, *command])
