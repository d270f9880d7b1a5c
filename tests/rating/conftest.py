"""Two finished runs."""

import pytest
from rated_runs import write_run


@pytest.fixture(scope="session")
def run(tmp_path_factory):
    return write_run(tmp_path_factory.mktemp("runs") / "mine")


@pytest.fixture(scope="session")
def other_run(tmp_path_factory):
    return write_run(tmp_path_factory.mktemp("runs") / "other", shade=160)
