"""What the runner answers, and the mails that it sends."""

from __future__ import annotations

import hashlib
import hmac
import json
import socket
import threading
import time
from collections.abc import Iterator
from types import ModuleType

import pytest
from deploy_host import Site, eventually


@pytest.fixture
def sha(site: Site) -> str:
    site.push()
    site.start()
    site.settled(1)
    return site.git("rev-parse", "HEAD").stdout.strip()


def test_a_signed_request_deploys_and_says_where_its_state_is(site: Site, sha: str) -> None:
    status, answer = site.post("/deploy", {"sha": sha, "who": "jenkins"})
    assert status == 202 and answer["status"].endswith(f"/jobs/{answer['id']}")
    assert site.settled(2)[1]["state"] == "done" and site.deployed() == [sha[:12]] * 2
    status, job = site.ask("GET", f"/jobs/{answer['id']}")
    assert status == 200 and job["who"] == "jenkins" and job["state"] == "done"
    assert site.post("/canary", {"sha": sha})[0] == 202
    assert site.settled(3)[2]["ref"] == "refs/heads/canary"


def test_what_is_not_signed_or_signed_with_another_secret_is_refused(site: Site, sha: str) -> None:
    body = json.dumps({"sha": sha}).encode()
    for headers in ({}, site.signed(body, "rollback"), site.signed(b"{}")):
        for path in ("/deploy", "/canary"):
            assert site.ask("POST", path, body, headers)[0] == 401
    assert site.ask("POST", "/rollback", body, site.signed(body))[0] == 401
    assert len(site.jobs()) == 1


def test_a_replayed_request_is_refused_also_after_a_restart(site: Site, sha: str) -> None:
    body = json.dumps({"sha": sha}).encode()
    headers = site.signed(body)
    assert site.ask("POST", "/deploy", body, headers)[0] == 202
    assert site.ask("POST", "/deploy", body, headers)[0] == 409
    site.settled(2)
    site.end()
    site.start()
    assert site.ask("POST", "/deploy", body, headers)[0] == 409 and len(site.jobs()) == 2


def test_the_same_idempotency_key_gives_the_same_job(site: Site, sha: str) -> None:
    answers = [site.post("/deploy", {"sha": sha}, key="build-00017") for _ in range(3)]
    assert {(status, answer["id"]) for status, answer in answers} == {(202, 2)}
    assert site.post("/deploy", {"sha": sha, "who": "x"}, key="build-00017")[0] == 422


def test_only_post_changes_anything(site: Site, sha: str) -> None:
    for path in ("/deploy", "/canary", "/rollback"):
        assert site.ask("GET", path)[0] == 405
    assert site.ask("POST", "/jobs/1")[0] == 404 and site.ask("GET", "/jobs/99")[0] == 404


@pytest.mark.parametrize(
    "request_body",
    [
        {"sha": "0" * 40},
        {"sha": "production"},
        {"sha": "--upload-pack=touch"},
        {"sha": "a" * 39 + ";"},
        {"sha": 1},
        {"sha": "HEAD", "repository": ["production"]},
        {"repository": "../production"},
        {"ref": "refs/heads/main"},
        {"ref": "refs/heads/production; reboot"},
        {"who": "$(reboot)"},
        {"who": "a\nb"},
        {"who": "{{ lookup('pipe', 'id') }}"},
        [],
        "text",
    ],
)
def test_unknown_repositories_refs_and_commits_and_odd_names_are_refused(
    site: Site, sha: str, request_body: object
) -> None:
    whole = {"sha": sha, **request_body} if isinstance(request_body, dict) else request_body
    status, answer = site.post("/deploy", whole)
    assert status == 422 and answer["error"] and len(site.jobs()) == 1


