import subprocess
import sys

import pytest

import phyrefine

HEAVY = ("torch", "diffusers", "transformers", "openai", "google.genai", "cv2", "pymunk", "av",
         "numpy", "jinja2", "PIL")  # fmt: skip


def test_importing_phyrefine_imports_nothing_heavy():
    code = f"import phyrefine, sys; print([m for m in {HEAVY} if m in sys.modules])"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"


@pytest.mark.slow
def test_building_a_refiner_on_functions_needs_no_torch():
    code = (
        "import sys; from phyrefine import SelfRefiner; SelfRefiner(print, print, print); "
        "print([m for m in ('torch', 'openai', 'google.genai', 'cv2') if m in sys.modules])"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"


def test_every_public_name_loads_and_is_listed():
    assert "SelfRefiner" in phyrefine.__all__
    for name in phyrefine.__all__:
        assert getattr(phyrefine, name) is not None
    assert phyrefine.__version__
