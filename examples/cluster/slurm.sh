#!/bin/bash
# Runs a benchmark on several Slurm nodes: Ray comes up on all of them, the command runs on the first.
# Submit from the folder that holds DATA and runs/, on a disk that every node sees:
#
#   sbatch examples/cluster/slurm.sh
#
# Submitting it again goes on where it ended. Follow it with: phyrefine watch runs/physics-iq
#SBATCH --job-name=phyrefine
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=8
#SBATCH --cpus-per-task=32
#SBATCH --time=24:00:00
#SBATCH --output=phyrefine-%j.log
set -euo pipefail

: "${SLURM_JOB_ID:?This is a batch script: submit it with sbatch.}"
# Keys of services: a file that only you can read, with lines such as export GEMINI_API_KEY=...
[ -r "$HOME/.phyrefine-keys" ] && source "$HOME/.phyrefine-keys"
# shellcheck disable=SC1091
[ -d .venv ] && source .venv/bin/activate

mapfile -t nodes < <(scontrol show hostnames "$SLURM_JOB_NODELIST")
port=${RAY_PORT:-6379}
# Only processes of this job may join it; whoever else reaches a Ray without a token can run code on it.
export RAY_AUTH_MODE=token
RAY_AUTH_TOKEN=$(od -An -N32 -tx1 /dev/urandom | tr -d ' \n')
export RAY_AUTH_TOKEN

srun --kill-on-bad-exit=1 ray symmetric-run \
  --address "${nodes[0]}:$port" --min-nodes "$SLURM_JOB_NUM_NODES" \
  --num-gpus "${SLURM_GPUS_ON_NODE:-0}" --num-cpus "${SLURM_CPUS_PER_TASK:-1}" -- \
  phyrefine bench physics-iq --data DATA --out runs/physics-iq \
  --vlm gemini --llm openai --generator magi:PATH --seeds 0,1,2,3 \
  --ray auto
