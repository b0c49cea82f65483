#!/usr/bin/env python3
"""Deploys what was pushed or asked for: a durable queue, one job at a time, each of exactly one commit.

A job is enqueued by the hook of a repository, by a signed POST, or by hand; it waits in SQLite. The runner takes one,
lays out its commit, has it checked, builds the artifact and runs the playbook. Whatever ends the process, a job is
either still queued, ended, or taken up again by the next start. Nothing here goes through a shell.

Read from the top: configuration, rules without I/O, queue, steps, runner, mail, HTTP, command line.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import functools
import gzip
import hashlib
import hmac
import html
import json
import os
import re
import secrets
import shutil
import signal
import smtplib
import socket
import sqlite3
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

# --- Configuration ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Repository:
    path: Path
    app: str
    refs: Mapping[str, str]  # ref -> playbook
    check: list[str] = field(default_factory=list)  # run with the commit, in its tree; 0: it may be deployed
    build: list[str] = field(default_factory=list)  # run with the tree and the file to make; none: the tree, packed
    suffix: str = ".tar.gz"


@dataclass(frozen=True)
class Config:
    state: Path
    url: str
    listen: tuple[str, int]
    repositories: Mapping[str, Repository]
    services: Mapping[str, str]  # service of the balancer -> app
    ansible: list[str]
    playbooks: Path
    deploy_secret: Path
    rollback_secret: Path
    check_seconds: float = 600
    build_seconds: float = 600
    play_seconds: float = 3600
    quiet_seconds: float = 600
    log_bytes: int = 1 << 20
    attempts: int = 3
    kept_jobs: int = 500
    kept_artifacts: int = 10
    mail: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def load(cls, file: Path) -> Config:
        raw = json.loads(file.read_text())
        for name in ("state", "playbooks", "deploy_secret", "rollback_secret"):
            raw[name] = Path(raw[name])
        repositories = {n: Repository(**{**r, "path": Path(r["path"])}) for n, r in raw.pop("repositories").items()}
        return cls(**{**raw, "listen": tuple(raw["listen"]), "repositories": repositories})


# --- Rules -----------------------------------------------------------------------------------------------------------

WINDOW = 300  # seconds that a signature holds, before and after
BODY_LIMIT = 64 * 1024
SHA = re.compile(r"[0-9a-f]{40}")
WHO = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
TOKEN = re.compile(r"[A-Za-z0-9._:/%-]{8,128}")
ENDED = ("done", "failed", "refused", "superseded")


class Refusal(Exception):
    """What is not done, and why; `status` is the answer to a request."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


def signature(secret: bytes, timestamp: str, nonce: str, body: bytes) -> str:
    return "sha256=" + hmac.new(secret, f"{timestamp}.{nonce}.".encode() + body, hashlib.sha256).hexdigest()


def verified(secret: bytes, headers: Mapping[str, str], body: bytes, now: float) -> tuple[str, float]:
    """The signature of a signed request, and the time until which it has to be remembered. Not the nonce: who was not
    answered signs the same one again, and several balancers name one matter by one nonce."""
    timestamp, nonce = headers.get("X-Coalmine-Timestamp") or "", headers.get("X-Coalmine-Nonce") or ""
    given = headers.get("X-Coalmine-Signature") or ""
    if not (secret and TOKEN.fullmatch(nonce) and re.fullmatch(r"[0-9]{1,12}", timestamp)):
        raise Refusal(401, "not signed: X-Coalmine-Timestamp, X-Coalmine-Nonce and X-Coalmine-Signature are needed")
    wanted = signature(secret, timestamp, nonce, body)
    if not hmac.compare_digest(wanted.encode(), given.encode("utf-8", "surrogateescape")):
        raise Refusal(401, "the signature is not of this body, timestamp and nonce by the shared secret")
    if abs(now - int(timestamp)) > WINDOW:
        raise Refusal(401, f"the timestamp is more than {WINDOW} s from the time here: sign again, look at the clocks")
    return given, float(int(timestamp) + WINDOW)


def text(request: Mapping[str, Any], key: str, pattern: re.Pattern[str], default: str = "") -> str:
    value = request.get(key, default)
    if not (isinstance(value, str) and pattern.fullmatch(value)):
        raise Refusal(422, f"`{key}` has to be a text like {pattern.pattern}")
    return value


def ref_of(repository: Repository, path: str, asked: object) -> str:
    """The ref that a request means: of the path's name where the repository has it, and no other than asked for."""
    branch = {"/deploy": "production", "/canary": "canary"}[path]
    ref = f"refs/heads/{branch}"
    if ref not in repository.refs or asked not in (None, ref):
        raise Refusal(422, f"{path} deploys {ref}, which has to be one of {', '.join(sorted(repository.refs))}")
    return ref


