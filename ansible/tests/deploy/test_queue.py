"""The rules, without sockets or processes."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest

SECRET, BODY = b"secret", b'{"a": 1}'


def headers(
    deployer: ModuleType, timestamp: str = "1000", nonce: str = "nonce-1234", body: bytes = BODY
) -> dict[str, str]:
    signature = deployer.signature(SECRET, timestamp, nonce, body)
    return {"X-Coalmine-Timestamp": timestamp, "X-Coalmine-Nonce": nonce, "X-Coalmine-Signature": signature}


def test_the_signature_is_what_openssl_says(deployer: ModuleType) -> None:
    # printf '1000.n.{}' | openssl dgst -sha256 -hmac secret
    expected = "sha256=c95641be2276b71579fe6ea67967e27a59f56fc37f01a4e3922bf4673f31e0da"
    assert deployer.signature(SECRET, "1000", "n", b"{}") == expected


def test_a_signed_request_is_believed_for_five_minutes_to_both_sides(deployer: ModuleType) -> None:
    for now in (700, 1000, 1300):
        signature = headers(deployer)["X-Coalmine-Signature"]
        assert deployer.verified(SECRET, headers(deployer), BODY, now) == (signature, 1300)
    for now in (699, 1301):
        with pytest.raises(deployer.Refusal, match="clocks"):
            deployer.verified(SECRET, headers(deployer), BODY, now)


@pytest.mark.parametrize(
    "change",
    [
        {"X-Coalmine-Signature": ""},
        {"X-Coalmine-Signature": "sha256=00"},
        {"X-Coalmine-Signature": "sha256=\udcff"},
        {"X-Coalmine-Nonce": "another-nonce"},
        {"X-Coalmine-Nonce": "short"},
        {"X-Coalmine-Timestamp": "1001"},
        {"X-Coalmine-Timestamp": "-1"},
        {"X-Coalmine-Timestamp": "1000\n"},
    ],
)
def test_whatever_is_not_as_signed_is_refused(deployer: ModuleType, change: dict[str, str]) -> None:
    with pytest.raises(deployer.Refusal) as refusal:
        deployer.verified(SECRET, headers(deployer) | change, BODY, 1000)
    assert refusal.value.status == 401


def test_an_empty_secret_signs_nothing(deployer: ModuleType) -> None:
    signature = deployer.signature(b"", "1000", "nonce-1234", BODY)
    with pytest.raises(deployer.Refusal):
        deployer.verified(b"", headers(deployer) | {"X-Coalmine-Signature": signature}, BODY, 1000)


def test_a_job_is_tried_again_after_a_restart_until_it_was_tried_often_enough(deployer: ModuleType) -> None:
    assert deployer.after_restart(1, 3)[0] == deployer.after_restart(2, 3)[0] == "queued"
    assert deployer.after_restart(3, 3)[0] == "failed"


def test_failures_are_mailed_and_the_first_success_after_them(deployer: ModuleType) -> None:
    ends = ["done", "failed", "refused", "superseded", "done", "done"]
    due = [deployer.mail_due(before, state) for before, state in zip([None, *ends], ends)]
    assert due == [None, "failed", "refused", None, None, None]
    assert deployer.mail_due("failed", "done") == deployer.mail_due("refused", "done") == "recovered"


def order(deployer: ModuleType, sha: str = "a" * 40, ref: str = "refs/heads/production") -> object:
    return deployer.Order("deploy", "alice", "production", ref, sha)


@pytest.fixture
def queue(deployer: ModuleType, tmp_path: Path) -> object:
    return deployer.Queue(tmp_path / "queue.sqlite")


def states(queue: object) -> list[str]:
    return [row["state"] for row in queue.rows("SELECT state FROM jobs ORDER BY id")]


def test_of_the_waiting_jobs_of_one_ref_the_last_is_left(deployer: ModuleType, queue: object) -> None:
    for letter in "abc":
        queue.add(order(deployer, letter * 40), 1)
    queue.add(order(deployer, "d" * 40, "refs/heads/canary"), 1)
    assert states(queue) == ["superseded", "superseded", "queued", "queued"]
    assert queue.claim(2)["sha"] == "c" * 40
    queue.add(order(deployer, "e" * 40), 3)
    assert states(queue) == ["superseded", "superseded", "running", "queued", "queued"], "what runs is left alone"


def test_a_push_whose_hook_comes_late_does_not_go_before_the_later_push(deployer: ModuleType, queue: object) -> None:
    queue.add(order(deployer, "b" * 40), 1, head=lambda: "b" * 40)
    queue.add(order(deployer, "a" * 40), 2, head=lambda: "b" * 40)
    assert states(queue) == ["queued", "superseded"]


def test_a_roll_back_goes_first(deployer: ModuleType, queue: object) -> None:
    queue.add(order(deployer), 1)
    number = queue.add(deployer.Order("rollback", "lb1", service="checkbox"), 2)
    assert queue.claim(3)["id"] == number


def test_the_same_key_gives_the_same_job_and_another_body_is_refused(deployer: ModuleType, queue: object) -> None:
    first = queue.add(order(deployer), 1, key="k", digest="1")
    assert queue.add(order(deployer), 2, key="k", digest="1") == first and states(queue) == ["queued"]
    with pytest.raises(deployer.Refusal):
        queue.add(order(deployer), 2, key="k", digest="2")
    assert queue.add(order(deployer, "b" * 40), 86402, key="k", digest="2") != first, "a day later it is forgotten"


def test_a_commit_that_waits_or_is_deployed_is_not_taken_twice(deployer: ModuleType, queue: object) -> None:
    first = queue.add(order(deployer), 1)
    assert queue.add(order(deployer), 2) == first
    job = queue.claim(3)
    assert queue.add(order(deployer), 4) == first
    queue.end(job, "done", None, 5)
    assert queue.add(order(deployer), 6) != first


def test_a_request_is_taken_once_while_its_signature_holds(deployer: ModuleType, queue: object) -> None:
    first = queue.add(order(deployer), 1000, signed=("n", 1300))
    with pytest.raises(deployer.Refusal) as refusal:
        deployer.Queue(queue.file).add(order(deployer), 1299, signed=("n", 1300))
    assert refusal.value.status == 409
    queue.add(order(deployer), 1301, signed=("m", 1700))
    assert [row["signature"] for row in queue.rows("SELECT * FROM signatures")] == ["m"] and first == 1


def test_a_request_that_came_to_nothing_may_be_sent_again(deployer: ModuleType, queue: object) -> None:
    def broken() -> str:
        raise OSError("no space left")

    with pytest.raises(OSError):
        queue.add(order(deployer), 1000, head=broken, signed=("n", 1300))
    assert queue.add(order(deployer), 1001, signed=("n", 1300)) == 1


def test_what_was_asked_for_last_is_what_runs_in_the_end(deployer: ModuleType, queue: object) -> None:
    first = queue.add(order(deployer), 1)
    queue.claim(2)
    queue.add(order(deployer, "b" * 40), 3)
    again = queue.add(order(deployer), 4)
    assert again != first and states(queue) == ["running", "superseded", "queued"]


def test_one_roll_back_answers_all_that_ask_within_its_quiet_time(deployer: ModuleType, queue: object) -> None:
    line = "production refs/heads/canary"

    def ask(now: float, at: float | None = None, service: str = "checkbox", key: str = "") -> int:
        call = deployer.Call(now if at is None else at, now - 100, (line,))
        rollback = deployer.Order("rollback", "lb1", service=service)
        return queue.add(rollback, now, call=call, key=key, digest=service)

    first = ask(10, key="one")
    assert ask(11) == first and ask(11, service="itrust") == first + 1
    queue.end(queue.claim(20), "done", None, 30)
    assert ask(120) == first, "it ended just now"
    queue.end(queue.claim(121), "done", None, 122)
    canary = queue.add(order(deployer, ref="refs/heads/canary"), 123)
    queue.end(queue.claim(124), "done", None, 125)
    assert ask(126, at=124) == first, "seen before the other canary was there"
    assert ask(126, key="one") == first, "the same call"
    assert ask(126) == canary + 1, "the other canary is bad too"


def test_a_head_is_known_when_it_is_enqueued(deployer: ModuleType, queue: object) -> None:
    line = "production refs/heads/production"
    assert queue.head(line) is None
    queue.add(order(deployer), 1, head=lambda: "b" * 40)
    assert queue.head(line) is None, "it is another one"
    queue.add(order(deployer, "b" * 40), 2, head=lambda: "b" * 40)
    assert queue.head(line) == "b" * 40
    queue.add(order(deployer, "c" * 40), 3)
    assert queue.head(line) == "b" * 40, "a request is no push"


def test_what_a_dead_runner_left_is_taken_up_unless_newer_work_waits(deployer: ModuleType, queue: object) -> None:
    queue.add(order(deployer), 1)
    queue.claim(2)
    assert [state for _, state, _ in queue.take_up(2, 3)] == ["queued"]
    queue.claim(4)
    assert [state for _, state, _ in queue.take_up(2, 5)] == ["failed"]
    queue.add(order(deployer, "b" * 40), 6)
    assert [state for _, state, _ in queue.take_up(3, 7)] == ["superseded"]


def test_old_jobs_are_forgotten_and_those_that_wait_never(deployer: ModuleType, queue: object) -> None:
    queue.add(order(deployer, ref="refs/heads/canary"), 1)
    for number in range(10):
        queue.add(order(deployer, f"{number}" * 40), 1)
    queue.prune(3)
    assert states(queue) == ["queued", "superseded", "superseded", "queued"]


def test_a_long_log_keeps_its_beginning_and_its_end(deployer: ModuleType, tmp_path: Path) -> None:
    log = deployer.Log(tmp_path / "log", 100)
    for number in range(100):
        log.write(f"line {number}\n".encode())
    log.close()
    text = (tmp_path / "log").read_text()
    assert text.startswith("line 0\n") and text.endswith("line 99\n") and "bytes left out" in text and len(text) < 150


def test_what_is_shown_is_escaped(deployer: ModuleType, queue: object) -> None:
    queue.add(deployer.Order("deploy", "<b>", "production", "refs/heads/production", "a" * 40), 1)
    assert "<b>" not in deployer.page(queue) and "&lt;b&gt;" in deployer.page(queue)
