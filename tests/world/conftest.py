"""A network too small to draw anything, but real in all its parts."""

import pytest

torch = pytest.importorskip("torch")

from phyrefine.world.generator.network import NetworkConfig, VideoNetwork  # noqa: E402

WORDS = ("ball", "bounces", "falls", "the")


@pytest.fixture(scope="session")
def tiny_network():
    torch.manual_seed(0)
    config = NetworkConfig(WORDS, widths=(8, 8, 8), condition=16, word=8, queries=2)
    network = VideoNetwork(config)
    with torch.no_grad():
        for weight in network.parameters():
            # Zero-initialised layers would hide every path that ends in them.
            weight.add_(0.1 * torch.randn(weight.shape))
        network.text.embedding.weight[0] = 0.0
    return network.eval().requires_grad_(False)
