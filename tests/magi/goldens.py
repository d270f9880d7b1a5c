"""Stored outputs of the original, and how its calls read in ours. float32 unless said."""

import functools
import json
from pathlib import Path

import attrs
import torch
from safetensors.torch import load_file

from phyrefine.magi.config import parse_config
from phyrefine.magi.model import embeddings
from phyrefine.magi.model.cache import Captions, cache_state
from phyrefine.magi.model.layout import Row
from phyrefine.magi.sampling.sampler import Sampler, Savings
from phyrefine.magi.sampling.schedule import step_size
from phyrefine.magi.text.captions import (
    SpecialTokens,
    TextOptions,
    chunk_caption,
    null_caption,
    pack,
)
from phyrefine.magi.weights.checkpoint import load_transformer

DATA = Path(__file__).parent.parent / "data" / "magi"
MODELS = ("dit_a", "dit_b")
FORWARD = 1e-5  # limits on max |a - g| / max |g|
SAMPLER = 2e-5
SEEN = 2e-6  # what single calls reach on a machine that rounds like the goldens'

SWITCHES = {
    "PAD_HQ": "hq",
    "PAD_DURATION": "duration",
    "PAD_STATIC": "static",
    "PAD_DYNAMIC": "dynamic",
    "PAD_BORDERNESS": "borderness",
    "PAD_THREE_D_MODEL": "three_d_model",
    "PAD_TWO_D_ANIME": "two_d_anime",
    "NEG_PROMPT": "negative",
}


def error(actual, golden):
    """Largest difference relative to the largest golden value."""
    assert actual.shape == golden.shape
    return ((actual.double() - golden.double()).abs().max() / golden.abs().max()).item()


@functools.cache
def read_json(name):
    return json.loads((DATA / f"{name}.json").read_text(encoding="utf-8"))


@functools.cache
def read_tensors(name):
    return load_file(DATA / f"{name}.safetensors")


@functools.cache
def special_tokens():
    return SpecialTokens(DATA / "special_tokens.npz")


def text_options(env):
    off = dict.fromkeys(SWITCHES.values(), False)
    return TextOptions(**{**off, **{SWITCHES[name]: True for name in env}})


def round_as_the_original_did(monkeypatch):
    """Take the one time frequency that the goldens' machine rounded the other way.

    exp() in float32 is 0.47 units from the next value there. Ours is correctly rounded, which shows
    where angles reach thousands of radians: 9e-6 for distilled calls instead of 1e-6.
    """
    frequencies = embeddings._time_frequencies().clone()
    frequencies[13] = torch.nextafter(frequencies[13], torch.tensor(2.0))
    monkeypatch.setattr(embeddings, "_time_frequencies", lambda: frequencies)


def variant(model, runtime=None, engine=None):
    sections = read_json(f"{model}/config")
    return parse_config(
        {
            **sections,
            "runtime_config": {**sections["runtime_config"], **(runtime or {})},
            "engine_config": {**sections["engine_config"], **(engine or {})},
        }
    )


@functools.cache
def transformer(model, dtype=torch.float32, distilled=False):
    shape = variant(model).model
    loaded = load_transformer(DATA / model / "inference_weight", shape, dtype=dtype)
    # The goldens run the same weights as a base and as a distilled model.
    loaded.shape = attrs.evolve(shape, distilled=distilled)
    return loaded


class Call:
    """One stored call of the original network, as rows of ours."""

    def __init__(self, model, case):
        self.model, self.case = model, case
        self.golden = read_tensors(f"{model}_forward")
        self.spec = read_json(f"{model}_forward")[case]
        source = self.spec.get("inputs_from", case)
        kwargs = self.spec["kwargs"]
        self.width, self.start = kwargs["chunk_width"], kwargs["slice_point"]
        self.chunks = kwargs["denoising_range_num"]
        self.steps, self.interval = kwargs["num_steps"], kwargs.get("distill_interval", 1.0)
        self.x, self.t = self.golden[f"{source}/x"], self.golden[f"{source}/t"]
        self.y, self.mask = self.golden[f"{source}/y"], self.golden[f"{source}/xattn_mask"]
        tokens = self.spec["tokens_per_chunk"]
        self.sees = (self.golden[f"{source}/kv_range"] // tokens).tolist()

    def out(self, name="out"):
        return self.golden[f"{self.case}/{name}"]

    def captions(self):
        return Captions.packed(
            [[y[0][m[0].bool()]] for y, m in zip(self.y, self.mask, strict=True)]
        )

    def rows(self, *, null=None, stored=False):
        null = self.spec["caption_dropout_mask"] if null is None else null
        batch = self.x.shape[0]
        return [
            Row(
                self.start + r,
                float(self.t[b, r]),
                (0, 1) if batch > 1 else tuple(self.sees[r]),
                group=b,
                text=b * self.chunks + r,
                null=null,
                stored=stored,
            )
            for b in range(batch)
            for r in range(self.chunks)
        ]

    def latents(self):
        return torch.cat(
            [
                self.x[b : b + 1, :, r * self.width : (r + 1) * self.width]
                for b in range(self.x.shape[0])
                for r in range(self.chunks)
            ]
        )

    def joined(self, rows):
        """Rows (B R, 16, cw, h, w) as (B, 16, R cw, h, w)."""
        parts = rows.unflatten(0, (self.x.shape[0], self.chunks))
        return torch.cat(parts.unbind(1), dim=2)

    def run(self, network, cache=None, *, null=None, stored=False, distilled=False):
        size = step_size(self.steps, self.interval) if distilled else None
        rows = self.rows(null=null, stored=stored)
        return self.joined(network(self.latents(), rows, self.captions(), cache, size))


def cached(cache, chunks, layer):
    """Keys beside values (tokens, G, 2 e), as the original stores them."""
    held = cache_state(cache)
    return torch.cat([torch.cat(held[chunk, layer].unbind(0), dim=-1) for chunk in chunks])


SCENARIOS = tuple(read_json("sampler"))


def sampler(name, savings=None, *, dtype=torch.float32, on_step=None):
    """The sampler of a stored scenario."""
    savings = savings or Savings()
    spec, inputs = read_json("sampler")[name], read_tensors("sampler_inputs")
    config = spec["config"]
    model = spec["model"]
    found = variant(model, config["runtime_config"], config["engine_config"])
    network = transformer(model, dtype, found.model.distilled)
    latents, chunks = spec["prefix_latent_frames"], spec["chunk_num"]
    width = found.sampling.chunk_width
    first = latents // width
    options = text_options(spec["env"])
    tokens = special_tokens() if options.needed else None
    null = null_caption(network.caption_embed.null_embedding, options, tokens)
    features = inputs[f"caption_embs/{model}"][0, 0]
    mask = (torch.arange(len(features)) < spec["caption_tokens"]).long()
    captions = [
        chunk_caption(features, mask, null, chunks - c, options, tokens)
        for c in range(first, chunks)
    ]
    noise = inputs[f"noise/{model}"][0]
    return Sampler(
        network,
        found.sampling,
        num_frames=config["runtime_config"]["num_frames"],
        noise=lambda chunk: noise[:, chunk * width : (chunk + 1) * width],
        captions=pack([null, *captions], keep=savings.keep_text),
        text_of=lambda chunk: chunk - first + 1,
        prefix=inputs[f"prefix/{model}"][:, :, :latents] if latents else None,
        savings=savings,
        on_step=on_step,
    )
