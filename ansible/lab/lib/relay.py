"""The relay of a delayed cable: passes each frame on between two links, later. delay.py starts it as a program."""

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


def relay(first, second, seconds, tcp_port, ready):
    """Passes frames on between two links until it is told to stop; makes the file `ready` when it has both."""
    loop = asyncio.new_event_loop()
    loop.add_signal_handler(signal.SIGTERM, loop.stop)
    one, other = _open(first), _open(second)
    waiting = [0]
    loop.add_reader(one, _pass, loop, one, other, seconds, tcp_port, waiting)
    loop.add_reader(other, _pass, loop, other, one, seconds, tcp_port, waiting)
    Path(ready).touch()
    loop.run_forever()


if __name__ == "__main__":
    relay(sys.argv[1], sys.argv[2], float(sys.argv[3]), int(sys.argv[4]), sys.argv[5])
