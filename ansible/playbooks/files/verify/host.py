"""Says how this host is: units, the balancer's services, who holds the address, Redis. One argument, JSON; prints JSON."""

import json
import socket
import subprocess
import sys
import urllib.request

TIMEOUT = 3


def main(asked):
    return {
        "units": {unit: active(unit) for unit in asked["units"]},
        "holds": holds(asked["address"]) if asked["address"] else None,
        "services": services(asked["admin"]) if asked["admin"] else None,
        "redis": redis(asked["redis"], "PING") if asked["redis"] else None,
        "primary": primary(asked["sentinel"], asked["primary"]) if asked["sentinel"] else None,
    }


def active(unit):
    done = subprocess.run(["systemctl", "is-active", unit], capture_output=True, text=True, check=False)
    return done.stdout.strip()


def holds(address):
    shown = subprocess.run(["ip", "-o", "addr", "show", "to", address], capture_output=True, text=True, check=True)
    return bool(shown.stdout.strip())


def services(admin):
    try:
        with urllib.request.urlopen(f"http://{admin}/api/v1/services", timeout=TIMEOUT) as answer:
            return json.load(answer)["services"]
    except (OSError, ValueError, KeyError) as error:
        return {"error": str(error)}


def primary(sentinel, name):
    answer = redis(sentinel, f"SENTINEL get-master-addr-by-name {name}")
    words = [line for line in answer.split("\r\n") if line and line[0] not in "*$"]
    return ":".join(words) if len(words) == 2 else answer.strip()


def redis(address, command):
    """What comes first, an error of Redis as well: it lives then."""
    host, port = address.rsplit(":", 1)
    try:
        with socket.create_connection((host, int(port)), TIMEOUT) as link:
            link.sendall(command.encode() + b"\r\n")
            return link.recv(4096).decode(errors="replace")
    except OSError as error:
        return f"gone: {error}"


if __name__ == "__main__":
    print(json.dumps(main(json.loads(sys.argv[1]))))
