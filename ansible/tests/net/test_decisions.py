#!/usr/bin/env python3
"""What preflight, verify and the move of a floating address decide, without hosts: python3 ansible/tests/net/test_decisions.py"""

import contextlib
import http.server
import importlib.machinery
import importlib.util
import json
import os
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import unittest
from pathlib import Path

ANSIBLE = Path(__file__).resolve().parents[2]
sys.dont_write_bytecode = True


def load(path):
    loader = importlib.machinery.SourceFileLoader(path.replace("/", "_").replace("-", "_"), str(ANSIBLE / path))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))
    loader.exec_module(module)
    return module


looker = load("playbooks/files/preflight/host.py")
asker = load("playbooks/files/verify/host.py")
preflight = load("playbooks/files/preflight/report.py")
verify = load("playbooks/files/verify/report.py")
move = load("roles/keepalived/files/move-address")


class Preflight(unittest.TestCase):
    def test_each_place_is_tried_once_and_what_comes_from_outside_is_not(self):
        groups = {"all": ["a", "b", "r"], "web": ["a", "b"], "redis": ["r"]}
        flows = [
            {"name": "clients", "from": "world", "to": "web", "port": 80},
            {"name": "ssh", "from": "operators", "to": "all", "port": 22},
            {"name": "alerts", "from": "web", "to": "redis", "port": 6379},
            {"name": "agents", "from": "all", "to": "redis", "port": "6379"},
            {"name": "peers", "from": "web", "to": "web", "port": 7},
            {"name": "nobody", "from": "web", "to": "gone", "port": 1},
        ]
        found = looker.destinations("a", {"a": "10.0.0.1", "b": "10.0.0.2", "r": "10.0.0.3"}, groups, flows)
        self.assertEqual(
            [(it["host"], it["port"], it["flow"]) for it in found], [("r", 6379, "alerts"), ("b", 7, "peers")]
        )

    def test_an_answer_and_a_refusal_are_open(self):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
            self.assertIsNone(looker.reach("127.0.0.1", port))
        self.assertIsNone(looker.reach("127.0.0.1", port))

    def test_a_closed_port_is_named_with_its_remedy(self):
        closed = {"host": "r", "address": "10.0.0.3", "port": 6379, "flow": "alerts", "why": "timed out"}
        faults, tried = preflight.report(given(a={"closed": [closed]}, r={}), now=100)
        self.assertEqual(
            faults,
            [
                "from a -> r:6379 (alerts): timed out; a firewall or security group between them drops it; "
                "open TCP 6379 from a to r (10.0.0.3)"
            ],
        )
        self.assertEqual(tried, 2)

    def test_a_host_that_is_gone_is_named_once(self):
        closed = {"host": "r", "address": "10.0.0.3", "port": 6379, "flow": "alerts", "why": "timed out"}
        all_given = given(a={"closed": [closed]})
        all_given["seen"]["r"] = {"unreachable": True, "msg": "no\nroute"}
        self.assertEqual(preflight.report(all_given, now=100)[0], ["r: can't be reached: no route"])

    def test_clocks_disagree_only_when_no_moment_explains_both(self):
        slow = given(a={"time": 99}, b={"time": 93})
        self.assertEqual(preflight.report(slow, now=101)[0], [])
        apart = given(a={"time": 120}, b={"time": 90})
        self.assertIn("the clock of a is at least 19 s before that of b", preflight.report(apart, now=101)[0][0])

    def test_systems_and_sizes_are_judged(self):
        faults, _ = preflight.report(given(a={"system": "debian 9", "memory_mb": 10, "disk_mb": 20}), now=100)
        self.assertEqual(len(faults), 3)


def given(**hosts):
    seen = {"asked": 90, "time": 95, "system": "debian 12", "memory_mb": 999, "disk_mb": 9999, "tried": 1, "closed": []}
    results = {host: {"rc": 0, "stdout": json.dumps(seen | other)} for host, other in hosts.items()}
    return {"systems": ["debian 12"], "memory_mb": 400, "disk_mb": 1000, "clock_seconds": 2, "seen": results}


