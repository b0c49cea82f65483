"""A deployment host in a folder: a bare repository with the hooks, the runner, and a playbook command that only notes."""

from __future__ import annotations

import http.client
import importlib.util
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

FILES = Path(__file__).parents[2] / "roles/deploy/files"
PROGRAM = FILES / "deployer.py"
PRODUCTION, CANARY = "refs/heads/production", "refs/heads/canary"

# Notes its words; waits while the file `hold` is there; ends with what the file `fail` says.
FAKE_PLAYBOOK = """\
import json, os, pathlib, sys, time
home = pathlib.Path(sys.argv[1])
with (home / "plays").open("a") as plays:
    plays.write(json.dumps({"argv": sys.argv[2:], "pid": os.getpid()}) + "\\n")
while (home / "hold").exists():
    time.sleep(0.02)
fail = home / "fail"
print("the end of the play")
sys.exit(int(fail.read_text()) if fail.exists() else 0)
"""


def load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("deployer", PROGRAM)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["deployer"] = module
    spec.loader.exec_module(module)
    return module


def eventually(true: Callable[[], Any], what: str = "") -> Any:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if found := true():
            return found
        time.sleep(0.03)
    raise AssertionError(f"never within 30 s: {what or true}")


class Site:
    def __init__(self, home: Path) -> None:
        self.home, self.process = home, None
        self.state, self.bare, self.clone = home / "state", home / "production.git", home / "clone"
        self.state.mkdir()
        (home / "fake.py").write_text(FAKE_PLAYBOOK)
        for name in ("deploy", "rollback"):
            (home / f"{name}.secret").write_text(f"the secret of {name}\n")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.config: dict[str, Any] = {
            "state": str(self.state),
            "url": f"http://127.0.0.1:{self.port}",
            "listen": ["127.0.0.1", self.port],
            "repositories": {
                "production": {
                    "path": str(self.bare),
                    "app": "checkbox",
                    "refs": {PRODUCTION: "deploy.yml", CANARY: "canary.yml"},
                    "check": [
                        sys.executable,
                        "-c",
                        "import sys, os; sys.exit(os.path.exists('red') and print('it is red') is None)",
                    ],
                }
            },
            "services": {"checkbox": "checkbox", "itrust": "itrust"},
            "ansible": [sys.executable, str(home / "fake.py"), str(home)],
            "playbooks": str(home),
            "deploy_secret": str(home / "deploy.secret"),
            "rollback_secret": str(home / "rollback.secret"),
        }
        self.write()
        self.git("init", "--quiet", "--bare", str(self.bare), at=home)
        for hook in ("pre-receive", "post-receive"):
            (self.bare / "hooks" / hook).symlink_to(FILES / "hooks" / hook)
        enqueue = f"{sys.executable} {PROGRAM} --config {home / 'deployer.json'} enqueue"
        for key, value in {"refs": f"{PRODUCTION} {CANARY}", "name": "production", "enqueue": enqueue}.items():
            self.git("config", f"deploy.{key}", value, at=self.bare)
        self.git("init", "--quiet", "--initial-branch=production", str(self.clone), at=home)
        self.git("remote", "add", "origin", str(self.bare))
        self.commit("first")

    def write(self) -> None:
        (self.home / "deployer.json").write_text(json.dumps(self.config))

    def git(self, *words: str, at: Path | None = None, check: bool = True) -> subprocess.CompletedProcess[str]:
        who = {f"GIT_{role}_{key}": "test@example.org" for role in ("AUTHOR", "COMMITTER") for key in ("NAME", "EMAIL")}
        env = {**os.environ, **who, "GIT_CONFIG_GLOBAL": "/dev/null", "DEPLOY_WHO": "alice"}
        argv = ["git", *words]
        return subprocess.run(
            argv, cwd=at or self.clone, env=env, check=check, text=True, capture_output=True, timeout=60
        )

    def commit(self, name: str) -> str:
        (self.clone / name).write_text(name)
        self.git("add", ".")
        self.git("commit", "--quiet", "-m", name)
        return self.git("rev-parse", "HEAD").stdout.strip()

    def push(self, refspec: str = "HEAD:refs/heads/production", *words: str) -> subprocess.CompletedProcess[str]:
        return self.git("push", *words, "origin", refspec, check=False)

    def start(self) -> None:
        argv = [sys.executable, str(PROGRAM), "--config", str(self.home / "deployer.json"), "serve"]
        with (self.home / "journal").open("ab") as journal:
            self.process = subprocess.Popen(argv, stdout=journal, stderr=journal)
        eventually(self.answers, "the runner answers")

    def answers(self) -> bool:
        assert self.process and self.process.poll() is None, (self.home / "journal").read_text()
        try:
            return self.ask("GET", "/healthz")[0] == 200
        except OSError:
            return False

    def end(self, sign: signal.Signals = signal.SIGTERM) -> None:
        if self.process:
            self.process.send_signal(sign)
            self.process.wait(30)
            self.process = None

    def ask(self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None) -> tuple[int, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        is_json = answer.headers["Content-Type"] == "application/json"
        return answer.status, json.loads(text) if is_json else text

    def signed(self, body: bytes, secret: str = "deploy", key: str = "") -> dict[str, str]:
        argv = [
            sys.executable,
            str(PROGRAM),
            "sign",
            "--secret-file",
            str(self.home / f"{secret}.secret"),
            "--key",
            key,
            "-",
        ]
        lines = (
            subprocess.run(argv, input=body, capture_output=True, check=True, timeout=30).stdout.decode().splitlines()
        )
        return dict(line.split(": ", 1) for line in lines)

    def post(self, path: str, what: Any, secret: str = "deploy", key: str = "") -> tuple[int, Any]:
        body = json.dumps(what).encode()
        return self.ask("POST", path, body, self.signed(body, secret, key))

    def jobs(self) -> list[dict[str, Any]]:
        return list(reversed(self.ask("GET", "/status")[1]["jobs"]))

    def plays(self) -> list[dict[str, Any]]:
        file = self.home / "plays"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []

    def deployed(self) -> list[str]:
        return [json.loads(play["argv"][-1]).get("app_version", "rollback") for play in self.plays()]

    def settled(self, count: int) -> list[dict[str, Any]]:
        def all_ended() -> list[dict[str, Any]] | None:
            jobs = self.jobs()
            return jobs if len(jobs) >= count and all(job["ended"] for job in jobs) else None

        return eventually(all_ended, f"{count} jobs have ended")
