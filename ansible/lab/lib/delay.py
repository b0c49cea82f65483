"""Delaying what a host sends and gets.

The kernels that the lab has to run on may have no `tc netem`. So the host's cable is taken off the bridge, and a relay
passes each frame on, later. Addresses, ports and firewalls stay as they are.
"""

import sys
from pathlib import Path

from . import helpers, network, settings
from .shell import run, succeeds


def port(host):
    """The bridge's port of a delayed host."""
    return f"{host.lab.bridge}x{host.address.rpartition('.')[2]}"


def _inner(host):
    return f"{host.lab.bridge}y{host.address.rpartition('.')[2]}"


def start(host, milliseconds, tcp_port=None):
    """Every frame of the host takes this much longer, each way; or those of one TCP port of it."""
    network.require_bridge(host.lab)
    end(host)
    run("ip", "link", "add", port(host), "type", "veth", "peer", "name", _inner(host))
    for link in (host.port, _inner(host)):
        # The machine itself takes no part in what passes between the two: it answers nobody there.
        run("ip", "link", "set", link, "arp", "off", "nomaster", "up")
        Path(f"/proc/sys/net/ipv6/conf/{link}/disable_ipv6").write_text("1")
    run("ip", "link", "set", port(host), "master", host.lab.bridge, "up")
    taken = host.lab.run / f"{_name(host)}.ready"
    taken.unlink(missing_ok=True)
    command = [sys.executable, settings.LIB / "relay.py", host.port, _inner(host), milliseconds / 1000, tcp_port or 0,
               taken]
    helpers.start(host.lab, _name(host), command, ready=lambda _: taken.exists())


def end(host):
    """Puts the cable back on the bridge; nothing when it is there."""
    helpers.stop(host.lab, _name(host))
    if network.exists(port(host)):
        succeeds("ip", "link", "del", port(host))
    if network.exists(host.port):
        run("ip", "link", "set", host.port, "arp", "on", "master", host.lab.bridge)


def _name(host):
    return f"delay-{host.name}"
