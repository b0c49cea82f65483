"""The tool that changes versions, against a systemctl and an application that are small stand-ins."""

import hashlib
import http.server
import importlib.machinery
import importlib.util
import io
import multiprocessing
import os
import pathlib
import tarfile
import threading
import zipfile

import pytest

TOOL = pathlib.Path(__file__).parents[2] / "roles/release/files/app-release"

SYSTEMCTL = """#!/bin/sh
echo "$1" >>{root}/systemctl.log
case $1 in
  start) touch {root}/running ;;
  stop) rm -f {root}/running ;;
  show) test -e {root}/current/crash && echo 5 || echo 0 ;;
esac
"""


def load():
    loader = importlib.machinery.SourceFileLoader("app_release", str(TOOL))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("app_release", loader))
    loader.exec_module(module)
    return module


release = load()


@pytest.fixture(autouse=True)
def signals_stay_as_they_are(monkeypatch):
    monkeypatch.setattr(release.signal, "signal", lambda *_: None)


class Host:
    """A host with the application `app`: it answers when it is started and its release holds no file `broken`."""

    def __init__(self, root, port):
        self.root, self.incoming, self.conf = root / "srv", root / "incoming", root / "app.conf"
        (self.root / "releases").mkdir(parents=True)
        self.incoming.mkdir()
        (root / "overlay").mkdir()
        systemctl = root / "systemctl"
        systemctl.write_text(SYSTEMCTL.format(root=self.root))
        systemctl.chmod(0o755)
        self.conf.write_text(f"""[release]
root = {self.root}
incoming = {self.incoming}
unit = app
health_url = http://127.0.0.1:{port}/healthz
health_line = ok {{version}}
start_seconds = 30
settle_seconds = 0.3
overlay = {root / 'overlay'}
clear = {root / 'work'}
version_file = VERSION
systemctl = {systemctl}
journalctl = /bin/echo
""")
        self.overlay, self.work = root / "overlay", root / "work"

    def call(self, *arguments):
        return release.main(list(arguments), "app", str(self.conf))

    def tar(self, name, *members):
        path = self.incoming / name
        with tarfile.open(path, "w:gz") as archive:
            for member in members:
                if isinstance(member, tarfile.TarInfo):
                    archive.addfile(member)
                else:
                    info = tarfile.TarInfo(member)
                    info.size = 4
                    archive.addfile(info, io.BytesIO(b"text"))
        return path, hashlib.sha256(path.read_bytes()).hexdigest()

    def stage(self, version, *members):
        path, digest = self.tar(f"{version}.tar.gz", *(members or ("file",)))
        return self.call("stage", str(path), digest, version)

    def current(self):
        return os.path.basename(os.readlink(self.root / "current"))

    def staged(self):
        return sorted(each.name for each in (self.root / "releases").iterdir())

    def verbs(self):
        return (self.root / "systemctl.log").read_text().split()


@pytest.fixture
def host(tmp_path):
    made = None

    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            tree = made.root / "current"
            if not (made.root / "running").exists() or (tree / "crash").exists():
                return self.connection.close()
            good = not (tree / "broken").exists()
            self.send_response(200 if good else 500)
            self.end_headers()
            self.wfile.write(b"ok " + (tree / "VERSION").read_bytes() if good else b"no")

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    made = Host(tmp_path, server.server_port)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    yield made
    server.shutdown()
    server.server_close()


def link(name, target):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = tarfile.SYMTYPE, target
    return info


def test_a_staged_version_is_unpacked_and_bears_its_name(host, capsys):
    assert host.stage("1", "a/b") == 0
    assert capsys.readouterr().out == "changed\n"
    assert (host.root / "releases/1/a/b").read_text() == "text"
    assert (host.root / "releases/1/VERSION").read_text() == "1\n"


def test_the_same_file_twice_is_unchanged(host, capsys):
    path, digest = host.tar("one.tar.gz", "file")
    host.call("stage", str(path), digest, "1")
    capsys.readouterr()
    assert host.call("stage", str(path), digest, "1") == 0
    assert capsys.readouterr().out == "unchanged\n"


def test_a_bad_sum_stages_nothing(host, capsys):
    path, _ = host.tar("one.tar.gz", "file")
    assert host.call("stage", str(path), "0" * 64, "1") == 1
    assert "has the sum" in capsys.readouterr().err
    assert host.staged() == []


