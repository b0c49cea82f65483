"""The mail sink: an SMTP server that writes each mail as one line of JSON. mail.py starts it as a program."""

import asyncio
import json
import os
import signal
import sys
import time
from email import message_from_bytes, policy
from pathlib import Path

from aiosmtpd.smtp import SMTP


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


def serve(address, port, path):
    async def listen():
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: SMTP(Sink(path), hostname="lab", enable_SMTPUTF8=True), address, port)
        await server.serve_forever()

    asyncio.run(listen())


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    serve(sys.argv[1], int(sys.argv[2]), sys.argv[3])