def after_restart(attempts: int, allowed: int) -> tuple[str, str]:
    """What becomes of a job that was running when the runner ended."""
    if attempts < allowed:
        return "queued", f"taken up again: the runner ended during attempt {attempts}"
    return "failed", f"the runner ended during each of {attempts} attempts"


def mail_due(before: str | None, state: str) -> str | None:
    """The word for a mail when a job ends after one that ended as `before`; None: no mail."""
    if state in ("failed", "refused"):
        return state
    return "recovered" if state == "done" and before in ("failed", "refused") else None


# --- Queue -----------------------------------------------------------------------------------------------------------

SCHEMA = """
CREATE TABLE IF NOT EXISTS jobs(id INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, line TEXT NOT NULL,
  repository TEXT, ref TEXT, sha TEXT, service TEXT, who TEXT NOT NULL, state TEXT NOT NULL, reason TEXT,
  attempts INTEGER NOT NULL DEFAULT 0, created REAL NOT NULL, started REAL, ended REAL);
CREATE INDEX IF NOT EXISTS jobs_by_line ON jobs(line, state);
CREATE TABLE IF NOT EXISTS heads(line TEXT PRIMARY KEY, sha TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS signatures(signature TEXT PRIMARY KEY, until REAL NOT NULL);
CREATE TABLE IF NOT EXISTS keys(key TEXT PRIMARY KEY, digest TEXT NOT NULL, job INTEGER NOT NULL, until REAL NOT NULL);
CREATE TABLE IF NOT EXISTS outbox(id INTEGER PRIMARY KEY AUTOINCREMENT, subject TEXT NOT NULL, body TEXT NOT NULL);
"""
Job = sqlite3.Row


class Order(NamedTuple):
    """What is asked for. Jobs of one `line` replace each other while they wait."""

    kind: str  # deploy or rollback
    who: str
    repository: str | None = None
    ref: str | None = None
    sha: str | None = None
    service: str | None = None

    @property
    def line(self) -> str:
        return f"rollback {self.service}" if self.kind == "rollback" else f"{self.repository} {self.ref}"


class Call(NamedTuple):
    """What a balancer knew when it asked for a roll-back."""

    at: float  # of what has happened there
    since: float  # a roll-back that ended since then is the one that is asked for
    lines: tuple[str, ...]  # of the deployments that a roll-back undoes


