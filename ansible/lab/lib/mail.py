"""The mail sink: an SMTP server on the bridge that writes each mail as one line of JSON.

Run as a program it is the server; the functions start and stop it.
"""

import asyncio
import json
import os
import signal
import sys
import time
from email import message_from_bytes, policy
from pathlib import Path

PORT = 2525


class Sink:
    """aiosmtpd's handler: appends what it takes to a file."""

    def __init__(self, path):
        self.path = Path(path)

    async def handle_DATA(self, server, session, envelope):
        mail = message_from_bytes(envelope.content, policy=policy.default)
        body = mail.get_body(("plain", "html"))
        entry = {"time": time.time(), "peer": session.peer[0], "from": envelope.mail_from, "to": envelope.rcpt_tos,
                 "subject": str(mail["Subject"] or ""), "headers": {name: str(value) for name, value in mail.items()},
                 "body": body.get_content() if body else ""}
        with self.path.open("a") as file:
            file.write(json.dumps(entry) + "\n")
        return "250 taken"


def serve(address, path):
    from aiosmtpd.smtp import SMTP

    async def listen():
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: SMTP(Sink(path), hostname="lab", enable_SMTPUTF8=True), address, PORT)
        await server.serve_forever()

    asyncio.run(listen())


def mails(lab):
    return lab.state / "mails.jsonl"


def start(lab):
    """Starts the sink of a lab; nothing when it runs."""
    from . import helpers, settings

    mails(lab).touch()
    helpers.start(lab, "mail", [settings.tool("python"), __file__, lab.gateway, mails(lab)])


def stop(lab):
    """Stops it: senders are refused the connection."""
    from . import helpers

    helpers.stop(lab, "mail")


def show(lab):
    """Prints them all."""
    if mails(lab).exists():
        sys.stdout.write(mails(lab).read_text())


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    serve(sys.argv[1], sys.argv[2])
