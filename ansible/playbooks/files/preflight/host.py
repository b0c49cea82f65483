"""Looks at this host, and from it at every port that it has to reach. One argument, JSON; prints JSON.

A port is open when somebody answers there, also with a refusal: before the installation nobody listens, and a refusal
comes from the host itself. A firewall or a security group between drops, or says unreachable. A rule that answers with a
TCP reset can't be told from a port where nobody listens.
"""

import json
import os
import socket
import sys
import time
from concurrent.futures import ThreadPoolExecutor

TIMEOUT = 2
# A lost packet must not look like a firewall.
ATTEMPTS = 2


def main(asked):
    time_at_start = time.time()
    wanted = destinations(asked["host"], asked["addresses"], asked["groups"], asked["flows"])
    with ThreadPoolExecutor(max_workers=32) as threads:
        outcomes = threads.map(lambda one: reach(one["address"], one["port"]), wanted)
    closed = [dict(one, why=why) for one, why in zip(wanted, outcomes) if why]
    disk = os.statvfs("/")
    return {
        "asked": asked["asked"],
        "time": time_at_start,
        "system": system(),
        "memory_mb": memory_mb(),
        "disk_mb": disk.f_bavail * disk.f_frsize // 2**20,
        "tried": len(wanted),
        "closed": closed,
    }


def destinations(host, addresses, groups, flows):
    """Each address and port once, with the name of the first flow that needs it."""
    found = {}
    for flow in flows:
        # Of what comes from outside, the way of ssh is proved by our being here.
        if flow["from"] in ("world", "operators") or host not in groups.get(flow["from"], []):
            continue
        for to in groups.get(flow["to"], []):
            place = (addresses[to], int(flow["port"]))
            if to != host and place[0] != addresses[host]:
                one = {"host": to, "address": place[0], "port": place[1], "flow": flow["name"]}
                found.setdefault(place, one)
    return list(found.values())


def reach(address, port):
    """None: it is open. Else what happened."""
    why = None
    for _ in range(ATTEMPTS):
        try:
            socket.create_connection((address, port), TIMEOUT).close()
            return None
        except ConnectionRefusedError:
            return None
        except socket.timeout:
            why = "timed out"
        except OSError as error:
            why = error.strerror or str(error)
    return why


def system():
    with open("/etc/os-release", encoding="utf-8") as file:
        fields = dict(line.strip().split("=", 1) for line in file if "=" in line)
    return f"{fields.get('ID', '')} {fields.get('VERSION_ID', '')}".replace('"', "").strip()


def memory_mb():
    with open("/proc/meminfo", encoding="utf-8") as file:
        return int(next(line for line in file if line.startswith("MemTotal")).split()[1]) // 1024


if __name__ == "__main__":
    print(json.dumps(main(json.loads(sys.argv[1]))))
