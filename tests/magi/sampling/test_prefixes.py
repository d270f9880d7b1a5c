import numpy as np
import torch

from phyrefine.magi.model.cache import ChunkCache
from phyrefine.magi.sampling.prefixes import PrefixMemory, digest_frames


def test_a_prefix_is_encoded_and_shown_once():
    memory = PrefixMemory()
    latents = [memory.latents("a", lambda: torch.zeros(1)) for _ in range(3)]
    caches = [memory.cache(("a", "settings"), ChunkCache) for _ in range(3)]
    assert latents[0] is latents[1] is latents[2]
    assert caches[0] is caches[1] is caches[2]
    assert (memory.encoded, memory.shown) == (1, 1)


def test_other_settings_share_latents_but_no_keys():
    memory = PrefixMemory()
    memory.latents("a", lambda: torch.zeros(1))
    one, other = (memory.cache(("a", told), ChunkCache) for told in ("8", "4"))
    memory.latents("a", lambda: torch.zeros(1))
    assert one is not other
    assert (memory.encoded, memory.shown) == (1, 2)


def test_the_prefix_used_longest_ago_goes_first():
    memory = PrefixMemory(most=2)
    for digest in ("a", "b", "a", "c", "a", "b"):
        memory.latents(digest, lambda: torch.zeros(1))
    assert memory.encoded == 4  # a, b, c, and b again
    memory.clear()
    memory.latents("a", lambda: torch.zeros(1))
    assert memory.encoded == 5


def test_digests_see_pixels_and_shape():
    frames = np.zeros((2, 4, 6, 3), np.uint8)
    changed = frames.copy()
    changed[1, 3, 5, 2] = 1
    digests = {
        digest_frames(frames),
        digest_frames(changed),
        digest_frames(frames.reshape(4, 2, 6, 3)),
    }
    assert len(digests) == 3
    strided = np.zeros((4, 4, 6, 3), np.uint8)[::2]
    assert digest_frames(strided) == digest_frames(frames)
