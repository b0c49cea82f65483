"""Pushes by git to a bare repository with the hooks, with the runner as a process."""

from __future__ import annotations

import os
import signal
import threading

import pytest
from deploy_host import CANARY, PRODUCTION, Site, eventually


def test_a_push_to_production_deploys_that_commit(site: Site) -> None:
    site.start()
    sha = site.git("rev-parse", "HEAD").stdout.strip()
    pushed = site.push()
    assert pushed.returncode == 0 and f"job 1 queued: http://127.0.0.1:{site.port}/jobs/1" in pushed.stderr
    (job,) = site.settled(1)
    assert (job["state"], job["sha"], job["ref"], job["who"]) == ("done", sha, PRODUCTION, "alice")
    (play,) = site.plays()
    assert play["argv"][0] == str(site.home / "deploy.yml") and site.deployed() == [sha[:12]]
    status, log = site.ask("GET", "/jobs/1/log")
    assert status == 200 and "the end of the play" in log
    status, page = site.ask("GET", "/")
    assert status == 200 and sha[:12] in page and 'http-equiv="refresh"' in page
    assert 'deployer_jobs{state="done"} 1' in site.ask("GET", "/metrics")[1]


def test_a_push_to_canary_runs_the_playbook_of_the_canary(site: Site) -> None:
    site.start()
    site.push(f"HEAD:{CANARY}")
    site.settled(1)
    assert site.plays()[0]["argv"][0] == str(site.home / "canary.yml")


@pytest.mark.parametrize(
    "ref", ["refs/heads/main", "refs/tags/v1", "refs/heads/production2", "refs/heads/x;touch${IFS}y"]
)
def test_another_ref_is_refused_with_the_reason_and_changes_nothing(site: Site, ref: str) -> None:
    site.start()
    pushed = site.push(f"HEAD:{ref}")
    assert pushed.returncode != 0 and "is not deployed from here" in pushed.stderr
    assert site.jobs() == [] and site.git("for-each-ref", at=site.bare).stdout == ""


def test_a_push_is_refused_as_a_whole(site: Site) -> None:
    assert site.git("push", "origin", "HEAD:refs/heads/production", "HEAD:refs/heads/main", check=False).returncode != 0
    assert site.git("for-each-ref", at=site.bare).stdout == ""


def test_a_branch_is_neither_removed_nor_set_back_unless_that_is_allowed(site: Site) -> None:
    first = site.git("rev-parse", "HEAD").stdout.strip()
    second = site.commit("second")
    assert site.push().returncode == 0
    assert "cannot be removed" in site.push(":refs/heads/production").stderr
    assert "would lose commits" in site.push(f"{first}:refs/heads/production", "--force").stderr
    assert site.git("rev-parse", PRODUCTION, at=site.bare).stdout.strip() == second
    site.git("config", "deploy.force", "true", at=site.bare)
    assert site.push(f"{first}:refs/heads/production", "--force").returncode == 0


def test_pushes_while_one_is_deployed_end_with_the_last(site: Site) -> None:
    site.start()
    (site.home / "hold").touch()
    first = site.git("rev-parse", "HEAD").stdout.strip()
    site.push()
    eventually(site.plays)
    site.commit("second"), site.push()
    third = site.commit("third")
    site.push()
    (site.home / "hold").unlink()
    assert [job["state"] for job in site.settled(3)] == ["done", "superseded", "done"]
    assert site.deployed() == [first[:12], third[:12]]


def test_two_pushes_at_once_end_with_what_the_branch_is_at(site: Site) -> None:
    site.start()
    shas = [site.commit("left"), site.commit("right")]
    pushes = [threading.Thread(target=site.push, args=(f"{sha}:{PRODUCTION}",)) for sha in shas]
    for push in pushes:
        push.start()
    for push in pushes:
        push.join()
    site.settled(1)
    tip = site.git("rev-parse", PRODUCTION, at=site.bare).stdout.strip()
    assert tip in shas and site.deployed()[-1] == tip[:12]


def test_a_push_while_the_runner_is_down_waits_for_it(site: Site) -> None:
    assert "job 1 queued" in site.push().stderr
    site.start()
    assert [job["state"] for job in site.settled(1)] == ["done"]


