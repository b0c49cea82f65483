"""The base tree: one Debian that all hosts share, read only, below their own overlays.

A tree is built under a temporary name and renamed when it is complete. Its name is a hash of what went into it, so that
a change of the list below makes a new one, and hosts that run on the old one keep it.
"""

import fcntl
import hashlib
import os
import shutil
import time
from pathlib import Path

from . import settings
from .progress import say, step
from .shell import LabError, run

SUITE = "bookworm"
# What makes a host.
SYSTEM = """systemd systemd-sysv dbus libpam-systemd openssh-server python3 python3-apt python3-venv iproute2 procps
    ca-certificates sudo nftables curl rsync git iputils-ping""".split()
# What many hosts share. The roles install it all the same, which is then done at once.
SHARED = """openjdk-17-jre-headless tomcat10 libmariadb-java nodejs nginx-light logrotate mariadb-server redis-server
    redis-sentinel keepalived prometheus-node-exporter""".split()
# A MongoDB server by its wire protocol, from PyPI: Debian has none.
SECANTUS = "SecantusDB==0.7.0b3"
# Roles enable what they install; until then nothing of it runs.
DISABLED = """tomcat10 nginx mariadb redis-server redis-sentinel keepalived prometheus-node-exporter nftables
    apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer fstrim.timer e2scrub_reap
    prometheus-node-exporter-apt.timer prometheus-node-exporter-nvme.timer
    prometheus-node-exporter-mellanox-hca-temp.timer prometheus-node-exporter-smartmon.timer
    prometheus-node-exporter-ipmitool-sensor.timer""".split()
# These make no sense where the machine's own devices are out of sight.
MASKED = """systemd-udevd.service systemd-udev-trigger.service systemd-udevd-control.socket systemd-udevd-kernel.socket
    systemd-modules-load.service sys-kernel-config.mount sys-kernel-debug.mount sys-kernel-tracing.mount
    dev-hugepages.mount getty.target console-getty.service""".split()
USER = "admin"
# Checkouts that share the folder may each have a tree of their own.
KEEP_S = 3 * 24 * 3600


def tree():
    """The path of the base tree, whether it is built or not."""
    lists = [SUITE, *SYSTEM, *SHARED, SECANTUS, *DISABLED, *MASKED, USER]
    recipe = " ".join(lists).encode() + (settings.LIB / "base.sh").read_bytes()
    return settings.BASE / hashlib.sha256(recipe).hexdigest()[:12]


def build():
    """Builds the base tree unless it is there, and returns its path. One builder at a time."""
    path = tree()
    if path.is_dir():
        return path
    settings.BASE.mkdir(parents=True, exist_ok=True)
    with open(settings.BASE / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.is_dir():
            with step(f"building the base tree {path}, once"):
                _build(path)
    return path


def _build(path):
    draft, log = path.with_suffix(".draft"), path.with_suffix(".log")
    shutil.rmtree(draft, ignore_errors=True)
    mirror, security = _mirrors()
    environment = dict(os.environ, DRAFT=str(draft), LOG=str(log), SUITE=SUITE, MIRROR=mirror, SECURITY=security,
                       SYSTEM=" ".join(SYSTEM), SHARED=" ".join(SHARED), SECANTUS=SECANTUS, ADMIN=USER,
                       DISABLED=" ".join(DISABLED), MASKED=" ".join(MASKED))
    for part, text in (("debian", f"debootstrap of {SUITE}"), ("packages", "packages"),
                       ("secantusdb", "SecantusDB from PyPI"), ("finish", "settings")):
        with step(f"base tree: {text}"):
            try:
                run("bash", settings.LIB / "base.sh", part, env=environment, timeout=900)
            except LabError as error:
                raise LabError("the base tree", f"{text} failed, see {log}", str(error)) from None
    draft.rename(path)
    size = run("du", "-sm", path).split()[0]
    say(f"base tree: {size} MB")
    _remove_unused(path)


def _mirrors():
    """The mirrors of Debian that apt uses on this machine, else Debian's own."""
    found = {}
    listing = run("apt-get", "indextargets", "--format", "$(REPO_URI) $(CODENAME) $(COMPONENT)",
                  "Created-By: Packages", check=False)
    for line in listing.splitlines():
        words = line.split()
        if len(words) == 3 and words[2] == "main":
            found[words[1]] = words[0]
    return (found.get(SUITE, "http://deb.debian.org/debian/"),
            found.get(f"{SUITE}-security", "http://deb.debian.org/debian-security/"))


def _remove_unused(keep):
    """Removes trees that are days old and that no running host of any lab stands on."""
    mounts = ""
    for process in Path("/proc").glob("[0-9]*/mountinfo"):
        try:
            mounts += process.read_text()
        except OSError:
            continue
    for other in settings.BASE.iterdir():
        old = time.time() - other.stat().st_mtime > KEEP_S
        if old and other.is_dir() and other != keep and str(other) not in mounts:
            say(f"removing {other}, which nothing uses")
            shutil.rmtree(other, ignore_errors=True)
            other.with_suffix(".log").unlink(missing_ok=True)
