"""What the build of the stand-in applications makes. It needs the tools that the lab needs, and npm's registry."""

import os
import pathlib
import subprocess
import sys
import tarfile
import zipfile

import pytest

APPS = pathlib.Path(__file__).parents[2] / "lab" / "apps"


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    out = tmp_path_factory.mktemp("artifacts")
    subprocess.run([APPS / "build", out], check=True, timeout=600, capture_output=True)
    return out


def test_every_artifact_is_there_and_bears_its_version(built):
    for name, version in (("1.0.0", b"1.0.0\n"), ("1.1.0", b"1.1.0\n"), ("bad", b"bad\n")):
        with tarfile.open(built / f"checkbox-{name}.tar.gz") as archive:
            assert archive.extractfile("VERSION").read() == version
            names = archive.getnames()
        assert "public_html/index.html" in names
        assert "server-side/site/node_modules/mongodb/package.json" in names
    for name in ("1", "2", "bad"):
        with zipfile.ZipFile(built / f"itrust-{name}.war") as archive:
            assert archive.read("WEB-INF/VERSION").decode() == f"{name}\n"


def test_the_war_is_converted(built):
    with zipfile.ZipFile(built / "itrust-1.war") as archive:
        code = archive.read("WEB-INF/classes/lab/itrust/Identity.class")
    assert b"jakarta/servlet/Filter" in code
    assert b"javax/servlet" not in code


def test_a_second_build_touches_nothing_and_another_folder_gets_the_same_bytes(built, tmp_path):
    before = {path.name: path.stat().st_mtime_ns for path in built.iterdir() if not path.name.startswith(".") and path.suffix != ".yml"}
    subprocess.run([APPS / "build", built], check=True, timeout=600, capture_output=True)
    assert {name: (built / name).stat().st_mtime_ns for name in before} == before
    subprocess.run([APPS / "build", tmp_path], check=True, timeout=600, capture_output=True)
    assert len(before) == 7
    for name in before:
        assert (tmp_path / name).read_bytes() == (built / name).read_bytes()


def test_a_missing_tool_is_named(tmp_path):
    (tmp_path / "bin").mkdir()
    python = pathlib.Path(os.path.realpath(sys.executable))
    (tmp_path / "bin" / "python3").symlink_to(python)
    done = subprocess.run([APPS / "build", tmp_path / "out"], env={"PATH": str(tmp_path / "bin")}, text=True,
                          capture_output=True, timeout=60)
    assert done.returncode == 1
    assert "npm is missing: apt install npm" in done.stderr


def test_the_lock_file_names_no_registry():
    lock = (APPS / "checkbox/server-side/site/package-lock.json").read_text()
    assert '"integrity"' in lock
    assert '"resolved"' not in lock
