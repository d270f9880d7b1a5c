import os
import subprocess
import sys
import textwrap

import pytest

from phyrefine import registry
from phyrefine._optional import installed, require
from phyrefine.errors import InvalidInputError, MissingDependencyError, UnknownBackendError


def test_our_backends_are_there():
    assert {"world", "openai", "gemini", "transformers", "diffusers", "magi"} <= set(
        registry.names()
    )
    for name in registry.names():
        assert registry.find(name).name == name
        assert registry.find(name).roles


def test_unknown_names_get_a_hint():
    with pytest.raises(UnknownBackendError, match="Did you mean 'gemini'"):
        registry.find("gemnii")
    with pytest.raises(UnknownBackendError, match=r"Installed: .*world"):
        registry.make("vlm", "zzz:model")


def test_roles_are_checked():
    with pytest.raises(UnknownBackendError, match="cannot be a vlm"):
        registry.make("vlm", "magi")


def test_options_a_backend_does_not_know():
    with pytest.raises(InvalidInputError, match="does not take that option"):
        registry.make("llm", "world", color="red")


def test_missing_extras_are_one_line():
    with pytest.raises(MissingDependencyError) as caught:
        require("no_such_package.part", extra="magi", feature="MAGI-1")
    assert str(caught.value) == (
        'MAGI-1 needs no_such_package.part. Run: pip install "phyrefine[magi]"'
    )
    assert isinstance(caught.value, ImportError)
    assert not installed("no_such_package.part")
    assert installed("json")


def test_a_package_that_is_broken_inside_is_not_called_missing(tmp_path, monkeypatch):
    (tmp_path / "halfway.py").write_text("import something_it_forgot\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="something_it_forgot") as caught:
        require("halfway", extra="x", feature="X")
    assert not isinstance(caught.value, MissingDependencyError)


@pytest.mark.slow
def test_a_third_partys_backend_through_its_entry_point(tmp_path):
    """A separate package, as pip would lay it out, found by another process."""
    (tmp_path / "acme_video.py").write_text(
        textwrap.dedent(
            """
            from phyrefine.registry import Backend
            from phyrefine.testing import MovingDot

            def generator(model, speed=1):
                made = MovingDot()
                made.identity = f"acme {model} at {speed}"
                return made

            BACKEND = Backend("acme", "A dot from a third party.", generator=generator)
            """
        )
    )
    info = tmp_path / "acme_video-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-video\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[phyrefine.backends]\nacme = acme_video:BACKEND\n")
    script = """
from phyrefine import registry
from phyrefine.testing import check_generator
made = registry.make("generator", "acme:dot-9", speed=2)
check_generator(made)
print(made.identity)
"""
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True,
                          env={**os.environ, "PYTHONPATH": str(tmp_path)})  # fmt: skip
    assert told.stdout.strip() == "acme dot-9 at 2"
