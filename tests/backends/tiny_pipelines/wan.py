"""Wan 2.1 and 2.2, TI2V and VACE."""

from __future__ import annotations

import torch

from tiny_pipelines.parts import strengthen, t5, without


def wan_vae(*, gain=30, **options):
    from diffusers import AutoencoderKLWan

    torch.manual_seed(0)
    settings = {
        "base_dim": 3,
        "z_dim": 16,
        "dim_mult": [1, 1, 1, 1],
        "num_res_blocks": 1,
        "temperal_downsample": [False, True, True],
    }
    # The published statistics of the latents dwarf what random weights encode.
    return strengthen(AutoencoderKLWan(**settings | options), gain, "quant_conv")


def wan_transformer(kind="WanTransformer3DModel", **options):
    import diffusers

    torch.manual_seed(0)
    settings = {
        "patch_size": (1, 2, 2),
        "num_attention_heads": 2,
        "attention_head_dim": 12,
        "in_channels": 16,
        "out_channels": 16,
        "text_dim": 32,
        "freq_dim": 256,
        "ffn_dim": 32,
        "num_layers": 2,
        "cross_attn_norm": True,
        "qk_norm": "rms_norm_across_heads",
        "rope_max_seq_len": 64,
    }
    return getattr(diffusers, kind)(**settings | options)


def unipc(shift=3.0):
    from diffusers import UniPCMultistepScheduler

    return UniPCMultistepScheduler(
        prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=shift
    )


def wan_21():
    """With a CLIP image encoder, as Wan 2.1 has it."""
    import diffusers
    import transformers

    torch.manual_seed(0)
    encoder = transformers.CLIPVisionModel(
        transformers.CLIPVisionConfig(
            hidden_size=4,
            projection_dim=4,
            num_hidden_layers=2,
            num_attention_heads=2,
            image_size=32,
            intermediate_size=16,
            patch_size=8,
        )
    ).eval()
    return diffusers.WanImageToVideoPipeline(
        **t5("UMT5"),
        vae=wan_vae(),
        scheduler=unipc(),
        image_processor=transformers.CLIPImageProcessorPil(crop_size=32, size=32),
        image_encoder=encoder,
        transformer=wan_transformer(in_channels=36, image_dim=4, added_kv_proj_dim=24),
        transformer_2=None,
    )


def wan_22():
    """Two experts and no image encoder, as Wan 2.2 A14B has it."""
    from diffusers import WanImageToVideoPipeline

    return WanImageToVideoPipeline(
        **t5("UMT5"),
        vae=wan_vae(),
        scheduler=unipc(),
        image_processor=None,
        image_encoder=None,
        transformer=wan_transformer(in_channels=36),
        transformer_2=wan_transformer(in_channels=36),
        boundary_ratio=0.9,
    )


def wan_ti2v():
    """The 16-fold VAE with 48 channels of Wan 2.2 TI2V."""
    from diffusers import WanImageToVideoPipeline

    vae = wan_vae(
        decoder_base_dim=4,
        z_dim=48,
        in_channels=12,
        out_channels=12,
        is_residual=True,
        patch_size=2,
        latents_mean=[0.0] * 48,
        latents_std=[1.0] * 48,
        scale_factor_spatial=16,
        scale_factor_temporal=4,
    )
    return WanImageToVideoPipeline(
        **t5("UMT5"),
        vae=vae,
        scheduler=unipc(5.0),
        image_processor=None,
        image_encoder=None,
        transformer=wan_transformer(in_channels=48, out_channels=48),
        transformer_2=None,
        expand_timesteps=True,
    )


def vace():
    from diffusers import WanVACEPipeline

    transformer = wan_transformer("WanVACETransformer3DModel", vace_layers=[0], vace_in_channels=96)
    return WanVACEPipeline(
        **t5("UMT5"),
        vae=wan_vae(),
        scheduler=unipc(),
        transformer=strengthen(transformer, 4, "vace_patch_embedding", "vace_blocks.0.proj_"),
        transformer_2=None,
    )


def wan_text():
    from diffusers import WanPipeline

    return WanPipeline(
        **t5("UMT5"),
        vae=wan_vae(),
        scheduler=unipc(),
        transformer=wan_transformer(),
        transformer_2=None,
    )


def wan_text_22():
    from diffusers import WanPipeline

    return WanPipeline(
        **t5("UMT5"),
        vae=wan_vae(),
        scheduler=unipc(),
        transformer=wan_transformer(),
        transformer_2=wan_transformer(),
        boundary_ratio=0.9,
    )


def wan_ti2v_text():
    from diffusers import WanPipeline

    parts = without(wan_ti2v(), "image_encoder", "image_processor")
    return WanPipeline(**parts, expand_timesteps=True)
