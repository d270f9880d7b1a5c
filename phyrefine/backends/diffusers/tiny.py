"""CogVideoX with tiny random weights: diffusers' real classes, built in memory, no download.

To rehearse with: everything behaves as with the published weights, but the frames are noise::

    pipe = tiny_cogvideox()
    pipe.save_pretrained("tiny")  # 0.4 MB; from_pretrained("tiny") loads it like any checkpoint
"""

from __future__ import annotations

import string
from typing import Any

from phyrefine._optional import require

CHARACTERS = string.ascii_letters + string.digits + ".,!?-'\""


def tiny_cogvideox(
    *,
    image: bool = True,
    newer: bool = False,
    frames: int = 9,
    tokens: int = 226,
    scheduler: str = "CogVideoXDPMScheduler",
) -> Any:
    """A CogVideoX pipeline of about 0.1 million parameters that makes 32x32 pixels at 8 fps.

    Args:
        image: Image-to-video; else text-to-video.
        newer: CogVideoX 1.5 instead of the first generation.
        frames: Length of a pass, ``8 k + 1`` (``16 k + 1`` for 1.5).
        tokens: Longest prompt; a token is a character here.
        scheduler: Name of a scheduler class of diffusers.

    Returns:
        A ``CogVideoXImageToVideoPipeline`` or ``CogVideoXPipeline`` in float32 on the CPU. Its
        weights are the same in every process.

    Raises:
        MissingDependencyError: diffusers is not installed.
    """
    diffusers = require("diffusers", extra="diffusers", feature="A tiny CogVideoX")
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        transformer = diffusers.CogVideoXTransformer3DModel(
            num_attention_heads=2,
            attention_head_dim=16,
            in_channels=8 if image else 4,
            out_channels=4,
            time_embed_dim=8,
            text_embed_dim=32,
            num_layers=1,
            sample_width=4,
            sample_height=4,
            sample_frames=frames,
            patch_size=2,
            temporal_compression_ratio=4,
            max_text_seq_length=tokens,
            **_positions(image=image, newer=newer),
        )
    kind = "CogVideoXImageToVideoPipeline" if image else "CogVideoXPipeline"
    return getattr(diffusers, kind)(
        **tiny_t5(),
        transformer=transformer,
        vae=_vae(inverted=newer),
        scheduler=getattr(diffusers, scheduler)(
            snr_shift_scale=1.0,
            prediction_type="v_prediction",
            timestep_spacing="trailing",
            rescale_betas_zero_snr=True,
        ),
    )


def _positions(*, image: bool, newer: bool) -> dict[str, Any]:
    """How the released transformers of each kind know where a token lies."""
    rotary = {"use_rotary_positional_embeddings": True}
    if newer:
        found = {"patch_size_t": 2, "patch_bias": False, **rotary}
        return found | ({"ofs_embed_dim": 8} if image else {})
    return {**rotary, "use_learned_positional_embeddings": True} if image else {}


def _vae(*, inverted: bool) -> Any:
    import torch
    from diffusers import AutoencoderKLCogVideoX

    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        return AutoencoderKLCogVideoX(
            down_block_types=("CogVideoXDownBlock3D",) * 4,
            up_block_types=("CogVideoXUpBlock3D",) * 4,
            block_out_channels=(8, 8, 8, 8),
            latent_channels=4,
            layers_per_block=1,
            norm_num_groups=2,
            temporal_compression_ratio=4,
            sample_height=32,
            sample_width=32,
            invert_scale_latents=inverted,
        )


def tiny_t5(kind: str = "T5") -> dict[str, Any]:
    """A tokenizer over single characters and a text encoder of width 32: T5 or UMT5."""
    from transformers import T5Tokenizer

    specials = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("\u2581", -2.0)]
    tokenizer = T5Tokenizer(
        vocab=specials + [(letter, -3.0) for letter in CHARACTERS],
        extra_ids=0,
        model_max_length=226,
    )
    return {"tokenizer": tokenizer, "text_encoder": tiny_t5_encoder(len(tokenizer), kind)}


def tiny_t5_encoder(vocabulary: int, kind: str = "T5") -> Any:
    """The encoder of :func:`tiny_t5` for a vocabulary of that many tokens."""
    import torch
    import transformers

    config = getattr(transformers, f"{kind}Config")(
        vocab_size=vocabulary,
        d_model=32,
        d_kv=8,
        d_ff=37,
        num_layers=2,
        num_heads=4,
        relative_attention_num_buckets=8,
        feed_forward_proj="gated-gelu",
        is_encoder_decoder=False,
        use_cache=False,
        tie_word_embeddings=False,
    )
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        encoder = getattr(transformers, f"{kind}EncoderModel")(config).eval()
    # Random T5 encoders damp their input so much that float16 cannot tell two prompts apart.
    with torch.no_grad():
        encoder.get_input_embeddings().weight.mul_(3)
    return encoder