class Queue:
    """The jobs, in one file that several processes may open. Each method is one transaction."""

    def __init__(self, file: Path) -> None:
        self.file = file
        with self.open() as db:
            db.executescript("PRAGMA journal_mode=WAL;" + SCHEMA)

    @contextlib.contextmanager
    def open(self) -> Iterator[sqlite3.Connection]:
        db = sqlite3.connect(self.file, timeout=30, isolation_level=None)
        try:
            db.row_factory = sqlite3.Row
            db.execute("PRAGMA synchronous=FULL")
            yield db
        finally:
            db.close()

    @contextlib.contextmanager
    def change(self) -> Iterator[sqlite3.Connection]:
        with self.open() as db:
            db.execute("BEGIN IMMEDIATE")
            try:
                yield db
            except BaseException:
                db.execute("ROLLBACK")
                raise
            db.execute("COMMIT")

    def add(
        self,
        order: Order,
        now: float,
        *,
        head: Callable[[], str] | None = None,
        key: str = "",
        digest: str = "",
        signed: tuple[str, float] | None = None,
        call: Call | None = None,
    ) -> int:
        """The id of the job, or of the one that stands for it. `head` tells what the ref is at: a push that another one
        has overtaken waits no more. `signed` is remembered with the job or not at all: who got no answer asks again."""
        with self.change() as db:
            if signed:
                self.remember(db, signed, now)
            db.execute("DELETE FROM keys WHERE until < ?", (now,))
            known = db.execute("SELECT * FROM keys WHERE key = ?", (key,)).fetchone() if key else None
            if known and known["digest"] != digest:
                raise Refusal(422, "this Idempotency-Key was used with another body")
            if known:
                return int(known["job"])
            tip = head() if head else order.sha
            job = self.standing(db, order, call) or self.insert(db, order, now, tip)
            if head and tip == order.sha:
                db.execute("INSERT OR REPLACE INTO heads VALUES(?,?)", (order.line, order.sha))
            if key:
                db.execute("INSERT INTO keys VALUES(?,?,?,?)", (key, digest, job, now + 86400))
            return job

    @staticmethod
    def remember(db: sqlite3.Connection, signed: tuple[str, float], now: float) -> None:
        db.execute("DELETE FROM signatures WHERE until < ?", (now,))
        if db.execute("INSERT OR IGNORE INTO signatures VALUES(?,?)", signed).rowcount != 1:
            raise Refusal(409, "this request was sent before: sign again; the same Idempotency-Key gives the same job")

    @staticmethod
    def standing(db: sqlite3.Connection, order: Order, call: Call | None) -> int | None:
        """The last job of the line, where it does what is asked for: it waits or runs, or is a roll-back that ended
        just now, and what was deployed after it is not what the balancer has seen."""
        last = db.execute(
            "SELECT * FROM jobs WHERE line = ? AND state != 'superseded' ORDER BY id DESC LIMIT 1", (order.line,)
        ).fetchone()
        if last is None or last["sha"] != order.sha:
            return None
        if last["ended"] is None:
            return int(last["id"])
        if call is None or last["ended"] < call.since:
            return None
        deployed = db.execute(
            f"SELECT 1 FROM jobs WHERE line IN ({','.join('?' * len(call.lines))}) AND started > ? AND ended < ?",
            (*call.lines, last["ended"], call.at),
        ).fetchone()
        return None if deployed else int(last["id"])

    @staticmethod
    def insert(db: sqlite3.Connection, order: Order, now: float, tip: str | None) -> int:
        state, reason, ended = "queued", None, None
        if tip != order.sha:
            state, reason, ended = "superseded", f"{order.ref} has gone on to {tip}", now
        columns = (order.kind, order.line, order.repository, order.ref, order.sha, order.service, order.who)
        cursor = db.execute(
            "INSERT INTO jobs(kind, line, repository, ref, sha, service, who, state, reason, created, ended)"
            " VALUES(?,?,?,?,?,?,?,?,?,?,?)",
            (*columns, state, reason, now, ended),
        )
        job = int(cursor.lastrowid or 0)
        if state == "queued":
            db.execute(
                "UPDATE jobs SET state = 'superseded', reason = ?, ended = ?"
                " WHERE line = ? AND state = 'queued' AND id < ?",
                (f"by job {job}", now, order.line, job),
            )
        return job

    def claim(self, now: float) -> Job | None:
        """The next job, which runs from now on: a roll-back first, then the oldest."""
        with self.change() as db:
            row = db.execute(
                "SELECT id FROM jobs WHERE state = 'queued' ORDER BY kind = 'rollback' DESC, id LIMIT 1"
            ).fetchone()
            if row is None:
                return None
            db.execute(
                "UPDATE jobs SET state = 'running', started = ?, attempts = attempts + 1 WHERE id = ?", (now, row["id"])
            )
            job: Job = db.execute("SELECT * FROM jobs WHERE id = ?", (row["id"],)).fetchone()
            return job

    def end(self, job: Job, state: str, reason: str | None, now: float) -> str | None:
        """Ends a job; the state in which the one before it in its line ended."""
        with self.change() as db:
            before = db.execute(
                "SELECT state FROM jobs WHERE line = ? AND id < ? AND state IN ('done', 'failed', 'refused')"
                " ORDER BY id DESC LIMIT 1",
                (job["line"], job["id"]),
            ).fetchone()
            db.execute("UPDATE jobs SET state=?, reason=?, ended=? WHERE id=?", (state, reason, now, job["id"]))
            return before and str(before["state"])

    def take_up(self, allowed: int, now: float) -> list[tuple[Job, str, str]]:
        """What becomes of the jobs that a runner left when it ended; those that may not be tried again are to end."""
        found = []
        with self.change() as db:
            for job in db.execute("SELECT * FROM jobs WHERE state = 'running'").fetchall():
                state, reason = after_restart(job["attempts"], allowed)
                newer = "SELECT id FROM jobs WHERE line = ? AND state = 'queued' AND id > ? LIMIT 1"
                if state == "queued" and (other := db.execute(newer, (job["line"], job["id"])).fetchone()):
                    state, reason = "superseded", f"by job {other['id']}"
                if state != "failed":
                    ended = now if state == "superseded" else None
                    db.execute(
                        "UPDATE jobs SET state=?, reason=?, ended=? WHERE id=?", (state, reason, ended, job["id"])
                    )
                found.append((job, state, reason))
        return found

    def prune(self, keep: int) -> int:
        """Forgets old jobs; the least id that is kept."""
        with self.change() as db:
            least = db.execute("SELECT coalesce(max(id), 0) - ? FROM jobs", (keep,)).fetchone()[0]
            db.execute(f"DELETE FROM jobs WHERE id <= ? AND state IN {ENDED}", (least,))
            return int(least) + 1

    def head(self, line: str) -> str | None:
        """The last commit of a line that a push has enqueued."""
        return next((str(row["sha"]) for row in self.rows("SELECT sha FROM heads WHERE line = ?", line)), None)

    def rows(self, sql: str, *values: object) -> list[Job]:
        with self.open() as db:
            return db.execute(sql, values).fetchall()

    def job(self, number: int) -> Job | None:
        return next(iter(self.rows("SELECT * FROM jobs WHERE id = ?", number)), None)

    def post(self, subject: str, body: str) -> None:
        with self.change() as db:
            db.execute("INSERT INTO outbox(subject, body) VALUES(?,?)", (subject, body))
            db.execute("DELETE FROM outbox WHERE id <= (SELECT max(id) - 1000 FROM outbox)")

    def posted(self, number: int) -> None:
        with self.change() as db:
            db.execute("DELETE FROM outbox WHERE id = ?", (number,))


