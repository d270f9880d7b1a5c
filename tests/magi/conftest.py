import pytest

from . import tiny_checkpoint


@pytest.fixture(scope="session")
def original(tmp_path_factory):
    """A tiny base model in the original's layout."""
    return tiny_checkpoint.write(tmp_path_factory.mktemp("magi") / "base")


@pytest.fixture(scope="session")
def distilled(tmp_path_factory):
    """A tiny distilled model in the original's layout."""
    return tiny_checkpoint.write(tmp_path_factory.mktemp("magi") / "distilled", distilled=True)
