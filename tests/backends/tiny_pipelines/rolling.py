"""Families that roll on by themselves: SkyReels-V2, Helios, AnyFlow-FAR."""

from __future__ import annotations

import torch

from tiny_pipelines.parts import strengthen, t5
from tiny_pipelines.wan import unipc, wan_transformer, wan_vae


def skyreels():
    import diffusers

    return diffusers.SkyReelsV2DiffusionForcingVideoToVideoPipeline(
        **t5("UMT5"),
        vae=wan_vae(),
        scheduler=unipc(8.0),
        transformer=wan_transformer("SkyReelsV2Transformer3DModel", inject_sample_info=True),
    )


def skyreels_df_text():
    import diffusers

    return diffusers.SkyReelsV2DiffusionForcingPipeline(**skyreels().components)


def skyreels_text():
    import diffusers

    return diffusers.SkyReelsV2Pipeline(
        **t5("UMT5"),
        vae=wan_vae(),
        scheduler=unipc(8.0),
        transformer=wan_transformer("SkyReelsV2Transformer3DModel"),
    )


def skyreels_image():
    import diffusers
    import transformers

    torch.manual_seed(0)
    encoder = transformers.CLIPVisionModelWithProjection(
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
    return diffusers.SkyReelsV2ImageToVideoPipeline(
        **t5("UMT5"),
        vae=wan_vae(),
        scheduler=unipc(5.0),
        image_encoder=encoder,
        image_processor=transformers.CLIPImageProcessorPil(crop_size=32, size=32),
        transformer=wan_transformer(
            "SkyReelsV2Transformer3DModel", in_channels=36, image_dim=4, added_kv_proj_dim=24
        ),
    )


def helios():
    import diffusers

    history = strengthen(_helios_transformer(), 4, "patch_short", "patch_mid", "patch_long")
    return diffusers.HeliosPipeline(
        **t5("UMT5"),
        vae=wan_vae(gain=100),
        scheduler=diffusers.HeliosScheduler(
            stage_range=[0, 1], stages=1, use_dynamic_shifting=True
        ),
        transformer=strengthen(history, 3, "attn"),
    )


def _helios_transformer():
    from diffusers import HeliosTransformer3DModel

    torch.manual_seed(0)
    return HeliosTransformer3DModel(
        patch_size=(1, 2, 2),
        num_attention_heads=2,
        attention_head_dim=12,
        in_channels=16,
        out_channels=16,
        text_dim=32,
        freq_dim=256,
        ffn_dim=32,
        num_layers=2,
        cross_attn_norm=True,
        qk_norm="rms_norm_across_heads",
        rope_dim=(4, 4, 4),
    )


def helios_pyramid():
    import diffusers

    # At exactly a third the noise of its upsampling has no Cholesky factor on some CPUs.
    parts = helios().components | {"scheduler": diffusers.HeliosScheduler(gamma=0.3)}
    return diffusers.HeliosPyramidPipeline(**parts)


def anyflow():
    import diffusers

    torch.manual_seed(0)
    transformer = diffusers.AnyFlowFARTransformer3DModel(
        patch_size=(1, 2, 2),
        compressed_patch_size=(1, 4, 4),
        full_chunk_limit=3,
        num_attention_heads=2,
        attention_head_dim=12,
        in_channels=16,
        out_channels=16,
        text_dim=32,
        freq_dim=16,
        ffn_dim=32,
        num_layers=2,
        cross_attn_norm=True,
        rope_max_seq_len=32,
        gate_value=0.25,
        deltatime_type="r",
        chunk_partition=(1, 2, 2),
    )
    return diffusers.AnyFlowFARPipeline(
        **t5("UMT5"),
        transformer=transformer,
        vae=wan_vae(),
        scheduler=diffusers.FlowMapEulerDiscreteScheduler(num_train_timesteps=1000, shift=5.0),
    )


def anyflow_text():
    import diffusers

    torch.manual_seed(0)
    transformer = diffusers.AnyFlowTransformer3DModel(
        patch_size=(1, 2, 2),
        num_attention_heads=2,
        attention_head_dim=12,
        in_channels=16,
        out_channels=16,
        text_dim=32,
        freq_dim=16,
        ffn_dim=32,
        num_layers=2,
        cross_attn_norm=True,
        rope_max_seq_len=32,
        gate_value=0.25,
        deltatime_type="r",
    )
    return diffusers.AnyFlowPipeline(
        **t5("UMT5"),
        transformer=transformer,
        vae=wan_vae(),
        scheduler=diffusers.FlowMapEulerDiscreteScheduler(num_train_timesteps=1000, shift=5.0),
    )
