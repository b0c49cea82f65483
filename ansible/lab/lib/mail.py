"""Mails of a lab: its sink listens on the bridge and keeps what hosts send."""

import sys

from . import boot, helpers, settings

PORT = 2525


def mails(lab):
    return lab.state / "mails.jsonl"


def start(lab):
    """Starts the sink of a lab; nothing when it runs."""
    mails(lab).touch()
    helpers.start(lab, "mail", [settings.tool("python"), settings.LIB / "sink.py", lab.gateway, PORT, mails(lab)],
                  ready=lambda _: boot.answers(lab.gateway, PORT))


def stop(lab):
    """Stops it: senders are refused the connection."""
    helpers.stop(lab, "mail")


def show(lab):
    """Prints them all."""
    if mails(lab).exists():
        sys.stdout.write(mails(lab).read_text())