def test_without_a_check_nothing_is_deployed(site: Site) -> None:
    del site.config["repositories"]["production"]["check"]
    site.write()
    site.start()
    site.push()
    (job,) = site.settled(1)
    assert job["state"] == "refused" and "deploy_check" in job["reason"] and site.plays() == []


def test_a_commit_that_the_check_refuses_is_not_deployed(site: Site) -> None:
    site.commit("red")
    site.start()
    site.push()
    (job,) = site.settled(1)
    assert job["state"] == "refused" and "it is red" in job["reason"] and site.plays() == []


def test_a_runner_that_is_killed_takes_its_job_up_again(site: Site) -> None:
    site.start()
    (site.home / "hold").touch()
    site.push()
    (play,) = eventually(site.plays)
    site.end(signal.SIGKILL)
    os.kill(play["pid"], signal.SIGKILL)
    (site.home / "hold").unlink()
    site.start()
    (job,) = site.settled(1)
    assert (job["state"], job["attempts"], len(site.plays())) == ("done", 2, 2)
    records = {argument for play in site.plays() for argument in play["argv"] if "release_record" in argument}
    assert len(records) == 1, "both attempts are told of the same record"


def test_a_job_that_ends_the_runner_each_time_fails_at_last(site: Site) -> None:
    site.config["attempts"] = 1
    site.write()
    site.start()
    (site.home / "hold").touch()
    site.push()
    (play,) = eventually(site.plays)
    site.end(signal.SIGKILL)
    os.kill(play["pid"], signal.SIGKILL)
    site.start()
    (job,) = site.settled(1)
    assert job["state"] == "failed" and "runner ended" in job["reason"]


def test_a_runner_that_is_told_to_end_ends_its_play_and_takes_it_up_later(site: Site) -> None:
    site.start()
    (site.home / "hold").touch()
    site.push()
    (play,) = eventually(site.plays)
    site.end()
    with pytest.raises(ProcessLookupError):
        os.kill(play["pid"], 0)
    (site.home / "hold").unlink()
    site.start()
    assert [job["state"] for job in site.settled(1)] == ["done"]


def test_a_play_that_takes_too_long_is_ended(site: Site) -> None:
    site.config["play_seconds"] = 1
    site.write()
    site.start()
    (site.home / "hold").touch()
    site.push()
    (job,) = site.settled(1)
    assert job["state"] == "failed" and "was ended after 1 s" in job["reason"]
    with pytest.raises(ProcessLookupError):
        os.kill(site.plays()[0]["pid"], 0)


def test_a_command_that_builds_makes_the_artifact(site: Site) -> None:
    copies = "import shutil, sys; shutil.copyfile(sys.argv[1] + '/first', sys.argv[2])"
    site.config["repositories"]["production"]["build"] = [os.sys.executable, "-c", copies]
    site.write()
    site.start()
    site.push()
    assert [job["state"] for job in site.settled(1)] == ["done"]
    (artifact,) = (site.state / "artifacts").iterdir()
    assert artifact.read_text() == "first"


def test_a_push_that_could_not_be_enqueued_is_found_at_the_next_start_and_only_once(site: Site) -> None:
    enqueue = site.git("config", "deploy.enqueue", at=site.bare).stdout.strip()
    site.git("config", "deploy.enqueue", "false", at=site.bare)
    assert "NOT ENQUEUED" in site.push().stderr
    site.start()
    (job,) = site.settled(1)
    assert (job["sha"], job["who"], job["state"]) == (site.git("rev-parse", "HEAD").stdout.strip(), "catch-up", "done")
    site.git("config", "deploy.enqueue", enqueue, at=site.bare)
    site.end()
    site.start()
    site.commit("second")
    site.push()
    site.settled(2)
    site.end()
    site.start()
    assert [job["who"] for job in site.jobs()] == ["catch-up", "alice"]


def test_a_job_of_what_is_configured_no_more_fails_and_the_runner_goes_on(site: Site) -> None:
    site.push()
    site.push(f"HEAD:{CANARY}")
    site.config["repositories"]["production"]["refs"].pop(PRODUCTION)
    site.write()
    site.start()
    assert [job["state"] for job in site.settled(2)] == ["failed", "done"]
