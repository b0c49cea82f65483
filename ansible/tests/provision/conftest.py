"""What the tests of provisioning share: a fleet of few machines, the plays, providers on loopback."""

import json
import os
import socket
import subprocess
import sys
import threading
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs

import pytest

from fake_digitalocean import TOKEN, DigitalOcean
from few_machines import OPERATORS

ANSIBLE = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
COUNTS = {"balancers": 2, "checkbox_canary": 1, "render": 0, "redis": 1}
BASES = {"balancers": "lb", "checkbox_canary": "canary", "render": "render", "redis": "redis"}


class Fleet:
    """Runs the plays for one inventory, in a home of their own."""

    def __init__(self, home, inventory, variables, environment):
        self.home, self.inventory = home, ANSIBLE / "inventories" / inventory
        (home / ".ssh").mkdir(parents=True)
        key = home / ".ssh" / "id_ed25519"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
        self.variables = {
            "provision_counts": COUNTS,
            "provision_names": BASES,
            "fleet_operators": OPERATORS,
            "provision_retry_delay": 0,
            "provision_wait_seconds": 300,
            **variables,
        }
        self.environment = {
            "PATH": f"{BIN}:{os.environ['PATH']}",
            "HOME": str(home),
            "ANSIBLE_CONFIG": str(ANSIBLE / "ansible.cfg"),
            "ANSIBLE_CALLBACK_RESULT_FORMAT": "json",
            "LANG": "C.UTF-8",
            **environment,
        }

    def play(self, name, *more):
        return subprocess.run(
            [BIN / "ansible-playbook", "-i", self.inventory, ANSIBLE / "playbooks" / f"{name}.yml"]
            + ["-e", json.dumps(self.variables), *more],
            env=self.environment,
            cwd=ANSIBLE,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=900,
        )

    def ok(self, name, *more):
        run = self.play(name, *more)
        assert run.returncode == 0, run.stdout[-6000:] + run.stderr
        return run.stdout

    def listed(self):
        run = subprocess.run(
            [BIN / "ansible-inventory", "-i", self.inventory, "--list"],
            env=self.environment,
            cwd=ANSIBLE,
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert run.returncode == 0, run.stderr
        # What a provider has said is marked as not to be templated.
        return json.loads(run.stdout, object_hook=lambda value: value.get("__ansible_unsafe", value))

    def known_hosts(self):
        return (self.home / ".coalmine" / "coalmine" / "known_hosts").read_text()


@pytest.fixture
def ssh_port():
    """A port of every loopback address that greets like an ssh server."""
    listener = socket.create_server(("0.0.0.0", 0))

    def greet():
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                connection.sendall(b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n")

    threading.Thread(target=greet, daemon=True).start()
    yield listener.getsockname()[1]
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()


@pytest.fixture
def account():
    provider = DigitalOcean()
    yield provider
    provider.close()


@pytest.fixture
def digitalocean(tmp_path, account, ssh_port):
    return Fleet(
        tmp_path / "home",
        "digitalocean",
        {"provision_do_api_url": account.url, "provision_ssh_port": ssh_port, "provision_login": False},
        {"DO_API_TOKEN": TOKEN, "DO_API_URL": account.url},
    )


class Aws:
    """A moto server, and before it a relay that counts the calls and can answer some of them itself."""

    def __init__(self):
        from moto.ec2.models.security_groups import SecurityGroupRule
        from moto.server import ThreadedMotoServer

        # Protocols with a number have no ports, at AWS and in its own client. moto knows only "all" to have none.
        def without_ports(rule, backend, protocol, group, first, last, *more, plain=SecurityGroupRule.__init__, **named):
            plain(rule, backend, protocol, group, first or 0, last or 0, *more, **named)
            rule.from_port, rule.to_port = (first and int(first), last and int(last))

        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(SecurityGroupRule, "__init__", without_ports)
        self.calls, self.faults = [], []
        self.moto = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
        self.moto.start()
        host, port = self.moto.get_host_and_port()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Relay,), {"aws": self, "to": (host, port)}))
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def client(self):
        import boto3

        return boto3.client("ec2", "eu-central-1", endpoint_url=self.url, **dict(AWS_KEYS))

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        self.moto.stop()
        self.patch.undo()


class Relay(BaseHTTPRequestHandler):
    aws, to = None, None
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        action = parse_qs(body.decode()).get("Action", ["?"])[0]
        self.aws.calls.append(action)
        fault = next((fault for fault in self.aws.faults if fault[0] == action), None)
        if fault:
            self.aws.faults.remove(fault)
            code = "RequestLimitExceeded" if fault[1] == 503 else "InternalError"
            status, kind = fault[1], "text/xml"
            text = f"<Response><Errors><Error><Code>{code}</Code><Message>no</Message></Error></Errors></Response>".encode()
        else:
            onward = HTTPConnection(*self.to, timeout=60)
            onward.request("POST", self.path, body, dict(self.headers))
            answer = onward.getresponse()
            status, kind, text = answer.status, answer.getheader("Content-Type"), answer.read()
            onward.close()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        pass


AWS_KEYS = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}


@pytest.fixture
def moto():
    provider = Aws()
    yield provider
    provider.close()


@pytest.fixture
def aws(tmp_path, moto):
    image = moto.client().describe_images(Owners=["amazon"])["Images"][0]["ImageId"]
    return Fleet(
        tmp_path / "home",
        "aws",
        # moto's machines have no sshd: that the play waits for one is shown with the other provider.
        {
            "provision_aws_endpoint_url": moto.url,
            "provision_aws_image": image,
            "provision_wait": False,
            "provision_login": False,
        },
        {"AWS_ENDPOINT_URL": moto.url, **{name.upper(): value for name, value in AWS_KEYS.items()}},
    )
