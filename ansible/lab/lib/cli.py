"""What all commands have in common: arguments, errors, root."""

import argparse
import os
import sys
from pathlib import Path

from . import settings
from .lab import Lab
from .shell import LabError


def parser(what, example):
    """A parser with the option that every command has."""
    found = argparse.ArgumentParser(description=what, epilog=f"example:\n  {example}",
                                    formatter_class=argparse.RawDescriptionHelpFormatter)
    found.add_argument("-i", "--inventory", metavar="DIR", type=Path, default=settings.INVENTORY,
                       help=f"the inventory, else COALMINE_LAB_INVENTORY, else {settings.INVENTORY.name}")
    return found


def main(arguments, action):
    """Runs `action(lab, parsed)` and ends the process: 1 with the reason when it fails."""
    parsed = arguments.parse_args()
    try:
        if os.geteuid() != 0:
            raise LabError("the lab", "namespaces and mounts need root", "run it with sudo")
        status = action(Lab.open(parsed.inventory), parsed)
    except LabError as error:
        print(f"{Path(sys.argv[0]).name}: {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
    sys.exit(status or 0)
