"""The lab's network: one bridge, one cable a host, and a way out for the lab's own addresses."""

import json
from pathlib import Path

from .shell import LabError, run, succeeds


def table(lab):
    return f"coalmine_lab_{lab.label}"


def raise_bridge(lab):
    """The bridge, its address and masquerading; nothing when they are there."""
    if not exists(lab.bridge):
        run("ip", "link", "add", lab.bridge, "type", "bridge")
        run("ip", "addr", "add", f"{lab.gateway}/24", "dev", lab.bridge)
    run("ip", "link", "set", lab.bridge, "up")
    if not succeeds("nft", "list", "table", "bridge", table(lab)):
        run("nft", _rules(lab))


def _rules(lab):
    name, net = table(lab), lab.network
    return f"""
        table ip {name} {{
            chain out {{
                type nat hook postrouting priority srcnat;
                ip saddr {net} ip daddr != {net} masquerade
            }}
            chain apart {{
                type filter hook forward priority filter;
                iifname "{lab.bridge}" oifname != "{lab.bridge}" oifname "cl*" drop
            }}
        }}
        table bridge {name} {{
            set cut {{ type ifname . ifname; }}
            chain cables {{
                type filter hook forward priority 0;
                iifname . oifname @cut drop
            }}
        }}
    """


def raise_cable(host):
    """A new network namespace with the host's address, on the bridge."""
    drop_cable(host)
    space, port = host.namespace, host.port
    run("ip", "netns", "add", space)
    run("ip", "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", space)
    run("ip", "link", "set", port, "master", host.lab.bridge, "up")
    run("ip", "-n", space, "link", "set", "lo", "up")
    run("ip", "-n", space, "link", "set", "eth0", "up")
    run("ip", "-n", space, "addr", "add", f"{host.address}/24", "dev", "eth0")
    run("ip", "-n", space, "route", "add", "default", "via", host.lab.gateway)


def drop_cable(host):
    """Takes the cable and the namespace away at once: nothing of the host says good-bye to anyone."""
    succeeds("ip", "link", "del", host.port)
    succeeds("ip", "netns", "del", host.namespace)


def remove(lab):
    """Takes away namespaces, cables, the bridge and the tables of a lab."""
    for space in namespaces():
        if space.startswith(f"{lab.bridge}-"):
            run("ip", "netns", "del", space)
    for link in links():
        if link.startswith((f"{lab.bridge}h", f"{lab.bridge}x")):
            succeeds("ip", "link", "del", link)
    succeeds("ip", "link", "del", lab.bridge)
    for family in ("ip", "bridge"):
        succeeds("nft", "delete", "table", family, table(lab))


def links():
    return [link["ifname"] for link in json.loads(run("ip", "-j", "link", "show"))]


def namespaces():
    return [line.split()[0] for line in run("ip", "netns", "list").splitlines() if line]


def exists(link):
    return Path("/sys/class/net", link).exists()


def require_bridge(lab):
    if not exists(lab.bridge):
        raise LabError(f"lab {lab.label}", "it is not up", f"ansible/lab/up -i {lab.inventory}")


def is_up(host):
    return "UP" in json.loads(run("ip", "-j", "link", "show", "dev", host.port))[0]["flags"]
