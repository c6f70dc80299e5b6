"""Fixtures: where the binaries are, and that nothing outlives the run."""

import os
from pathlib import Path

import pytest

from installation import Installation
from processes import Process
from recording_upstream import RecordingUpstream


@pytest.fixture(scope="session")
def installation() -> Installation:
    """What `make setup` and the build have put where."""
    return Installation.from_environment(os.environ)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A folder for configuration and logs of this test."""
    return tmp_path


@pytest.fixture
def upstreams():
    """Makes recording upstreams by name; stops them afterwards."""
    made: list[RecordingUpstream] = []

    def make(name: str) -> RecordingUpstream:
        made.append(RecordingUpstream(name))
        return made[-1]

    yield make
    for upstream in made:
        upstream.stop()


@pytest.fixture(scope="session", autouse=True)
def nothing_outlives_the_run():
    yield
    for process in list(Process.running):
        process.stop()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item):
    """A failing test shows the end of every running process's log."""
    report = yield
    if report.failed:
        for process in Process.running:
            report.sections.append((f"log of {process.name}", process.log_end()))
    return report
