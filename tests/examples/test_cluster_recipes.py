"""The recipes for Slurm and Kubernetes: they parse, and their commands are commands of ours.

No cluster is there: ``srun``, ``scontrol`` and ``ray`` are small programs that write down how they
were called, and run what they were given to run.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

from phyrefine.cli import build

ROOT = Path(__file__).parents[2]
RECIPES = ROOT / "examples" / "cluster"
SLURM = RECIPES / "slurm.sh"

# A program that appends its words to a file, and runs the words behind `--` if there are any.
PROGRAM = """#!/bin/bash
printf '%s\\n' "$(basename "$0") $*" >> "$CALLS"
{body}
"""
BODIES = {
    "scontrol": "echo node-1; sleep 0.1; echo node-2",  # whoever reads waits for all nodes
    "srun": 'while [[ "$1" == --* ]]; do shift; done; exec "$@"',
    # Every process of the job has one token.
    "ray": "[[ $RAY_AUTH_MODE == token && $RAY_AUTH_TOKEN =~ ^[0-9a-f]{64}$ ]] || exit 9; "
    'while [[ "$1" != -- ]]; do shift; done; shift; exec "$@"',
    "phyrefine": "",
}


def parses(words):
    """Whether our command line takes these words; gives what they mean."""
    assert words[0] == "phyrefine"
    app = build(words[1])
    _, bound, *_ = app.parse_args(words[1:], exit_on_error=False, print_error=False)
    return bound.arguments


@pytest.fixture
def slurm(tmp_path):
    """Runs the script with the programs above; gives what happened and their calls."""
    if shutil.which("bash") is None:
        pytest.skip("needs bash")
    for name, body in BODIES.items():
        path = tmp_path / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(PROGRAM.format(body=body))
        path.chmod(0o755)
    calls = tmp_path / "calls"

    def run(**environment):
        path = f"{tmp_path / 'bin'}:{os.environ['PATH']}"
        usual = {"PATH": path, "HOME": str(tmp_path), "CALLS": str(calls)}
        done = subprocess.run(
            ["bash", SLURM], env={**usual, **environment}, cwd=tmp_path, capture_output=True,
            text=True, timeout=60, check=False,
        )  # fmt: skip
        return done, calls.read_text().splitlines() if calls.exists() else []

    return run


def test_the_slurm_script_is_bash_and_asks_slurm_for_one_task_a_node():
    checked = subprocess.run(["bash", "-n", SLURM], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr
    asked = dict(re.findall(r"^#SBATCH --([\w-]+)=(\S+)$", SLURM.read_text(), re.MULTILINE))
    assert asked["ntasks-per-node"] == "1"  # one Ray node a machine
    assert {"nodes", "gpus-per-node", "cpus-per-task", "time", "output"} <= asked.keys()


def test_ray_comes_up_on_all_nodes_and_runs_our_command_on_the_first(slurm, tmp_path):
    (tmp_path / ".phyrefine-keys").write_text('export GEMINI_API_KEY="secret-of-mine"\n')
    done, calls = slurm(
        SLURM_JOB_ID="1", SLURM_JOB_NODELIST="node-[1-2]", SLURM_JOB_NUM_NODES="2",
        SLURM_GPUS_ON_NODE="8", SLURM_CPUS_PER_TASK="32",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    hosts, task, ray, command = calls
    assert hosts == "scontrol show hostnames node-[1-2]"
    assert task.startswith("srun --kill-on-bad-exit=1 ray symmetric-run ")
    words = shlex.split(ray.partition(" -- ")[0])
    assert words == ["ray", "symmetric-run", "--address", "node-1:6379", "--min-nodes", "2",
                     "--num-gpus", "8", "--num-cpus", "32"]  # fmt: skip
    assert parses(shlex.split(command))["where"].ray == ("auto",)
    assert "secret-of-mine" not in "".join(calls)


def test_it_says_that_it_is_a_batch_script(slurm):
    done, calls = slurm()
    assert done.returncode != 0
    assert "submit it with sbatch" in done.stderr
    assert calls == []


def test_the_manifest_is_a_ray_job_that_runs_our_command():
    yaml = pytest.importorskip("yaml")
    claim, job = yaml.safe_load_all((RECIPES / "kuberay.yaml").read_text())
    assert (claim["kind"], claim["spec"]["accessModes"]) == (
        "PersistentVolumeClaim",
        ["ReadWriteMany"],
    )
    assert (job["apiVersion"], job["kind"]) == ("ray.io/v1", "RayJob")
    words = shlex.split(job["spec"]["entrypoint"])
    bound = parses(words)
    assert bound["where"].ray == ("auto",)
    assert job["spec"]["shutdownAfterJobFinishes"] is True
    cluster = job["spec"]["rayClusterSpec"]
    assert cluster["authOptions"] == {"mode": "token"}
    (workers,) = cluster["workerGroupSpecs"]
    pods = [cluster["headGroupSpec"]["template"]["spec"], workers["template"]["spec"]]
    for pod in pods:
        (container,) = pod["containers"]
        volumes = {one["name"]: one["persistentVolumeClaim"]["claimName"] for one in pod["volumes"]}
        assert set(volumes.values()) == {claim["metadata"]["name"]}
        (mount,) = container["volumeMounts"]
        assert mount["name"] in volumes
        assert str(bound["out"]).startswith(mount["mountPath"])  # results are on the claim
        assert container["resources"]["limits"] == container["resources"]["requests"]
    head, worker = (pod["containers"][0] for pod in pods)
    assert head["envFrom"] == [{"secretRef": {"name": "phyrefine-keys"}}]  # the calls are made here
    assert cluster["headGroupSpec"]["rayStartParams"]["num-gpus"] == "0"
    assert int(worker["resources"]["limits"]["nvidia.com/gpu"]) > 0
    assert "value" not in json.dumps(job)  # no key stands in the file


def test_one_version_of_ray_everywhere():
    yaml = pytest.importorskip("yaml")
    _, job = yaml.safe_load_all((RECIPES / "kuberay.yaml").read_text())
    version = job["spec"]["rayClusterSpec"]["rayVersion"]
    image = (RECIPES / "Dockerfile").read_text()
    assert f"FROM rayproject/ray:{version}-py311-gpu" in image
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"][
        "optional-dependencies"
    ]
    floor = re.fullmatch(r"ray(?:\[\w+\])?>=([\d.]+)", extras["ray"][0]).group(1)
    assert tuple(map(int, version.split("."))) >= tuple(map(int, floor.split(".")))
    (installed,) = re.findall(r'"/tmp/phyrefine\[([\w,-]+)\]"', image)
    assert set(installed.split(",")) <= extras.keys()
