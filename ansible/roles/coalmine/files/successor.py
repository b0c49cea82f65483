#!/usr/bin/env python3
"""successor.py upgrade|restart LINK ADMIN SECONDS

Puts the program that LINK leads to in place of the process that runs as coalmine.service, and returns when the new one
is the unit's main process and says on http://ADMIN/readyz that it serves. Else prints the log's last lines, exit 1.
"""

import os
import subprocess
import sys
import time
import urllib.error
import urllib.request

UNIT = "coalmine.service"
# keepalived asks each second and wants two answers: only then may the other balancer be taken down.
SETTLE = 3


def main(how, link, admin, patience):
    before = main_process()
    deadline = time.monotonic() + patience
    wanted = os.path.realpath(link)
    if how == "restart":
        # Returns when the new process has said that it is ready.
        subprocess.run(["systemctl", "restart", UNIT], check=True)
    else:
        subprocess.run(["systemctl", "kill", "-s", "USR2", "--kill-whom=main", UNIT], check=True)
    why = "nothing was asked"
    while time.monotonic() < deadline:
        why = why_not(before, wanted, admin)
        if why is None:
            time.sleep(SETTLE if how == "restart" else 0)
            print(f"{how}: process {main_process()} runs {wanted} in place of {before}")
            return 0
        time.sleep(0.2)
    log = subprocess.run(
        ["journalctl", "-u", UNIT, "-n", "20", "-o", "cat", "--no-pager"], capture_output=True, text=True, check=False
    )
    print(f"{how}: after {patience} s {why}; the log says:\n{log.stdout}", file=sys.stderr)
    return 1


def main_process():
    shown = subprocess.run(
        ["systemctl", "show", "-p", "MainPID", "--value", UNIT], capture_output=True, text=True, check=True
    )
    return int(shown.stdout)


def why_not(before, wanted, admin):
    """None: the successor serves."""
    process = main_process()
    if process in (0, before):
        return f"process {before} still is the main one"
    try:
        program = os.readlink(f"/proc/{process}/exe")
    except OSError as error:
        return f"process {process} can't be looked at: {error}"
    if program != wanted:
        return f"process {process} runs {program}, not {wanted}"
    try:
        with urllib.request.urlopen(f"http://{admin}/readyz", timeout=2) as answer:
            answer.read()
    except (OSError, urllib.error.URLError) as error:
        return f"it is not ready: {error}"
    return None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], sys.argv[3], float(sys.argv[4])))
