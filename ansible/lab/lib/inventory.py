"""Which hosts there are and their addresses, as Ansible itself reads the inventory."""

import hashlib
import ipaddress
import json
import os
from pathlib import Path

from . import settings
from .shell import LabError, run


def read(folder):
    """Hosts by name with their addresses. The answer is kept until a file of the inventory changes."""
    folder = Path(folder).resolve()
    if not folder.exists():
        raise LabError(f"inventory {folder}", "there is no such file or folder", "name one with -i")
    files = [folder] + (sorted(folder.rglob("*")) if folder.is_dir() else [])
    mark = hashlib.sha256(repr([(str(f), f.stat().st_mtime_ns) for f in files if f.exists()]).encode()).hexdigest()
    kept = settings.RUN / "inventories" / f"{mark}.json"
    if kept.exists():
        return json.loads(kept.read_text())
    hosts = _ask(folder)
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_text(json.dumps(hosts))
    return hosts


def _ask(folder):
    config = dict(os.environ, ANSIBLE_CONFIG=str(settings.ANSIBLE / "ansible.cfg"))
    output = run(settings.tool("ansible-inventory"), "-i", folder, "--list", env=config)
    listing = json.loads(output[output.index("{"):])
    hosts = {}
    for name, variables in listing["_meta"]["hostvars"].items():
        address = variables.get("ansible_host")
        try:
            hosts[name] = str(ipaddress.IPv4Address(address))
        except ValueError:
            raise LabError(f"host {name} of {folder}", f"its ansible_host is {address!r}, not an IPv4 address",
                           "the lab gives every host the address that its inventory names") from None
    if not hosts:
        raise LabError(f"inventory {folder}", "it has no hosts")
    return dict(sorted(hosts.items(), key=lambda host: ipaddress.IPv4Address(host[1])))


def network(hosts, folder):
    """The one /24 that all addresses are of."""
    networks = {ipaddress.IPv4Network(f"{address}/24", strict=False) for address in hosts.values()}
    if len(networks) != 1:
        names = ", ".join(sorted(map(str, networks)))
        raise LabError(f"inventory {folder}", f"its addresses are of several networks: {names}", "a lab is one /24")
    doubles = {address for address in hosts.values() if list(hosts.values()).count(address) > 1}
    if doubles:
        raise LabError(f"inventory {folder}", f"more than one host has {', '.join(sorted(doubles))}")
    return networks.pop()