# --- Steps -----------------------------------------------------------------------------------------------------------


def git(repository: Repository, *words: str) -> subprocess.CompletedProcess[str]:
    """Asks the repository, which belongs to the user that is pushed to."""
    argv = ["git", "-c", f"safe.directory={repository.path}", f"--git-dir={repository.path}", *words]
    return subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False, env=environment())


def head(repository: Repository, ref: str) -> str:
    """The commit that a ref is at."""
    asked = git(repository, "rev-parse", "--verify", "--end-of-options", ref)
    if asked.returncode != 0:
        raise Refusal(500, f"{repository.path} does not say what {ref} is at: {asked.stderr.strip()}")
    return asked.stdout.strip()


def environment() -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "ANSIBLE_CONFIG") if name in os.environ}
    return {**kept, "LC_ALL": "C.UTF-8", "PYTHONUNBUFFERED": "1"}


class Log:
    """A file of bounded size: of a longer text its beginning and its end."""

    def __init__(self, file: Path, limit: int) -> None:
        self.file, self.room, self.tail_limit = file.open("ab", buffering=0), limit // 2, limit // 2
        self.tail, self.dropped = bytearray(), 0

    def write(self, data: bytes) -> None:
        now, later = data[: self.room], data[self.room :]
        self.room -= len(now)
        self.file.write(now)
        self.tail += later
        over = max(0, len(self.tail) - self.tail_limit)
        self.dropped += over
        del self.tail[:over]

    def line(self, words: str) -> None:
        self.write(f"{time.strftime('%FT%TZ', time.gmtime())} {words}\n".encode())

    def close(self) -> None:
        if self.dropped:
            self.file.write(f"\n[{self.dropped} bytes left out]\n".encode())
        self.file.write(bytes(self.tail))
        self.file.close()


