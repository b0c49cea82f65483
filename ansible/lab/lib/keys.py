"""ssh keys of a lab: one for whoever logs in, one for each host, known before the first contact."""

from . import base
from .shell import run, succeeds


def user_key(lab):
    """The private key that user admin of every host takes; made once."""
    return _key(lab.state / "id_ed25519", f"lab {lab.label}")


def host_key(host):
    """The private host key of a host; made once, so that a host that is built anew is the same host."""
    return _key(host.lab.state / "keys" / host.name, host.name)


def _key(path, comment):
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", path)
    return path


def public(path):
    return path.with_name(path.name + ".pub").read_text()


def known_hosts(lab):
    return lab.state / "known_hosts"


def write_known_hosts(lab):
    """One line for each host of the inventory, whether it runs or not."""
    lines = []
    for host in lab.pick([]):
        kind, key = public(host_key(host)).split()[:2]
        lines.append(f"{host.name},{host.address} {kind} {key}\n")
    known_hosts(lab).write_text("".join(lines))


def ssh_options(lab):
    """Options for ssh: the lab's key and known hosts, and nothing of the user's own."""
    return ["-F", "/dev/null", "-i", str(user_key(lab)), "-l", base.USER,
            *(word for option in (f"UserKnownHostsFile={known_hosts(lab)}", "GlobalKnownHostsFile=/dev/null",
                                  "StrictHostKeyChecking=yes", "IdentitiesOnly=yes", "BatchMode=yes",
                                  "ConnectTimeout=90", "LogLevel=ERROR") for word in ("-o", option))]


def control_sockets(lab):
    """Where Ansible keeps its open connections, named by address."""
    return lab.run / "ssh"


def hang_up(lab, address="*"):
    """Ends Ansible's open connections to an address: those to a host that lost its power would hang."""
    for socket in control_sockets(lab).glob(f"{address}-*"):
        succeeds("ssh", "-F", "/dev/null", "-o", f"ControlPath={socket}", "-O", "exit", "lab", timeout=10)
        socket.unlink(missing_ok=True)
