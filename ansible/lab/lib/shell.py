"""Running programs, and failing in a way that helps."""

import subprocess


class LabError(Exception):
    """What failed, why, and what to do about it."""

    def __init__(self, thing, reason, remedy=""):
        super().__init__(f"{thing}: {reason}" + (f"\n  {remedy}" if remedy else ""))


def run(*command, check=True, timeout=120, **options):
    """Runs a program and returns its output; a LabError carries its last lines."""
    words = [str(word) for word in command]
    try:
        done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=timeout,
                              **{"stdin": subprocess.DEVNULL, **options})
    except FileNotFoundError:
        raise LabError(words[0], "not installed", "run ansible/lab/setup as root") from None
    except subprocess.TimeoutExpired:
        raise LabError(" ".join(words), f"no end after {timeout} s") from None
    if check and done.returncode != 0:
        last = "\n  ".join(done.stdout.strip().splitlines()[-8:])
        raise LabError(" ".join(words), f"exit {done.returncode}", last)
    return done.stdout


def succeeds(*command, **options):
    """Whether a program ends with 0."""
    words = [str(word) for word in command]
    return subprocess.run(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL,
                          **{"timeout": 60, **options}).returncode == 0
