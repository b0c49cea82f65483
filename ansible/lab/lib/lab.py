"""One lab: an inventory, the names of what belongs to it on this machine, and its folder."""

from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path

from . import inventory, settings
from .shell import LabError


@dataclass(frozen=True)
class Lab:
    """The network gives the name, so that labs of several inventories stand side by side."""

    inventory: Path
    hosts: dict
    network: IPv4Network

    @classmethod
    def open(cls, folder):
        folder = Path(folder or settings.INVENTORY).resolve()
        hosts = inventory.read(folder)
        return cls(folder, hosts, inventory.network(hosts, folder))

    @property
    def label(self):
        """`77` for 10.77.0.0/24; with all three numbers for any other network."""
        a, b, c, _ = self.network.network_address.exploded.split(".")
        return b if (a, c) == ("10", "0") else f"{a}_{b}_{c}"

    @property
    def bridge(self):
        return f"cl{self.label}"

    @property
    def gateway(self):
        """The machine's own address in the lab."""
        return str(self.network.network_address + 1)

    @property
    def state(self):
        return settings.state_of(self.label)

    @property
    def run(self):
        """What a reboot of the machine ends: sockets, pid files."""
        return settings.RUN / self.label

    def pick(self, names):
        """The hosts of these names, all when there are none."""
        for name in names:
            if name not in self.hosts:
                raise LabError(f"host {name}", f"not in {self.inventory}", f"it has: {' '.join(self.hosts)}")
        return [Host(self, name) for name in (names or self.hosts)]

    def host(self, name):
        return self.pick([name])[0]


@dataclass(frozen=True)
class Host:
    """One host of a lab: its names and paths. What is done to it stands in boot.py, fault.py, network.py."""

    lab: Lab
    name: str

    @property
    def address(self):
        return self.lab.hosts[self.name]

    @property
    def namespace(self):
        return f"{self.lab.bridge}-{self.name}"

    @property
    def port(self):
        """The machine's end of the host's cable."""
        return f"{self.lab.bridge}h{self.address.rpartition('.')[2]}"

    @property
    def cgroup(self):
        return f"coalmine-lab/{self.lab.label}/{self.name}"

    @property
    def disk(self):
        return self.lab.state / "hosts" / self.name

    @property
    def console(self):
        """What systemd and what starts it write."""
        return self.disk / "console.log"
