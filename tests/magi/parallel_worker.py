"""One of two processes that run the network together: RANK STORE_FILE ANSWER_FILE."""

import json
import sys
from pathlib import Path

import torch
from diffusers import ContextParallelConfig
from torch import distributed

from magi.goldens import Call, error, read_tensors, sampler, transformer
from phyrefine.errors import InvalidInputError
from phyrefine.magi.model.cache import ChunkCache


def errors(network):
    """Differences from the original's outputs, by case."""
    found, cache = {}, ChunkCache()
    for case in ("three", "batch3_nocontext"):
        call = Call("dit_a", case)
        found[case] = error(call.run(network), call.out())
    first = Call("dit_a", "cache_A")
    found["cache_A"] = error(first.run(network, cache, stored=True), first.out())
    second = Call("dit_a", "cache_B")
    out = second.out("out_nodrop_noupdate")
    found["cache_B"] = error(second.run(network, cache, null=False), out)
    golden = read_tensors("sampler")
    for chunk in sampler("a_v2v_p12").run():
        name = f"a_v2v_p12/chunk.{chunk.index}"
        found[name] = error(chunk.latents, golden[name])
    # Each rank keeps its share of the heads.
    found["cached heads"] = cache.past([0], 0, torch.device("cpu"))[0].shape[2]
    return found


def main():
    rank, store, answer = int(sys.argv[1]), sys.argv[2], Path(sys.argv[3])
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=2)
    # diffusers takes the rank modulo the accelerators it finds; here the "device" is the CPU.
    torch.accelerator.device_count = lambda: 1
    network = transformer("dit_a")
    network.enable_parallelism(config=ContextParallelConfig(ulysses_degree=2))
    found = errors(network)
    network._parallel_config.context_parallel_config.ring_degree = 2
    try:
        Call("dit_a", "three").run(network)
    except InvalidInputError as refused:
        found["ring"] = str(refused)
    if rank == 0:
        answer.write_text(json.dumps(found), encoding="utf-8")
    distributed.barrier()
    distributed.destroy_process_group()


if __name__ == "__main__":
    main()