class Verify(unittest.TestCase):
    def test_a_good_fleet_has_no_fault(self):
        self.assertEqual(verify.report(fleet())[1], [])

    def test_an_address_has_exactly_one_holder(self):
        self.assertIn("held by nobody", verify.report(fleet(lb1={"holds": False}))[1][0])
        self.assertIn("held by lb1 and lb2", verify.report(fleet(lb2={"holds": True}))[1][0])

    def test_what_is_down_or_missing_or_out_is_named(self):
        bad = service("down", "ejected")
        faults = verify.report(fleet(lb1={"services": [bad]}))[1]
        self.assertIn("lb1: shop: web is down: refused", faults)
        self.assertTrue(any("the canary is out" in fault for fault in faults))
        lacking = fleet()
        lacking["backends"]["shop"] = ["web", "web9"]
        self.assertIn("lb1: shop lacks web9", verify.report(lacking)[1])

    def test_a_certificate_that_is_refused_or_ends_soon_is_named(self):
        good, late = {"days": 60, "protocol": "h2"}, {"days": 13, "protocol": "h2"}
        rows, faults = verify.report(fleet(lb1={"https": {"shop.test": good}}))
        self.assertIn(("lb1", "https shop.test", "h2", "60 days left"), rows)
        self.assertEqual(faults, [])
        names = {"shop.test": late, "itrust.test": {"error": "certificate verify failed"}}
        faults = verify.report(fleet(lb1={"https": names}))[1]
        self.assertEqual(
            faults,
            [
                "lb1: the certificate for shop.test ends in 13 days",
                "lb1: https for itrust.test: certificate verify failed",
            ],
        )

    def test_https_is_asked_as_a_client_does_and_as_a_proxy_where_one_is_expected(self):
        with tempfile.TemporaryDirectory() as folder, Greeter(Path(folder)) as greeter:
            ask = {"addresses": [f"0.0.0.0:{greeter.port}"], "own": "127.0.0.1", "ca": greeter.authority}
            names = asker.https(names=["shop.test", "other.test"], proxies=[], **ask)
            self.assertEqual(names["shop.test"], {"days": 29, "protocol": "h2"})
            self.assertIn("other.test", names["other.test"]["error"])
            greeter.header = b"PROXY UNKNOWN\r\n"
            names = asker.https(names=["shop.test"], proxies=["127.0.0.0/8"], **ask)
            self.assertEqual(names["shop.test"]["protocol"], "h2")
            self.assertIn("error", asker.https(names=["shop.test"], proxies=[], **ask | {"ca": ""})["shop.test"])

    def test_sentinels_have_to_agree(self):
        faults = verify.report(fleet(lb1={"primary": "10.0.0.1:1"}, lb2={"primary": "10.0.0.2:1"}))[1]
        self.assertIn("do not agree", faults[0])


def fleet(**others):
    base = {"units": {"coalmine": "active"}, "holds": False, "services": [service()], "https": None, "redis": None}
    base["primary"] = None
    hosts = {"lb1": base | {"holds": True}, "lb2": base}
    seen = {host: {"rc": 0, "stdout": json.dumps(it | others.get(host, {}))} for host, it in hosts.items()}
    return {"address": "10.0.0.9", "backends": {"shop": ["web"], "none": []}, "seen": seen}


def service(state="up", gate="admitted"):
    backend = {"id": "web", "state": state, "draining": False, "reason": "refused"}
    tracks = {"stable": {"backends": [backend]}}
    return {"name": "shop", "degraded": None, "gate": {"state": gate, "reasons": []}, "tracks": tracks}


class Greeter:
    """A server of TLS with a certificate for shop.test, which expects `header` before each handshake."""

    def __init__(self, folder):
        key, certificate = folder / "key.pem", folder / "certificate.pem"
        line = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 -subj /CN=shop.test"
        line = [*line.split(), "-addext", "subjectAltName=DNS:shop.test", "-keyout", key, "-out", certificate]
        subprocess.run(line, check=True, capture_output=True, timeout=60)
        self.authority, self.header = certificate.read_text(), b""
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(certificate, key)
        self.context.set_alpn_protocols(["h2"])

    def __enter__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()
        return self

    def __exit__(self, *_):
        # Wakes who waits for a connection.
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def serve(self):
        while True:
            try:
                link, _ = self.listener.accept()
            except OSError:
                return
            with link, contextlib.suppress(OSError):
                link.settimeout(10)
                if link.recv(len(self.header)) == self.header:
                    self.context.wrap_socket(link, server_side=True).close()


