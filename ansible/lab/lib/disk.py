"""A host's disk: an overlay on the base tree. What makes the host itself is written before its first boot."""

import os
import shutil
import uuid

from . import base, keys

RESOLVERS = ("/run/systemd/resolve/resolv.conf", "/etc/resolv.conf")


def prepare(host, tree):
    """Makes the disk once; a disk that is there is kept as it is."""
    upper = host.disk / "upper"
    if is_made(host):
        return
    draft = host.disk / "upper.draft"
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    shutil.copystat(tree, draft)
    for folder in ("work", "root"):
        (host.disk / folder).mkdir(exist_ok=True)
    (host.disk / "base").write_text(str(tree))
    write = _Writer(tree, draft)
    write("etc/hostname", host.name + "\n")
    # With an id systemd does not take the boot for the very first one, where it enables every unit it finds.
    write("etc/machine-id", uuid.uuid4().hex + "\n", 0o444)
    write("etc/hosts", _hosts(host.lab))
    write("etc/resolv.conf", _resolver())
    key = keys.host_key(host)
    write("etc/ssh/ssh_host_ed25519_key", key.read_text(), 0o600)
    write("etc/ssh/ssh_host_ed25519_key.pub", keys.public(key))
    write(f"home/{base.USER}/.ssh/authorized_keys", keys.public(keys.user_key(host.lab)), 0o600)
    # Ansible's apt takes the lists of the base tree for fresh: the roles need no network for what is installed.
    write("var/lib/apt/periodic/update-success-stamp", "")
    # A systemd of the user's own at each login costs more than most of what is done there.
    write.mask("user@.service")
    # A /proc of its own, which each of these gives it, would show the agent the time of the machine, and not the host's.
    write("etc/systemd/system/coalmine-monitor.service.d/lab.conf",
          "[Service]\nProtectProc=default\nProtectControlGroups=no\nProtectKernelTunables=no\n")
    draft.rename(upper)


def is_made(host):
    return (host.disk / "upper").is_dir()


def tree_of(host):
    """The base tree that the disk stands on."""
    return (host.disk / "base").read_text()


def _hosts(lab):
    lines = ["127.0.0.1 localhost", "::1 localhost ip6-localhost ip6-loopback"]
    return "\n".join(lines + [f"{address} {name}" for name, address in lab.hosts.items()]) + "\n"


def _resolver():
    """The machine's name servers; those behind a stub on loopback, which a host cannot reach."""
    for path in RESOLVERS:
        if os.path.exists(path):
            with open(path, encoding="utf-8") as file:
                return file.read()
    return ""


class _Writer:
    """Writes below the upper folder of an overlay; folders and owners are as in the base tree."""

    def __init__(self, tree, upper):
        self.tree, self.upper = tree, upper

    def __call__(self, path, text, mode=0o644):
        target = self._place(path)
        target.write_text(text)
        target.chmod(mode)
        owner = target.parent.stat()
        os.chown(target, owner.st_uid, owner.st_gid)

    def mask(self, unit):
        self._place(f"etc/systemd/system/{unit}").symlink_to("/dev/null")

    def _place(self, path):
        """The path with the folders above it."""
        target = self.upper / path
        for parent in reversed(target.relative_to(self.upper).parents[:-1]):
            self._folder(self.upper / parent)
        return target

    def _folder(self, path):
        if path.exists():
            return
        path.mkdir()
        model = self.tree / path.relative_to(self.upper)
        if model.exists():
            status = model.stat()
            path.chmod(status.st_mode & 0o7777)
            os.chown(path, status.st_uid, status.st_gid)
