"""Delaying what a host sends and gets.

The kernels that the lab has to run on may have no `tc netem`. So the host's cable is taken off the bridge, and a relay
passes each frame on, later. Addresses, ports and firewalls stay as they are. Run as a program this file is the relay.
"""

import asyncio
import signal
import socket
import struct
import sys
from pathlib import Path

ETHERNET_ALL = 3
PACKET_VNET_HDR = 15
SOL_PACKET = 263
# Header with which the kernel hands over checksums and segments that it has not worked out yet.
VNET_HEADER = 10
# A cable holds this many frames on their way; what comes then is lost, as on a real one.
FRAMES = 20000


def port(host):
    """The bridge's port of a delayed host."""
    return f"{host.lab.bridge}x{host.address.rpartition('.')[2]}"


def _inner(host):
    return f"{host.lab.bridge}y{host.address.rpartition('.')[2]}"


def start(host, milliseconds, tcp_port=None):
    """Every frame of the host takes this much longer, each way; or those of one TCP port of it."""
    from . import helpers, network, settings
    from .shell import run

    network.require_bridge(host.lab)
    end(host)
    run("ip", "link", "add", port(host), "type", "veth", "peer", "name", _inner(host))
    for link in (port(host), _inner(host)):
        # The relay's cable has no address of its own, so that the machine takes no part in what passes.
        Path(f"/proc/sys/net/ipv6/conf/{link}/disable_ipv6").write_text("1")
    run("ip", "link", "set", host.port, "nomaster")
    run("ip", "link", "set", _inner(host), "up")
    run("ip", "link", "set", port(host), "master", host.lab.bridge, "up")
    helpers.start(host.lab, _name(host), [sys.executable, __file__, host.port, _inner(host), milliseconds / 1000,
                                          tcp_port or 0])


def end(host):
    """Puts the cable back on the bridge; nothing when it is there."""
    from . import helpers, network
    from .shell import run, succeeds

    helpers.stop(host.lab, _name(host))
    if network.exists(port(host)):
        succeeds("ip", "link", "del", port(host))
    if network.exists(host.port):
        run("ip", "link", "set", host.port, "master", host.lab.bridge)


def _name(host):
    return f"delay-{host.name}"


def _open(link):
    found = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETHERNET_ALL))
    found.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
    found.bind((link, ETHERNET_ALL))
    found.setblocking(False)
    return found


def _is_of(frame, tcp_port):
    """Whether a frame is TCP over IPv4 from or to a port; every frame is when there is no port."""
    if not tcp_port:
        return True
    ip = frame[VNET_HEADER + 14:]
    if frame[VNET_HEADER + 12:VNET_HEADER + 14] != b"\x08\x00" or len(ip) < 24 or ip[9] != 6:
        return False
    return tcp_port in struct.unpack_from("!HH", ip, (ip[0] & 15) * 4)


def _pass(loop, source, target, seconds, tcp_port, waiting):
    """Takes the frames that are there and has each sent when its time has come."""
    for _ in range(256):
        try:
            frame, address = source.recvfrom(70000)
        except OSError:
            return
        if address[2] == socket.PACKET_OUTGOING:
            continue
        if not _is_of(frame, tcp_port):
            _send(target, frame)
        elif waiting[0] < FRAMES:
            waiting[0] += 1
            loop.call_later(seconds, _send_late, target, frame, waiting)


def _send_late(target, frame, waiting):
    waiting[0] -= 1
    _send(target, frame)


def _send(target, frame):
    try:
        target.send(frame)
    except OSError:
        # The link is down or its queue full: the frame is lost.
        return


def relay(first, second, seconds, tcp_port):
    loop = asyncio.new_event_loop()
    loop.add_signal_handler(signal.SIGTERM, loop.stop)
    one, other = _open(first), _open(second)
    waiting = [0]
    loop.add_reader(one, _pass, loop, one, other, seconds, tcp_port, waiting)
    loop.add_reader(other, _pass, loop, other, one, seconds, tcp_port, waiting)
    loop.run_forever()


if __name__ == "__main__":
    relay(sys.argv[1], sys.argv[2], float(sys.argv[3]), int(sys.argv[4]))