class Cloud(http.server.BaseHTTPRequestHandler):
    """Says what `answers` has for a path, the last one for ever."""

    answers, asked = {}, []

    def answer(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        self.asked.append((self.command, self.path, body, dict(self.headers)))
        of_path = self.answers.get(f"{self.command} {self.path}", [(404, "")])
        status, text = of_path.pop(0) if len(of_path) > 1 else of_path[0]
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    do_GET = do_POST = do_PUT = answer

    def log_message(self, *_):
        pass


class Move(unittest.TestCase):
    # Loopback's own address: "ip addr" shows that this host holds it.
    ADDRESS = "127.0.0.1"

    def setUp(self):
        self.cloud = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Cloud)
        threading.Thread(target=self.cloud.serve_forever, daemon=True).start()
        self.addCleanup(self.cloud.server_close)
        self.addCleanup(self.cloud.shutdown)
        Cloud.asked.clear()

    def run_with(self, answers, **settings):
        Cloud.answers = answers
        url = f"http://127.0.0.1:{self.cloud.server_address[1]}"
        whole = {
            "cloud": "digitalocean", "address": self.ADDRESS, "api": url, "metadata": url, "token": "T", "machine": "",
            "allocation": "eipalloc-1", "region": "eu-central-1", "patience": 20,
        } | settings
        with tempfile.NamedTemporaryFile("w", suffix=".json", delete=False) as file:
            json.dump(whole, file)
        self.addCleanup(os.unlink, file.name)
        return move.main(file.name)

    def test_a_droplet_asks_who_it_is_and_repeats_until_it_has_the_address(self):
        actions = f"/v2/reserved_ips/{self.ADDRESS}/actions"
        answers = {
            "GET /metadata/v1/id": [(200, "42")],
            f"POST {actions}": [(429, "slow down"), (201, "{}")],
            f"GET /v2/reserved_ips/{self.ADDRESS}": [(200, '{"reserved_ip": {"droplet": {"id": 7}}}')],
        }
        self.assertEqual(self.run_with(answers), 0)
        posts = [it for it in Cloud.asked if it[0] == "POST"]
        self.assertEqual([json.loads(it[2]) for it in posts], [{"type": "assign", "droplet_id": 42}] * 2)
        self.assertEqual(posts[0][3]["Authorization"], "Bearer T")

    def test_what_a_droplet_has_already_is_no_failure(self):
        answers = {
            f"POST /v2/reserved_ips/{self.ADDRESS}/actions": [(422, "already assigned")],
            f"GET /v2/reserved_ips/{self.ADDRESS}": [(200, '{"reserved_ip": {"droplet": {"id": 42}}}')],
        }
        self.assertEqual(self.run_with(answers, machine="42"), 0)

    def test_it_gives_up_when_its_time_is_over_or_another_has_the_address(self):
        self.assertEqual(self.run_with({}, machine="42", patience=0.1), 1)
        self.assertEqual(self.run_with({}, machine="42", address="192.0.2.1"), 1)

    def test_an_instance_signs_with_the_credentials_of_its_role(self):
        role = '{"AccessKeyId": "AK", "SecretAccessKey": "SK", "Token": "ST"}'
        answers = {
            "PUT /latest/api/token": [(200, "session")],
            "GET /latest/meta-data/instance-id": [(200, "i-1")],
            "GET /latest/meta-data/iam/security-credentials/": [(200, "fleet\n")],
            "GET /latest/meta-data/iam/security-credentials/fleet": [(200, role)],
            "POST /": [(503, "busy"), (200, "<AssociateAddressResponse/>")],
        }
        self.assertEqual(self.run_with(answers, cloud="aws", token=""), 0)
        body, headers = [it[2:] for it in Cloud.asked if it[0] == "POST"][-1]
        self.assertIn("Action=AssociateAddress", body)
        self.assertIn("InstanceId=i-1", body)
        self.assertIn("Credential=AK/", headers["Authorization"])
        self.assertEqual(headers.get("X-Amz-Security-Token") or headers.get("x-amz-security-token"), "ST")


if __name__ == "__main__":
    unittest.main()
