"""A push deploys, and nothing else does."""

import hashlib
import hmac
import json
import subprocess
import threading
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from asks import ALL
from canary import settle
from lab import Lab, eventually
from load import Load
from report import Report
from test_03_alert import redis

pytestmark = pytest.mark.needs("deploy")

# `coalmine_rollback_ejections` of the lab.
EJECTIONS = 6


class Repository:
    """A developer's clone of the application, and the deploy host as its remote `production`."""

    def __init__(self, lab: Lab, folder: Path) -> None:
        self.lab, self.folder = lab, folder
        host = lab.ip(lab.hosts("deploy")[0])
        artifact = lab.artifacts()["lab_artifacts"]["checkbox-1.0.0"]["path"]
        subprocess.run(["tar", "xf", artifact, "-C", folder], check=True)
        self.git("init", "-q", "-b", "production")
        self.git("remote", "add", "production", f"git@{host}:/srv/deploy/production.git")
        self.commit("0.0.0")
        # A lab that was pushed to before has commits already, and none of them may be lost.
        for line in self.git("ls-remote", "--heads", "production").stdout.splitlines():
            self.git("fetch", "-q", "production", line.split()[1])
            self.git("merge", "-q", "-s", "ours", "--allow-unrelated-histories", "-m", "go on", "FETCH_HEAD")

    def git(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        known, key = self.lab.state / "known_hosts", self.lab.state / "id_ed25519"
        environment = {
            "PATH": "/usr/bin:/bin",
            "HOME": str(self.folder),
            "GIT_SSH_COMMAND": f"ssh -i {key} -o UserKnownHostsFile={known} -o IdentitiesOnly=yes",
        }
        line = ["git", "-C", str(self.folder), "-c", "user.name=dev", "-c", "user.email=dev@lab", *arguments]
        return subprocess.run(line, check=check, capture_output=True, text=True, timeout=120, env=environment)

    def commit(self, version: str) -> str:
        (self.folder / "VERSION").write_text(f"{version}\n")
        self.git("add", "-Af", ".")
        self.git("commit", "-qm", f"version {version}")
        return self.git("rev-parse", "HEAD").stdout.strip()


@pytest.fixture(scope="module")
def repository(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Repository]:
    if not lab.hosts("deploy"):
        pytest.skip(f"{lab.inventory.name} has no deploy")
    yield Repository(lab, tmp_path_factory.mktemp("application"))


def _deployed(lab: Lab, group: str, sha: str) -> bool:
    return all(lab.on(host, "checkbox-release version") == sha[:12] for host in lab.hosts(group))


def test_a_push_to_production_deploys_that_very_commit(lab: Lab, repository: Repository, report: Report) -> None:
    sha = repository.commit("2.0.0")
    started = time.monotonic()
    with Load(lab.address, ALL, rate=20) as load:
        assert "job" in repository.git("push", "production", "production").stderr
        report.say(f"the push took {time.monotonic() - started:.1f} s")
        eventually("stable has it", lambda: _deployed(lab, "checkbox_stable", sha), within=300, pause=1)
        report.say(f"deployed after {time.monotonic() - started:.0f} s")
    assert load.wrong() == [], load.summary()


def test_a_push_to_canary_goes_to_the_canary_alone(lab: Lab, repository: Repository) -> None:
    stable = lab.on(lab.hosts("checkbox_stable")[0], "checkbox-release version")
    sha = repository.commit("2.1.0")
    repository.git("push", "production", "HEAD:refs/heads/canary")
    eventually("the canary has it", lambda: _deployed(lab, "checkbox_canary", sha), within=300, pause=1)
    assert lab.on(lab.hosts("checkbox_stable")[0], "checkbox-release version") == stable


def test_a_push_to_another_branch_is_refused_with_a_reason(lab: Lab, repository: Repository) -> None:
    before = _jobs(lab)
    pushed = repository.git("push", "production", "HEAD:refs/heads/main", check=False)
    assert pushed.returncode != 0
    assert "production" in pushed.stderr and "canary" in pushed.stderr, pushed.stderr
    assert _jobs(lab) == before


def test_of_two_pushes_at_once_the_last_is_what_runs(lab: Lab, repository: Repository) -> None:
    first = repository.commit("2.2.0")
    repository.git("push", "production", f"{first}:refs/heads/production")
    last = repository.commit("2.3.0")
    repository.git("push", "production", f"{last}:refs/heads/production")
    eventually("stable has the last", lambda: _deployed(lab, "checkbox_stable", last), within=600, pause=1)
    eventually("nothing is left to do", lambda: not _open(lab), within=120, pause=1)
    assert _deployed(lab, "checkbox_stable", last)


def test_unsigned_and_replayed_webhooks_are_refused(lab: Lab, repository: Repository) -> None:
    body = json.dumps({"sha": repository.git("rev-parse", "HEAD").stdout.strip()}).encode()
    assert _post(lab, "/deploy", body, {})[0] == 401
    signed = _signed(lab, body)
    forged = {**signed, "X-Coalmine-Signature": "sha256=" + "0" * 64}
    assert _post(lab, "/deploy", body, forged)[0] == 401
    status, answer = _post(lab, "/deploy", body, signed)
    assert status == 202, answer
    again = {name: value for name, value in signed.items() if name != "Idempotency-Key"}
    assert _post(lab, "/deploy", body, again)[0] == 409
    repeated = {**_signed(lab, body), "Idempotency-Key": signed["Idempotency-Key"]}
    status, same = _post(lab, "/deploy", body, repeated)
    assert (status, same["id"]) == (202, answer["id"])
    answers: list[int] = []
    threads = [
        threading.Thread(target=lambda: answers.append(_post(lab, "/canary", body, {"Idempotency-Key": "x"})[0]))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [401] * 4
    eventually("nothing is left to do", lambda: not _open(lab), within=300, pause=1)


def _signed(lab: Lab, body: bytes) -> dict[str, str]:
    moment, nonce = str(int(time.time())), uuid.uuid4().hex
    secret = lab.secret("vault_deploy_webhook_secret").encode()
    mac = hmac.new(secret, f"{moment}.{nonce}.".encode() + body, hashlib.sha256).hexdigest()
    return {
        "X-Coalmine-Timestamp": moment,
        "X-Coalmine-Nonce": nonce,
        "X-Coalmine-Signature": f"sha256={mac}",
        "Idempotency-Key": nonce,
    }


def _post(lab: Lab, path: str, body: bytes, headers: dict[str, str]) -> tuple[int, Any]:
    request = urllib.request.Request(_url(lab, path), body, {"Content-Type": "application/json", **headers}, method="POST")
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            return response.status, json.loads(response.read())
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def _url(lab: Lab, path: str) -> str:
    return f"http://{lab.ip(lab.hosts('deploy')[0])}:9080{path}"


def _jobs(lab: Lab) -> list[dict[str, Any]]:
    with urllib.request.urlopen(_url(lab, "/status"), timeout=10) as response:
        return list(json.loads(response.read())["jobs"])


def _open(lab: Lab) -> list[dict[str, Any]]:
    return [job for job in _jobs(lab) if job["state"] in ("queued", "running")]


def test_a_canary_that_goes_out_again_and_again_is_rolled_back_once(lab: Lab, repository: Repository, report: Report) -> None:
    host = lab.hosts("checkbox_canary")[0]
    before, earlier = lab.on(host, "checkbox-release version"), len(_rollbacks(lab))
    try:
        with Load(lab.address, ALL, rate=20) as load:
            for _ in range(EJECTIONS):
                active = settle(lab)
                redis(lab, "set", "coalmine:alert:checkbox:scenario", "by-hand")
                eventually("the canary is out", lambda: not lab.admitted(active), within=30, pause=0.05)
                redis(lab, "del", "coalmine:alert:checkbox:scenario")
            started = time.monotonic()
            eventually("it is rolled back", lambda: len(_rollbacks(lab, "done")) > earlier, within=300, pause=1)
            report.say(f"rolled back {time.monotonic() - started:.0f} s after the last ejection")
        assert lab.on(host, "checkbox-release version") != before
        assert lab.service("checkbox", active)["tracks"]["canary"]["weight"] == 0
        assert len(_rollbacks(lab)) == earlier + 1
        assert load.wrong() == [], load.summary()
    finally:
        lab.api("DELETE", "services/checkbox/weights", active, {"by": "test"})
    settle(lab)


def _rollbacks(lab: Lab, *states: str) -> list[dict[str, Any]]:
    return [job for job in _jobs(lab) if job["kind"] == "rollback" and (not states or job["state"] in states)]