class Step:
    """One command in a process group of its own, which has ended when `run` returns."""

    def __init__(self, log: Log, stop: threading.Event) -> None:
        self.log, self.stop = log, stop

    def run(self, argv: list[str], seconds: float, cwd: Path, extra: Mapping[str, str] | None = None) -> None:
        self.log.line("$ " + " ".join(argv))
        process = subprocess.Popen(
            argv, cwd=cwd, env={**environment(), **(extra or {})}, start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        recent = bytearray()
        pump = threading.Thread(target=self.copy, args=(process, recent), daemon=True)
        pump.start()
        try:
            ended = self.wait(process, seconds)
        finally:
            self.kill(process)
            pump.join(5)
        if not ended:
            raise Refusal(500, f"`{argv[0]}` was ended after {seconds:g} s")
        if process.returncode != 0:
            last = recent.decode(errors="replace").strip()
            raise Refusal(500, f"`{argv[0]}` ended with {process.returncode}:\n{last}")

    def copy(self, process: subprocess.Popen[bytes], recent: bytearray) -> None:
        assert process.stdout is not None
        while data := os.read(process.stdout.fileno(), 1 << 16):
            self.log.write(data)
            recent += data
            del recent[:-2000]

    def wait(self, process: subprocess.Popen[bytes], seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while process.poll() is None and time.monotonic() < deadline:
            if self.stop.is_set():
                raise Stopping
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(0.2)
        return process.poll() is not None

    @staticmethod
    def kill(process: subprocess.Popen[bytes]) -> None:
        for sign, grace in ((signal.SIGTERM, 5.0), (signal.SIGKILL, 5.0)):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, sign)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(grace)


class Stopping(Exception):
    """The runner is told to end; its job is taken up by the next start."""


# --- Runner ----------------------------------------------------------------------------------------------------------


class Runner:
    """Works on one job after the other, until it is told to stop."""

    def __init__(self, config: Config, queue: Queue) -> None:
        self.config, self.queue = config, queue
        self.stop, self.wake, self.letters = threading.Event(), threading.Event(), threading.Event()

    def serve(self) -> None:
        for job, state, reason in self.queue.take_up(self.config.attempts, time.time()):
            say(f"job {job['id']} {state}: {reason}")
            if state == "failed":
                self.end(job, state, reason)
        self.catch_up()
        while not self.stop.is_set():
            if job := self.queue.claim(time.time()):
                self.work(job)
            else:
                self.wake.wait(1)
                self.wake.clear()

    def catch_up(self) -> None:
        """Enqueues what was pushed and is not in the queue: the hook runs when the push is done already, and may fail."""
        for name, repository in self.config.repositories.items():
            for ref in repository.refs:
                sha = git(repository, "rev-parse", "--verify", "--quiet", "--end-of-options", ref).stdout.strip()
                order = Order("deploy", "catch-up", name, ref, sha)
                if SHA.fullmatch(sha) and self.queue.head(order.line) != sha:
                    number = self.queue.add(order, time.time(), head=functools.partial(head, repository, ref))
                    say(f"job {number} queued: {order.line} is at {sha}, which nobody has enqueued")

    def work(self, job: Job) -> None:
        say(f"job {job['id']} runs: {job['line']} {job['sha'] or ''}")
        log = Log(logfile(self.config, job["id"]), self.config.log_bytes)
        work = self.config.state / "work" / str(job["id"])
        try:
            state, reason = self.steps(job, Step(log, self.stop), work)
        except Stopping:
            return log.line("the runner ends; this job is taken up by the next start")
        except Refusal as refusal:
            state, reason = "failed", str(refusal)
        except Exception as error:  # noqa: BLE001 whatever it is, it is this job that fails, and not the runner
            state, reason = "failed", f"{type(error).__name__}: {error}"
        finally:
            shutil.rmtree(work, ignore_errors=True)
            log.close()
        self.end(job, state, reason)

    def steps(self, job: Job, step: Step, work: Path) -> tuple[str, str | None]:
        if job["kind"] == "rollback":
            self.play(job, step, "rollback.yml", {"app": self.config.services[job["service"]]})
            return "done", None
        repository, sha = self.config.repositories[job["repository"]], job["sha"]
        if not repository.check:
            return "refused", "no check is configured: set `deploy_check` of the repository, such as [/bin/true]"
        tree, packed = work / "tree", work / "source.tar"
        shutil.rmtree(work, ignore_errors=True)
        tree.mkdir(parents=True)
        owned = ["git", "-c", f"safe.directory={repository.path}", f"--git-dir={repository.path}"]
        step.run([*owned, "archive", "--format=tar", f"--output={packed}", sha], 120, work)
        step.run(["tar", "-x", "--no-same-owner", "-f", str(packed), "-C", str(tree)], 120, work)
        about = {"DEPLOY_REPOSITORY": str(repository.path), "DEPLOY_REF": job["ref"], "DEPLOY_SHA": sha}
        try:
            step.run([*repository.check, sha], self.config.check_seconds, tree, about)
        except Refusal as refusal:
            return "refused", f"the check says no: {refusal}"
        artifact = self.build(repository, step, tree, packed, self.artifact(job, repository), about)
        extra = {"app": repository.app, "app_version": sha[:12], "app_artifact": str(artifact)}
        with artifact.open("rb") as file:
            extra["app_artifact_sha256"] = hashlib.file_digest(file, "sha256").hexdigest()
        self.play(job, step, repository.refs[job["ref"]], extra)
        return "done", None

    def artifact(self, job: Job, repository: Repository) -> Path:
        return self.config.state / "artifacts" / f"{job['repository']}-{job['sha'][:12]}{repository.suffix}"

    def build(
        self, repository: Repository, step: Step, tree: Path, packed: Path, artifact: Path, about: Mapping[str, str]
    ) -> Path:
        if artifact.exists():
            step.log.line(f"{artifact} is there from before: a version is built once")
            return artifact
        artifact.parent.mkdir(exist_ok=True)
        made = tree.parent / ("artifact" + repository.suffix)
        if repository.build:
            step.run([*repository.build, str(tree), str(made)], self.config.build_seconds, tree, about)
        else:
            with packed.open("rb") as source, gzip.GzipFile(made, "wb", mtime=0) as target:
                shutil.copyfileobj(source, target)
        # It is never made again, so it must not be found empty after the power was gone.
        with made.open("rb") as file:
            os.fsync(file.fileno())
        made.replace(artifact)
        newest = sorted(artifact.parent.iterdir(), key=lambda file: -file.stat().st_mtime)
        for old in newest[self.config.kept_artifacts :]:
            old.unlink()
        return artifact

    def play(self, job: Job, step: Step, playbook: str, extra: dict[str, str]) -> None:
        # What was there before the first attempt is found here by the next one.
        extra["release_record"] = str(self.config.state / "log" / f"{job['id']}.json")
        argv = [*self.config.ansible, str(self.config.playbooks / playbook), "-e", json.dumps(extra)]
        step.run(argv, self.config.play_seconds, self.config.playbooks)

    def end(self, job: Job, state: str, reason: str | None) -> None:
        before = self.queue.end(job, state, reason, time.time())
        say(f"job {job['id']} {state}" + (f": {reason.splitlines()[0]}" if reason else ""))
        if word := mail_due(before, state):
            subject = f"deployment {word}: {job['line']} {(job['sha'] or '')[:12]}".strip()
            self.queue.post(subject, f"{self.config.url}/jobs/{job['id']}/log\nby {job['who']}\n\n{reason or ''}\n")
            self.letters.set()
        least = self.queue.prune(self.config.kept_jobs)
        for file in (self.config.state / "log").iterdir():
            if file.stem.isdigit() and int(file.stem) < least:
                file.unlink()


def logfile(config: Config, number: int) -> Path:
    return config.state / "log" / f"{number}.log"


def say(words: str) -> None:
    print(words, flush=True)


# --- Mail ------------------------------------------------------------------------------------------------------------


def deliver(runner: Runner) -> None:
    """Sends what waits; while the server is away, it waits on."""
    mail, away = runner.config.mail, False
    while not runner.stop.is_set():
        for letter in runner.queue.rows("SELECT * FROM outbox ORDER BY id LIMIT 20") if mail.get("host") else []:
            message = EmailMessage()
            message["From"], message["To"], message["Subject"] = mail["from"], ", ".join(mail["to"]), letter["subject"]
            message["Message-ID"] = f"<{letter['id']}.{secrets.token_hex(8)}@deployer>"
            message.set_content(letter["body"])
            try:
                send(mail, message)
            except (smtplib.SMTPRecipientsRefused, smtplib.SMTPDataError, ValueError) as error:
                # The server is there and does not want this one: the others must not wait for it.
                say(f"mail {letter['id']} is given up: {error}")
            except (OSError, smtplib.SMTPException) as error:
                if not away:
                    say(f"mail waits: {error}")
                away = True
                break
            away = False
            runner.queue.posted(letter["id"])
        runner.letters.wait(30)
        runner.letters.clear()


def send(mail: Mapping[str, Any], message: EmailMessage) -> None:
    context = ssl.create_default_context()
    implicit = mail.get("tls") == "implicit"
    plain: Any = smtplib.SMTP if not implicit else lambda *a, **k: smtplib.SMTP_SSL(*a, context=context, **k)
    with plain(mail["host"], int(mail["port"]), timeout=15) as server:
        if mail.get("tls") == "starttls":
            server.starttls(context=context)
        if mail.get("username"):
            server.login(mail["username"], Path(mail["password_file"]).read_text().strip())
        server.send_message(message)


# --- HTTP ------------------------------------------------------------------------------------------------------------

LONGEST = 60  # seconds for a whole request
CHANGES = ("/deploy", "/canary", "/rollback")
PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><meta http-equiv="refresh" content="5">
<title>Deployments</title><style>body{font:15px system-ui;margin:2em}table{border-collapse:collapse}
td,th{padding:.3em .8em;text-align:left;border-bottom:1px solid #ccc;vertical-align:top}
.done{color:#060}.failed,.refused{color:#a00}.running{font-weight:bold}.superseded{color:#777}</style>
<h1>Deployments</h1><table><tr><th>job<th>what<th>commit<th>by<th>asked for<th>state<th>reason</tr>%s</table></html>"""


class Handler(BaseHTTPRequestHandler):
    timeout = 15
    server_version, sys_version = "deployer", ""
    runner: Runner
    room = threading.BoundedSemaphore(32)

    def handle(self) -> None:
        if not self.room.acquire(timeout=5):
            return
        # `timeout` is for one wait. Who sends a byte now and then would have many of them.
        end = threading.Timer(LONGEST, self.hang_up)
        end.daemon = True
        end.start()
        try:
            super().handle()
        finally:
            end.cancel()
            self.room.release()

    def hang_up(self) -> None:
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def do_GET(self) -> None:
        config, queue, path = self.runner.config, self.runner.queue, self.path.partition("?")[0]
        if path in CHANGES:
            return self.answer(405, {"error": "POST only"}, Allow="POST")
        if path == "/healthz":
            return self.answer(200, "ok\n")
        if path == "/":
            return self.answer(200, page(queue), kind="text/html; charset=utf-8")
        if path == "/metrics":
            return self.answer(200, metrics(queue))
        if path == "/status":
            jobs = queue.rows("SELECT * FROM jobs ORDER BY id DESC LIMIT 50")
            return self.answer(200, {"jobs": [shown(job) for job in jobs]})
        match = re.fullmatch(r"/jobs/([0-9]{1,12})(/log)?", path)
        job = match and queue.job(int(match[1]))
        if not match or not job:
            return self.answer(404, {"error": "no such thing"})
        if not match[2]:
            return self.answer(200, {**shown(job), "log": f"{config.url}/jobs/{job['id']}/log"})
        file = logfile(config, job["id"])
        return self.answer(200, file.read_text(errors="replace") if file.exists() else "")

    def do_POST(self) -> None:
        try:
            status, what = self.change(self.path, self.body())
            self.answer(status, what)
        except Refusal as refusal:
            self.close_connection = True
            self.answer(refusal.status, {"error": str(refusal)})

    def body(self) -> bytes:
        length = self.headers.get("Content-Length") or ""
        if self.path not in CHANGES:
            raise Refusal(404, "no such thing")
        if not re.fullmatch(r"[0-9]{1,9}", length):
            raise Refusal(411, "Content-Length is needed")
        if int(length) > BODY_LIMIT:
            raise Refusal(413, f"at most {BODY_LIMIT} bytes")
        return self.rfile.read(int(length))

    def change(self, path: str, body: bytes) -> tuple[int, dict[str, Any]]:
        config, queue, now = self.runner.config, self.runner.queue, time.time()
        file = config.rollback_secret if path == "/rollback" else config.deploy_secret
        signed = verified(file.read_bytes().strip(), self.headers, body, now)
        key = self.headers.get("Idempotency-Key") or ""
        if key and not TOKEN.fullmatch(key):
            raise Refusal(422, f"Idempotency-Key has to be like {TOKEN.pattern}")
        try:
            request = json.loads(body)
        except ValueError:
            raise Refusal(422, "the body has to be JSON") from None
        if not isinstance(request, dict):
            raise Refusal(422, "the body has to be an object")
        if path == "/rollback":
            return self.rollback(request, key, signed, now)
        order = deployment(config, path, request)
        digest = hashlib.sha256(path.encode() + b"\n" + body).hexdigest()
        number = queue.add(order, now, key=key and f"{path} {key}", digest=digest, signed=signed)
        return self.accepted(number)

    def rollback(
        self, request: dict[str, Any], key: str, signed: tuple[str, float], now: float
    ) -> tuple[int, dict[str, Any]]:
        config, queue = self.runner.config, self.runner.queue
        if request.get("event") != "rollback":
            return 200, {"ignored": "only the event `rollback` does anything here"}
        service = request.get("service")
        if not isinstance(service, str) or service not in config.services:
            raise Refusal(422, f"`service` has to be one of {', '.join(sorted(config.services))}")
        app = config.services[service]
        lines = tuple(f"{name} {ref}" for name, one in config.repositories.items() if one.app == app for ref in one.refs)
        call = Call(moment(request.get("at"), now), now - config.quiet_seconds, lines)
        order = Order("rollback", text(request, "source", WHO, "balancer"), service=service)
        # Balancers call one roll-back by one key and have each a body of its own: only what is asked for is compared.
        key = key and f"/rollback {key}"
        return self.accepted(queue.add(order, now, key=key, digest=service, signed=signed, call=call))

    def accepted(self, number: int) -> tuple[int, dict[str, Any]]:
        self.runner.wake.set()
        job = self.runner.queue.job(number)
        return 202, {"id": number, "state": job and job["state"], "status": f"{self.runner.config.url}/jobs/{number}"}

    def answer(self, status: int, what: object, kind: str = "text/plain; charset=utf-8", **headers: str) -> None:
        if not isinstance(what, str):
            what, kind = json.dumps(what, indent=1) + "\n", "application/json"
        data = what.encode()
        self.send_response(status)
        policy = "default-src 'none'; style-src 'unsafe-inline'"
        for name, value in {"Content-Type": kind, "Content-Security-Policy": policy, **headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_request(self, code: object = "-", size: object = "-") -> None:
        if self.command != "GET":
            say(f"{self.client_address[0]} {self.command} {self.path[:100]!a} {code}")


def moment(given: object, now: float) -> float:
    """Seconds of a time in RFC 3339; now, where it is none or has not come yet."""
    with contextlib.suppress(ValueError, OverflowError):
        return min(now, datetime.datetime.fromisoformat(str(given)).timestamp())
    return now


def deployment(config: Config, path: str, request: Mapping[str, Any]) -> Order:
    name = request.get("repository", "production")
    repository = config.repositories.get(name) if isinstance(name, str) else None
    if repository is None:
        raise Refusal(422, f"`repository` has to be one of {', '.join(sorted(config.repositories))}")
    ref, sha = ref_of(repository, path, request.get("ref")), text(request, "sha", SHA)
    if git(repository, "cat-file", "-e", f"{sha}^{{commit}}").returncode != 0:
        raise Refusal(422, f"{name} has no commit {sha}: push it first")
    return Order("deploy", text(request, "who", WHO, "webhook"), name, ref, sha)


def shown(job: Job) -> dict[str, Any]:
    at = {k: job[k] and time.strftime("%FT%TZ", time.gmtime(job[k])) for k in ("created", "started", "ended")}
    return {k: job[k] for k in job.keys() if k != "line"} | at


def page(queue: Queue) -> str:
    rows = []
    for job in queue.rows("SELECT * FROM jobs ORDER BY id DESC LIMIT 50"):
        one = {k: html.escape(str(v if v is not None else "")) for k, v in {**dict(job), **shown(job)}.items()}
        number = f"<a href='/jobs/{one['id']}/log'>{one['id']}</a>"
        state = f"<td class='{one['state']}'>{one['state']}"
        cells = (number, one["line"], one["sha"][:12], one["who"], one["created"])
        rows.append(
            "<tr>" + "".join(f"<td>{cell}" for cell in cells) + f"{state}<td><pre>{one['reason'][:2000]}</pre></tr>"
        )
    return PAGE % "\n".join(rows)


def metrics(queue: Queue) -> str:
    counts = dict.fromkeys(("queued", "running", *ENDED), 0)
    counts |= {row["state"]: row["n"] for row in queue.rows("SELECT state, count(*) AS n FROM jobs GROUP BY state")}
    last = queue.rows(
        "SELECT line, state, max(ended) AS at FROM jobs WHERE state IN ('done', 'failed') GROUP BY line, state"
    )
    lines = ["# TYPE deployer_jobs gauge"]
    lines += [f'deployer_jobs{{state="{state}"}} {count}' for state, count in counts.items()]
    lines += ["# TYPE deployer_last_timestamp_seconds gauge"]
    lines += [f'deployer_last_timestamp_seconds{{line="{r["line"]}",state="{r["state"]}"}} {r["at"]:.0f}' for r in last]
    return "\n".join(lines) + "\n"


# --- Command line ----------------------------------------------------------------------------------------------------

EXAMPLES = """examples:
  deployer.py serve                                         works on the queue, answers on the configured address
  deployer.py enqueue production refs/heads/production SHA alice
                                                            prints the job and where its state is
  deployer.py sign --secret-file secret --key build-17 body.json > headers
  curl -H @headers --data-binary @body.json http://deploy1:9080/deploy
"""


def serve(config: Config) -> int:
    # What a runner that was killed has left of its work.
    shutil.rmtree(config.state / "work", ignore_errors=True)
    for name in ("log", "work", "artifacts"):
        (config.state / name).mkdir(exist_ok=True)
    runner = Runner(config, Queue(config.state / "queue.sqlite"))
    Handler.runner = runner
    server = ThreadingHTTPServer(config.listen, Handler)
    server.daemon_threads = True

    def stop(*_: object) -> None:
        runner.stop.set()
        runner.wake.set()
        runner.letters.set()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    for target, argument in ((server.serve_forever, ()), (deliver, (runner,))):
        threading.Thread(target=target, args=argument, daemon=True).start()
    say(f"listens on {server.server_address[0]}:{server.server_address[1]}")
    runner.serve()
    server.shutdown()
    return 0


def enqueue(config: Config, name: str, ref: str, sha: str, who: str) -> int:
    repository = config.repositories.get(name)
    if repository is None or ref not in repository.refs:
        raise Refusal(422, f"nothing is deployed from {ref!a} of {name!a}")
    text({"sha": sha}, "sha", SHA)
    text({"who": who}, "who", WHO)
    queue = Queue(config.state / "queue.sqlite")
    number = queue.add(Order("deploy", who, name, ref, sha), time.time(), head=lambda: head(repository, ref))
    job = queue.job(number)
    print(f"job {number} {job and job['state']}: {config.url}/jobs/{number}")
    return 0


def sign(secret: Path, key: str, body: str) -> int:
    data = sys.stdin.buffer.read() if body == "-" else Path(body).read_bytes()
    timestamp, nonce = str(int(time.time())), secrets.token_hex(16)
    print(f"X-Coalmine-Timestamp: {timestamp}\nX-Coalmine-Nonce: {nonce}")
    print(f"X-Coalmine-Signature: {signature(secret.read_bytes().strip(), timestamp, nonce, data)}")
    if key:
        print(f"Idempotency-Key: {key}")
    return 0


def main(words: list[str]) -> int:
    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        description="Deploys commits, one at a time.", epilog=EXAMPLES, formatter_class=form
    )
    parser.add_argument("--config", type=Path, default=Path("/etc/deployer/deployer.json"))
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("serve", help="work on the queue and answer requests")
    adds = commands.add_parser("enqueue", help="add a job of a commit that was pushed")
    for name in ("repository", "ref", "sha", "who"):
        adds.add_argument(name)
    signs = commands.add_parser("sign", help="print the header fields of a signed request, for `curl -H @FILE`")
    signs.add_argument("--secret-file", type=Path, required=True)
    signs.add_argument("--key", default="", help="Idempotency-Key: the same one gives the same job")
    signs.add_argument("body", help="file with the body; - is the standard input")
    given = parser.parse_args(words)
    try:
        if given.command == "sign":
            return sign(given.secret_file, given.key, given.body)
        config = Config.load(given.config)
        if given.command == "serve":
            return serve(config)
        return enqueue(config, given.repository, given.ref, given.sha, given.who)
    except (Refusal, OSError, ValueError, sqlite3.Error) as error:
        print(f"deployer: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
