#!/usr/bin/env python3
"""Prints the known_hosts of the deploy host: keys that ssh of this machine believes, under the addresses of releases.

    known_hosts.py [FILE] < HOSTS

HOSTS is JSON, a list of {name, fleet_ip, address, port, options}: how this machine reaches each host, port being null
where nobody says it. ssh itself says under which name and in which files it looks (HostKeyAlias, UserKnownHostsFile,
ssh_config); FILE is looked in in place of those.
Exit 1, with the reason, when a host has no key.
"""

import json
import shlex
import subprocess
import sys


def words(argv):
    return subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=60)


def believed(host):
    """The name that ssh looks for, and the files."""
    port = ["-p", str(host["port"])] if host["port"] else []
    said = words(["ssh", *shlex.split(host["options"]), *port, "-G", host["address"]])
    if said.returncode != 0:
        sys.exit(f"{host['name']}: ssh does not take its options: {said.stderr.strip()}")
    settings = dict(line.split(" ", 1) for line in said.stdout.splitlines() if " " in line)
    name, port = settings["hostname"], settings["port"]
    name = settings.get("hostkeyalias") or (name if port == "22" else f"[{name}]:{port}")
    files = f"{settings.get('userknownhostsfile', '')} {settings.get('globalknownhostsfile', '')}"
    return name, [file for file in files.split() if file != "none"]


def keys(name, file):
    """Type and key of each line for this name. With a marker (@revoked, @cert-authority) it is no key of a host."""
    lines = words(["ssh-keygen", "-F", name, "-f", file]).stdout.splitlines()
    return [" ".join(line.split()[1:3]) for line in lines if line and line[0] not in "#@"]


def main(file=None):
    strangers = []
    for host in json.load(sys.stdin):
        name, files = believed(host)
        files = [file] if file else files
        found = dict.fromkeys(key for each in files for key in keys(name, each))
        if not found:
            strangers.append(f"{host['name']} ({name} in {' '.join(files)})")
        for key in found:
            print(host["fleet_ip"], key)
    if strangers:
        sys.exit(
            f"this machine knows no host key of {', '.join(strangers)}, and releases connect to no stranger. Log in to "
            "each once (in a cloud: copy known_hosts from the machine that made them), or set deploy_known_hosts."
        )


if __name__ == "__main__":
    main(*sys.argv[1:])
