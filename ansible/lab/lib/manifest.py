"""What the site installs that is built here: the artifacts of the stand-in applications, and the balancer."""

import hashlib
import re
import shutil

from . import settings
from .progress import say, step
from .shell import LabError, run

BUILD = settings.ANSIBLE / "lab" / "apps" / "build"
BINARIES = ("release", "debug")


def path(lab):
    return lab.state / "artifacts" / "manifest.yml"


def make(lab, binary):
    """Builds the artifacts, copies the binary, and writes the manifest that `play` hands to Ansible."""
    folder = path(lab).parent
    folder.mkdir(parents=True, exist_ok=True)
    if BUILD.exists():
        with step("building the applications"):
            run(BUILD, folder, timeout=900)
    lines = path(lab).read_text().splitlines() if path(lab).exists() else ["---"]
    lines = [line for line in lines if not line.startswith("coalmine_")]
    lines += _binary(lab, binary)
    path(lab).write_text("\n".join(lines) + "\n")


def _binary(lab, binary):
    target = lab.state / "coalmine"
    choice = [settings.TARGET / kind / "coalmine" for kind in BINARIES] + [target]
    source = binary or next((file for file in choice if file.exists()), None)
    if source is None:
        say("no coalmine binary in target/release or target/debug: build one, or name one with --binary")
        return []
    if not source.is_file():
        raise LabError(f"binary {source}", "there is no such file", "make build")
    if source != target:
        draft = target.with_suffix(".draft")
        shutil.copy(source, draft)
        draft.rename(target)
    digest = hashlib.sha256(target.read_bytes()).hexdigest()
    version = re.search(r"\d+\.\d+\.\d+\S*", run(target, "--version"))
    if version is None:
        raise LabError(f"binary {source}", "`--version` names no version", "is it coalmine?")
    say(f"coalmine {version[0]} from {source}")
    return [f"coalmine_binary: {target}", f"coalmine_sha256: {digest}", f'coalmine_version: "{version[0]}"']
