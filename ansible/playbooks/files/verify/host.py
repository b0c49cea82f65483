"""Says how this host is: units, the balancer's services and certificates, who holds the address, Redis.

One argument, JSON; prints JSON.
"""

import ipaddress
import json
import socket
import ssl
import subprocess
import sys
import time
import urllib.request

TIMEOUT = 3


def main(asked):
    return {
        "units": {unit: active(unit) for unit in asked["units"]},
        "holds": holds(asked["address"]) if asked["address"] else None,
        "services": services(asked["admin"]) if asked["admin"] else None,
        "https": https(**asked["https"]) if asked["https"] else None,
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


def https(addresses, names, ca, own, proxies):
    """What a client of each name gets from the first address: how long its certificate holds, and the protocol."""
    context = ssl.create_default_context()
    if ca:
        context.load_verify_locations(cadata=ca)
    context.set_alpn_protocols(["h2", "http/1.1"])
    host, port = addresses[0].rsplit(":", 1)
    place = own if host in ("0.0.0.0", "[::]") else host.strip("[]"), int(port)
    # From such a network a connection has to say first whom it is for.
    proxied = any(ipaddress.ip_address(place[0]) in ipaddress.ip_network(network, strict=False) for network in proxies)
    return {name: greet(place, name, context, b"PROXY UNKNOWN\r\n" if proxied else b"") for name in names}


def greet(place, name, context, before):
    try:
        with socket.create_connection(place, TIMEOUT) as link:
            link.sendall(before)
            with context.wrap_socket(link, server_hostname=name) as guarded:
                until = ssl.cert_time_to_seconds(guarded.getpeercert()["notAfter"])
                return {"days": int((until - time.time()) // 86400), "protocol": guarded.selected_alpn_protocol()}
    except OSError as error:
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