def test_a_version_is_never_replaced_by_other_bytes(host, capsys):
    host.stage("1", "a")
    path, digest = host.tar("other.tar.gz", "b")
    assert host.call("stage", str(path), digest, "1") == 1
    assert "never replaced" in capsys.readouterr().err
    assert (host.root / "releases/1/a").exists()


@pytest.mark.parametrize("members", [
    ("../evil",),
    ("a/../../evil",),
    ("/etc/evil",),
    (link("out", "/etc"),),
    (link("out", "../.."),),
    # Each of these two is inside by its letters; together they lead out.
    ("d/file", link("d/up", ".."), link("d/out", "up/../..")),
    ("ok", link("way", "."), "way/through"),
    ("twice", "twice"),
])
def test_an_archive_that_leads_out_or_contradicts_itself_stages_nothing(host, tmp_path, members):
    assert host.stage("1", *members) == 1
    assert host.staged() == []
    assert not (tmp_path / "evil").exists()
    assert not (host.root / "evil").exists()


@pytest.mark.parametrize("kind", [tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_an_archive_with_hard_links_or_devices_stages_nothing(host, kind):
    info = tarfile.TarInfo("odd")
    info.type, info.linkname = kind, "file"
    assert host.stage("1", "file", info) == 1
    assert host.staged() == []


def test_links_that_stay_inside_are_kept(host):
    assert host.stage("1", "bin/tool", link("tool", "bin/tool")) == 0
    assert (host.root / "releases/1/tool").read_text() == "text"


def test_a_war_is_unpacked_and_one_that_leads_out_is_not(host):
    for name, version, code in (("WEB-INF/web.xml", "1", 0), ("../evil", "2", 1)):
        path = host.incoming / f"{version}.war"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(name, "text")
        assert host.call("stage", str(path), hashlib.sha256(path.read_bytes()).hexdigest(), version) == code
    assert host.staged() == ["1"]


def test_bytes_that_are_no_archive_stage_nothing(host, capsys):
    path = host.incoming / "one.tar.gz"
    path.write_bytes(b"\x1f\x8bnonsense")
    assert host.call("stage", str(path), hashlib.sha256(path.read_bytes()).hexdigest(), "1") == 1
    assert "cannot be unpacked" in capsys.readouterr().err


def test_only_files_of_the_incoming_folder_are_taken(host, tmp_path):
    outside = tmp_path / "secret"
    outside.write_text("x")
    digest = hashlib.sha256(b"x").hexdigest()
    (host.incoming / "link").symlink_to(outside)
    for name in (outside, host.incoming / "../secret", host.incoming / "link", host.incoming, host.incoming / "none"):
        assert host.call("stage", str(name), digest, "1") == 1
    assert host.staged() == []


@pytest.mark.parametrize("version", ["", ".", "..", "../1", "a/b", "-x", "a b", "x" * 65, "1\n"])
def test_a_version_is_a_plain_word(host, version):
    path, digest = host.tar("one.tar.gz", "file")
    assert host.call("stage", str(path), digest, version) == 1
    assert host.call("switch", version) == 1


def test_what_an_interrupted_stage_left_is_swept_and_staged_anew(host):
    (host.root / "releases/.staging-x/tree").mkdir(parents=True)
    (host.root / "releases/1").mkdir()
    (host.root / "releases/1/half").touch()
    assert host.call("switch", "1") == 1
    assert host.stage("1", "whole") == 0
    assert host.staged() == ["1"]
    assert not (host.root / "releases/1/half").exists()


def test_our_own_files_lie_over_those_of_the_artifact(host):
    (host.overlay / "sub").mkdir()
    (host.overlay / "sub/login.jsp").write_text("ours")
    host.stage("1", "sub/login.jsp", "sub/home.jsp")
    assert (host.root / "releases/1/sub/login.jsp").read_text() == "ours"
    assert (host.root / "releases/1/sub/home.jsp").read_text() == "text"


def test_a_switch_names_the_version_before(host, capsys):
    host.stage("1")
    host.stage("2")
    capsys.readouterr()
    assert host.call("switch", "1") == 0
    assert host.call("switch", "2") == 0
    assert host.call("switch", "2") == 0
    assert capsys.readouterr().out == "changed none\nchanged 1\nunchanged\n"
    assert host.call("version") == 0
    assert capsys.readouterr().out == "2\n"


def test_a_switch_clears_what_was_made_of_the_version_before(host):
    host.work.mkdir()
    (host.work / "compiled").mkdir()
    host.stage("1")
    host.call("switch", "1")
    assert list(host.work.iterdir()) == []


def test_a_version_that_does_not_answer_is_taken_back(host, capsys):
    host.stage("0")
    host.stage("1")
    host.stage("2", "broken")
    host.call("switch", "0")
    host.call("switch", "1")
    assert host.call("switch", "2") == 1
    assert "status 500" in capsys.readouterr().err
    assert host.current() == "1"
    assert (host.root / "running").exists()
    assert host.call("back") == 0
    assert host.current() == "0"


def test_a_version_that_crashes_is_taken_back_before_its_time_is_over(host, capsys):
    host.stage("1")
    host.stage("2", "crash")
    host.call("switch", "1")
    assert host.call("switch", "2") == 1
    assert "crashed" in capsys.readouterr().err
    assert host.current() == "1"


def test_a_version_is_known_by_the_whole_line(host):
    host.stage("1")
    host.stage("11")
    host.call("switch", "11")
    # The application goes on answering as 11.
    (host.root / "releases/1/VERSION").write_text("11\n")
    assert host.call("switch", "1") == 1
    assert host.current() == "11"


def test_a_first_version_that_does_not_answer_leaves_none(host):
    host.stage("1", "broken")
    assert host.call("switch", "1") == 1
    assert not (host.root / "current").is_symlink()
    assert not (host.root / "running").exists()
    assert host.call("version") == 1


def test_back_goes_to_and_fro_and_refuses_when_there_is_nothing(host, capsys):
    host.stage("1")
    host.call("switch", "1")
    assert host.call("back") == 1
    host.stage("2")
    host.call("switch", "2")
    capsys.readouterr()
    assert host.call("back") == 0
    assert capsys.readouterr().out == "changed 2\n"
    assert host.current() == "1"


def test_a_switch_that_was_cut_off_before_the_start_is_finished_by_the_next(host):
    host.stage("1")
    host.stage("2")
    host.call("switch", "1")
    (host.root / "running").unlink()
    (host.root / "current").unlink()
    (host.root / "current").symlink_to("releases/2")
    assert host.call("switch", "2") == 0
    assert (host.root / "running").exists()


def test_a_restart_lays_our_own_files_anew_and_keeps_the_version(host, capsys):
    assert host.call("restart") == 0
    host.stage("1", "login.jsp")
    host.call("switch", "1")
    (host.overlay / "login.jsp").write_text("ours")
    capsys.readouterr()
    assert host.call("restart") == 0
    assert capsys.readouterr().out == "changed 1\n"
    assert (host.root / "current/login.jsp").read_text() == "ours"


def test_prune_keeps_the_newest_and_those_in_use(host, capsys):
    for version in "12345":
        host.stage(version)
    host.call("switch", "1")
    host.call("switch", "2")
    capsys.readouterr()
    assert host.call("prune", "1") == 0
    assert host.call("prune", "1") == 0
    assert capsys.readouterr().out == "changed\nunchanged\n"
    assert host.staged() == ["1", "2", "5"]
    assert host.call("prune", "all") == 1


def test_calls_at_once_come_one_after_the_other(host):
    for version in "123":
        host.stage(version)
    host.call("switch", "1")
    fork = multiprocessing.get_context("fork")
    calls = [fork.Process(target=host.call, args=("switch", version)) for version in "2323"]
    for each in calls:
        each.start()
    for each in calls:
        each.join(60)
    assert [each.exitcode for each in calls] == [0] * 4
    # Whole turns only: a stop is followed by its own start.
    turns = [verb for verb in host.verbs() if verb in ("stop", "start")]
    assert "stop stop" not in " ".join(turns)


def test_anything_else_is_told_how_to_call(host, capsys):
    assert host.call("stage", "x") == 1
    assert "usage" in capsys.readouterr().err


def test_artifacts_go_with_their_releases_and_what_came_just_now_stays(host):
    for version in ("1", "2", "3", "4"):
        host.stage(version)
    host.call("switch", "3")
    host.call("switch", "4")
    for name in ("1.tar.gz", "2.tar.gz", "3.tar.gz", "4.tar.gz", "refused.tar.gz"):
        (host.incoming / name).touch()
        os.utime(host.incoming / name, (0, 0))
    (host.incoming / "new.tar.gz").touch()
    (host.incoming / "link").symlink_to("/etc/passwd")
    assert host.call("prune", "1") == 0
    assert sorted(each.name for each in host.incoming.iterdir()) == ["2.tar.gz", "3.tar.gz", "4.tar.gz", "link", "new.tar.gz"]
