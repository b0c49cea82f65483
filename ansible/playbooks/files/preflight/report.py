"""Reads what preflight's hosts have seen, as JSON on standard input, and says what is wrong, one fault a line.

Exit 0: nothing is. Exit 1: something is.
"""

import json
import sys
import time


def report(given, now):
    """The faults, and how many connections were tried."""
    faults, seen = [], {}
    for host, result in given["seen"].items():
        if result.get("unreachable"):
            faults.append(f"{host}: can't be reached: {one_line(result.get('msg'))}")
        elif result.get("rc") != 0:
            why = result.get("stderr") or result.get("module_stderr") or result.get("msg")
            faults.append(f"{host}: can't be looked at, it needs /usr/bin/python3: {one_line(why)}")
        else:
            seen[host] = json.loads(result["stdout"])
    for host, it in seen.items():
        if it["system"] not in given["systems"]:
            faults.append(f"{host}: runs {it['system']}; the roles know {', '.join(given['systems'])}")
        for what, word in (("memory_mb", "memory"), ("disk_mb", "space left on /")):
            if it[what] < int(given[what]):
                faults.append(f"{host}: {it[what]} MB of {word}; {given[what]} MB are needed")
    faults += clocks(seen, now, float(given["clock_seconds"]))
    # A host that is not there is no fault of the network.
    faults += [closed(host, it) for host, its in seen.items() for it in its["closed"] if it["host"] in seen]
    return faults, sum(it["tried"] for it in seen.values())


def clocks(seen, now, limit):
    """A clock was read between the question and now; two clocks disagree when no such moment explains both."""
    if not seen:
        return []
    ahead, lead = max(((host, it["time"] - now) for host, it in seen.items()), key=lambda it: it[1])
    behind, lag = min(((host, it["time"] - float(it["asked"])) for host, it in seen.items()), key=lambda it: it[1])
    if lead - lag <= limit:
        return []
    return [f"the clock of {ahead} is at least {lead - lag:.0f} s before that of {behind}; set them (timedatectl)"]


def closed(host, it):
    where = f"{it['host']}:{it['port']}"
    return (
        f"from {host} -> {where} ({it['flow']}): {it['why']}; a firewall or security group between them drops it; "
        f"open TCP {it['port']} from {host} to {it['host']} ({it['address']})"
    )


def one_line(text):
    return " ".join(str(text or "no reason given").split())[:300]


def main():
    given = json.load(sys.stdin)
    faults, tried = report(given, time.time())
    if faults:
        print("\n".join(faults))
        return 1
    print(f"{len(given['seen'])} hosts are fit, and {tried} ways between them are open")
    return 0


if __name__ == "__main__":
    sys.exit(main())
