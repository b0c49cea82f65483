"""Scenarios on a fleet of real hosts. `--fleet lab-small` is the small one, `--fleet lab` the whole one.

Files and tests run in their order: the fleet is booted and deployed by the first, and each scenario leaves it as it
found it. A scenario whose groups the inventory does not have is left out, with a word. At the end the lab is taken
down, also after a failure, unless `--keep`.
"""

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from lab import ROOT, Lab  # noqa: E402
from report import Report  # noqa: E402


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--fleet", default="lab-small", help="inventory of the lab: lab-small or lab")
    parser.addoption("--keep", action="store_true", help="leave the lab up at the end")
    parser.addoption("--standing", action="store_true", help="the lab is up and deployed: only run scenarios")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "needs(*groups): groups of the inventory that the scenario needs")
    config.addinivalue_line("markers", "sets_up: boots and deploys the fleet")
    config.stash[REPORT] = Report(config.getoption("--fleet"))


REPORT = pytest.StashKey[Report]()


@pytest.fixture(scope="session")
def lab(request: pytest.FixtureRequest) -> Iterator[Lab]:
    lab = Lab(request.config.getoption("--fleet"))
    yield lab
    if not request.config.getoption("--keep"):
        lab.run("down", within=300)


@pytest.fixture
def report(request: pytest.FixtureRequest) -> Report:
    """What a scenario measured: `report.say("...")`."""
    report = request.config.stash[REPORT]
    report.scenario = request.node.name
    return report


@pytest.fixture(autouse=True)
def fits(request: pytest.FixtureRequest, lab: Lab) -> None:
    if request.node.get_closest_marker("sets_up"):
        if request.config.getoption("--standing"):
            pytest.skip("--standing")
        return
    marker = request.node.get_closest_marker("needs")
    missing = [group for group in (marker.args if marker else ()) if not lab.hosts(group)]
    if missing:
        pytest.skip(f"{lab.inventory.name} has no {', '.join(missing)}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]):  # type: ignore[no-untyped-def]
    result = yield
    if result.when == "call" or (result.when == "setup" and not result.passed):
        item.config.stash[REPORT].add(item.name, result.outcome, result.duration)
    return result


def pytest_sessionfinish(session: pytest.Session) -> None:
    session.config.stash[REPORT].write(ROOT / "target" / f"fleet-{session.config.getoption('--fleet')}.md", time.time())
