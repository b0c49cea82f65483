"""Reads what verify's hosts have said, as JSON on standard input; prints a table, and below it what is wrong.

Exit 0: nothing is. Exit 1: something is.
"""

import json
import sys

# As Prometheus warns.
DAYS = 14


def report(given):
    """The lines of the table, and the faults."""
    rows, faults, seen = [], [], {}
    for host, result in given["seen"].items():
        if result.get("unreachable") or result.get("rc") != 0:
            why = " ".join(str(result.get("stderr") or result.get("msg")).split())[:200]
            rows.append((host, "host", "gone", why))
            faults.append(f"{host}: can't be asked: {why}")
        else:
            seen[host] = json.loads(result["stdout"])
    for host, it in seen.items():
        for unit, state in it["units"].items():
            rows.append((host, unit, state, ""))
            if state != "active":
                faults.append(f"{host}: {unit} is {state}; journalctl -u {unit}")
    for host, it in seen.items():
        if it["services"] is not None:
            of_balancer(host, it["services"], given["backends"], bool(given["address"]) and not it["holds"], rows, faults)
        certificates(host, it["https"] or {}, rows, faults)
    address(given["address"], seen, rows, faults)
    redis(seen, rows, faults)
    return rows, faults


def of_balancer(host, services, wanted, idle, rows, faults):
    """`idle`: clients do not come to it, so that the trial of a canary waits there for the first of them."""
    if isinstance(services, dict):
        faults.append(f"{host}: its API does not answer: {services['error']}")
        return
    for service in services:
        name, gate = service["name"], service.get("gate")
        tracks = [track for track in (service["tracks"]["stable"], service["tracks"].get("canary")) if track]
        backends = [backend for track in tracks for backend in track["backends"]]
        up = [backend for backend in backends if backend["state"] == "up" and not backend["draining"]]
        state = "degraded" if service["degraded"] else gate["state"] if gate else "balanced"
        rows.append((host, name, state, f"{len(up)} of {len(backends)} up"))
        for backend in backends:
            if backend not in up:
                what = "draining" if backend["draining"] else backend["state"]
                faults.append(f"{host}: {name}: {backend['id']} is {what}: {backend['reason'] or 'by an operator'}")
        if gate and gate["state"] != "admitted" and not (idle and gate["reasons"] == ["trial"]):
            faults.append(f"{host}: {name}: the canary is out: {json.dumps(gate['reasons'])}")
        if service["degraded"]:
            faults.append(f"{host}: {name}: degraded: {service['degraded']}")
        missing = set(wanted.get(name, [])) - {backend["id"] for backend in backends}
        if missing:
            faults.append(f"{host}: {name} lacks {', '.join(sorted(missing))}")
    for name in sorted(name for name, hosts in wanted.items() if hosts):
        if name not in [service["name"] for service in services]:
            faults.append(f"{host}: there is no service {name}")


def certificates(host, names, rows, faults):
    for name, it in names.items():
        if "error" in it:
            rows.append((host, f"https {name}", "refused", ""))
            faults.append(f"{host}: https for {name}: {it['error']}")
            continue
        rows.append((host, f"https {name}", it["protocol"] or "http/1.1", f"{it['days']} days left"))
        if it["days"] < DAYS:
            faults.append(f"{host}: the certificate for {name} ends in {it['days']} days")


def address(floating, seen, rows, faults):
    holders = [host for host, it in seen.items() if it["holds"]]
    if not floating:
        return
    rows.append((", ".join(holders) or "nobody", floating, "held", ""))
    if len(holders) > 1:
        faults.append(f"{floating} is held by {' and '.join(holders)}: they do not hear each other (protocol 112)")
    if not holders:
        faults.append(f"{floating} is held by nobody: journalctl -u keepalived on the balancers")


def redis(seen, rows, faults):
    views = {host: it["primary"] for host, it in seen.items() if it["primary"] is not None}
    for host, it in seen.items():
        if it["redis"] is not None:
            lives = it["redis"].startswith(("+PONG", "-NOAUTH", "-LOADING", "-MASTERDOWN"))
            rows.append((host, "redis", "answers" if lives else "gone", views.get(host, "")))
            if not lives:
                faults.append(f"{host}: redis: {it['redis'].strip()}")
    if len(set(views.values())) > 1:
        faults.append(f"the sentinels do not agree on the primary: {json.dumps(views)}")


def main():
    rows, faults = report(json.load(sys.stdin))
    widths = [max(len(str(row[column])) for row in rows) for column in range(3)]
    for row in rows:
        print("  ".join(str(cell).ljust(width) for cell, width in zip(row, [*widths, 0])).rstrip())
    for fault in faults:
        print(f"WRONG {fault}")
    print("something is wrong" if faults else "all is well")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