def test_bodies_are_bounded_and_say_their_length(site: Site, sha: str) -> None:
    assert site.ask("POST", "/deploy", b"x" * 65537)[0] == 413
    with socket.create_connection(("127.0.0.1", site.port), timeout=30) as connection:
        connection.sendall(b"POST /deploy HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        assert b" 411 " in connection.recv(100)


def test_two_balancers_that_ask_for_a_roll_back_get_one(site: Site, sha: str) -> None:
    (site.home / "hold").touch()
    notice = {"event": "rollback", "service": "checkbox", "topic": "gate:checkbox"}
    answers = [site.post("/rollback", {**notice, "source": source}, "rollback") for source in ("lb1", "lb2", "lb1")]
    assert {(status, answer["id"]) for status, answer in answers} == {(202, 2)}
    assert site.post("/rollback", {**notice, "service": "itrust"}, "rollback")[1]["id"] == 3
    (site.home / "hold").unlink()
    site.settled(3)
    assert site.post("/rollback", notice, "rollback")[1]["id"] == 2, "within the quiet time it is the same one"
    argv = site.plays()[1]["argv"]
    assert argv[0] == str(site.home / "rollback.yml") and json.loads(argv[-1])["app"] == "checkbox"


def balancers_call(site: Site, source: str, key: str, at: str = "2026-11-21T18:00:00.000Z") -> tuple[bytes, dict[str, str]]:
    """Body and header fields as a balancer sends them."""
    body = (
        '{"topic":"rollback:checkbox","kind":"info","severity":"critical","source":"%s","service":"checkbox",'
        '"event":"rollback","summary":"the canary was ejected 3 times within 10m: roll it back",'
        '"details":{"ejections":"3","within":"10m"},"at":"%s"}' % (source, at)
    ).encode()
    timestamp, secret = str(int(time.time())), (site.home / "rollback.secret").read_bytes().strip()
    signature = hmac.new(secret, f"{timestamp}.{key}.".encode() + body, hashlib.sha256).hexdigest()
    fields = {"user-agent": "coalmine/0.1.0", "content-type": "application/json", "connection": "close"}
    fields |= {"x-coalmine-timestamp": timestamp, "x-coalmine-nonce": key, "idempotency-key": key}
    return body, fields | {"x-coalmine-signature": f"sha256={signature}"}


def test_the_call_of_a_balancer_rolls_back_once_whoever_sends_it_how_often(site: Site, sha: str) -> None:
    (site.home / "hold").touch()
    one, other = "rollback-checkbox-0123456789abcdef0123456789abcdef", "rollback-checkbox-fedcba9876543210fedcba9876543210"
    # The same key of both; again, as after an answer that was lost; and another key, of the minute after.
    for source, key, at in [("lb1", one, 0), ("lb2", one, 1), ("lb1", one, 2), ("lb2", other, 3)]:
        status, answer = site.ask("POST", "/rollback", *balancers_call(site, source, key, f"2026-11-21T18:00:00.00{at}Z"))
        assert (status, answer.get("id")) == (202, 2), answer
    body, fields = balancers_call(site, "lb1", one)
    assert site.ask("POST", "/rollback", body.replace(b"checkbox", b"itrust"), fields)[0] == 401
    (site.home / "hold").unlink()
    site.settled(2)
    for key in (one, other, "rollback-checkbox-" + "7" * 32):
        assert site.ask("POST", "/rollback", *balancers_call(site, "lb2", key))[1]["id"] == 2
    assert len(site.plays()) == 2 and site.jobs()[1]["who"] == "lb1"


def test_who_sends_a_byte_now_and_then_is_cut_off(deployer: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deployer, "LONGEST", 0.5)
    server = deployer.ThreadingHTTPServer(("127.0.0.1", 0), deployer.Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        with socket.create_connection(server.server_address, timeout=30) as connection:
            connection.sendall(b"POST /deploy HTTP/1.1\r\n")
            assert connection.recv(100) == b""
    finally:
        server.shutdown()
        server.server_close()


def test_other_events_and_unknown_services_roll_nothing_back(site: Site, sha: str) -> None:
    assert site.post("/rollback", {"event": "ejected", "service": "checkbox"}, "rollback")[0] == 200
    assert site.post("/rollback", {"event": "rollback", "service": "other"}, "rollback")[0] == 422
    assert len(site.jobs()) == 1


class Sink:
    """Takes mail on a port of its own, one after the other."""

    def __init__(self) -> None:
        self.listener, self.mails = socket.create_server(("127.0.0.1", 0)), []
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with connection, connection.makefile("rwb", buffering=0) as stream:
                stream.write(b"220 sink\r\n")
                while line := stream.readline():
                    word = line[:4].upper()
                    if word == b"DATA":
                        stream.write(b"354 go on\r\n")
                        mail = b""
                        while (line := stream.readline()) not in (b".\r\n", b""):
                            mail += line
                        self.mails.append(mail.decode())
                    stream.write(b"221 bye\r\n" if word == b"QUIT" else b"250 ok\r\n")
                    if word == b"QUIT":
                        break


@pytest.fixture
def sink() -> Iterator[Sink]:
    sink = Sink()
    yield sink
    sink.listener.close()


def test_a_failure_is_mailed_and_the_first_success_after_it(site: Site, sink: Sink) -> None:
    port = sink.listener.getsockname()[1]
    site.config["mail"] = {
        "host": "127.0.0.1",
        "port": port,
        "tls": "off",
        "from": "d@example.org",
        "to": ["o@example.org"],
    }
    site.write()
    (site.home / "fail").write_text("3")
    site.start()
    site.push()
    assert site.settled(1)[0]["state"] == "failed"
    eventually(lambda: len(sink.mails) == 1, "a mail of the failure")
    (site.home / "fail").unlink()
    for count in (2, 3):
        site.post("/deploy", {"sha": site.jobs()[0]["sha"]})
        site.settled(count)
    eventually(lambda: len(sink.mails) == 2, "a mail of the recovery")
    assert "deployment failed: production" in sink.mails[0] and "ended with 3" in sink.mails[0]
    assert "deployment recovered" in sink.mails[1]
