"""A deployment host in a folder, and the runner as a module."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from deploy_host import Site, load


@pytest.fixture(scope="session")
def deployer() -> ModuleType:
    return load()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path)
    yield site
    (tmp_path / "hold").unlink(missing_ok=True)
    site.end(signal.SIGKILL)
    for play in site.plays():
        try:
            os.kill(play["pid"], signal.SIGKILL)
        except ProcessLookupError:
            pass
