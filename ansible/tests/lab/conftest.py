"""A lab of two hosts on a network of its own, for the tests of this folder."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

COMMANDS = Path(__file__).resolve().parents[2] / "lab"
INVENTORY = """
all:
  hosts:
    near: { ansible_host: 10.79.0.11 }
    far: { ansible_host: 10.79.0.12 }
"""


class Commands:
    """Runs commands of the lab."""

    def __init__(self, folder):
        self.folder = folder
        self.state = folder / "state"
        (folder / "inventory").mkdir()
        (folder / "inventory" / "hosts.yml").write_text(INVENTORY)
        self.environment = dict(os.environ, COALMINE_LAB_INVENTORY=str(folder / "inventory"),
                                COALMINE_LAB_STATE=str(self.state))

    def start(self, name, *arguments):
        return subprocess.Popen([COMMANDS / name, *map(str, arguments)], env=self.environment, text=True,
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def __call__(self, name, *arguments, status=0, timeout=600):
        process = self.start(name, *arguments)
        try:
            out, error = process.communicate(timeout=timeout)
        finally:
            process.kill()
        assert status is None or process.returncode == status, f"{name}: exit {process.returncode}\n{out}{error}"
        return out if status == 0 else out + error

    def on(self, host, script, **options):
        return self("ssh", host, script, **options)

    def reaches(self, host, other):
        return "yes" in self.on(host, f"ping -c1 -W2 {other} >/dev/null && echo yes || echo no")


@pytest.fixture(scope="session")
def commands(tmp_path_factory):
    if os.geteuid() != 0:
        pytest.skip("the lab needs root")
    found = Commands(tmp_path_factory.mktemp("lab"))
    found("down")
    yield found
    found("down")
    shutil.rmtree(found.state, ignore_errors=True)


@pytest.fixture
def lab(commands):
    """Both hosts up, cables mended, nothing frozen."""
    commands("up")
    for host in ("near", "far"):
        commands("thaw", host)
        commands("mend", host)
    return commands
