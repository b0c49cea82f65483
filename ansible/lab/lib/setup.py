"""The tools of the lab: programs by apt, Python packages in a venv. Nothing is done for what is there."""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from . import settings
from .progress import say, step
from .shell import LabError, run

# A program or file that tells that a package is there, and the package. The last ones build the applications.
NEEDED = {
    "debootstrap": "debootstrap", "ip": "iproute2", "nft": "nftables", "ssh": "openssh-client", "nsenter": "util-linux",
    "lxcfs": "lxcfs", "systemctl": "systemd", "openssl": "openssl", "curl": "curl",
    "/usr/share/keyrings/debian-archive-keyring.gpg": "debian-archive-keyring",
    "javac": "default-jdk-headless", "npm": "npm",
    "/usr/share/java/tomcat9-catalina.jar": "libtomcat9-java",
    "javax2jakarta": "tomcat-jakartaee-migration",
}
REQUIREMENTS = [settings.ANSIBLE / "requirements.txt", settings.ANSIBLE / "lab" / "requirements.txt"]
POLICY = Path("/usr/sbin/policy-rc.d")
PATH = os.environ.get("PATH", "") + ":/usr/local/sbin:/usr/sbin:/sbin"


def setup():
    _programs()
    _venv()


def _programs():
    missing = [thing for thing in NEEDED if not _is_there(thing)]
    packages = sorted({NEEDED[thing] for thing in missing} | ({"python3-venv"} if not _has_venv() else set()))
    if not packages:
        return
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise LabError("the lab", f"missing: {' '.join(missing)}",
                       f"on Debian or Ubuntu, as root: apt-get install {' '.join(packages)}")
    with step(f"installing {' '.join(packages)}"), _NoServices():
        run("apt-get", "update", "-q", check=False, timeout=600)
        run("apt-get", "install", "-qy", "--no-install-recommends", *packages, timeout=1800,
            env=dict(os.environ, DEBIAN_FRONTEND="noninteractive"))


def _is_there(thing):
    return os.path.exists(thing) if thing.startswith("/") else shutil.which(thing, path=PATH) is not None


def _has_venv():
    return subprocess.run([sys.executable, "-c", "import ensurepip, venv"], stderr=subprocess.DEVNULL).returncode == 0


class _NoServices:
    """Forbids Debian to start services of new packages, unless the machine has a policy already."""

    def __enter__(self):
        self.mine = not POLICY.exists()
        self.had_lxcfs = shutil.which("lxcfs") is not None
        if self.mine:
            POLICY.write_text("#!/bin/sh\nexit 101\n")
            POLICY.chmod(0o755)

    def __exit__(self, *_):
        if self.mine:
            POLICY.unlink(missing_ok=True)
        if not self.had_lxcfs and shutil.which("systemctl"):
            # Enabled by its package; the lab starts its own.
            run("systemctl", "disable", "lxcfs.service", check=False)


def _venv():
    wanted = hashlib.sha256(b"".join(file.read_bytes() for file in REQUIREMENTS)).hexdigest()
    mark = settings.VENV / ".coalmine"
    if mark.exists() and mark.read_text() == wanted:
        return
    with step(f"Python packages into {settings.VENV}"):
        if not (settings.VENV / "bin" / "python").exists():
            run(sys.executable, "-m", "venv", settings.VENV)
        run(settings.VENV / "bin" / "pip", "install", "-q", "--disable-pip-version-check",
            *(word for file in REQUIREMENTS for word in ("-r", file)), timeout=1800)
        mark.write_text(wanted)
    say(f"the lab's tools are in {settings.VENV}")
