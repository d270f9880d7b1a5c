"""More real diffusers pipelines with tiny random weights: text to video, and HunyuanVideo 1.0.

They reuse the parts of ``tiny_pipelines``.
"""

from __future__ import annotations

import tiny_pipelines as tiny
import torch


def _without(pipe, *names):
    return {name: part for name, part in pipe.components.items() if name not in names}


# -- Wan and its kin ---------------------------------------------------------------------------


def wan_text():
    from diffusers import WanPipeline

    return WanPipeline(
        **tiny.t5("UMT5"),
        vae=tiny.wan_vae(),
        scheduler=tiny.unipc(),
        transformer=tiny.wan_transformer(),
        transformer_2=None,
    )


def wan_text_22():
    from diffusers import WanPipeline

    return WanPipeline(
        **tiny.t5("UMT5"),
        vae=tiny.wan_vae(),
        scheduler=tiny.unipc(),
        transformer=tiny.wan_transformer(),
        transformer_2=tiny.wan_transformer(),
        boundary_ratio=0.9,
    )


def wan_ti2v_text():
    from diffusers import WanPipeline

    parts = _without(tiny.wan_ti2v(), "image_encoder", "image_processor")
    return WanPipeline(**parts, expand_timesteps=True)


def skyreels_df_text():
    import diffusers

    return diffusers.SkyReelsV2DiffusionForcingPipeline(**tiny.skyreels().components)


def skyreels_text():
    import diffusers

    return diffusers.SkyReelsV2Pipeline(
        **tiny.t5("UMT5"),
        vae=tiny.wan_vae(),
        scheduler=tiny.unipc(8.0),
        transformer=tiny.wan_transformer("SkyReelsV2Transformer3DModel"),
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
        **tiny.t5("UMT5"),
        vae=tiny.wan_vae(),
        scheduler=tiny.unipc(5.0),
        image_encoder=encoder,
        image_processor=transformers.CLIPImageProcessorPil(crop_size=32, size=32),
        transformer=tiny.wan_transformer(
            "SkyReelsV2Transformer3DModel", in_channels=36, image_dim=4, added_kv_proj_dim=24
        ),
    )


def helios_pyramid():
    import diffusers

    # At exactly a third the noise of its upsampling has no Cholesky factor on some CPUs.
    parts = tiny.helios().components | {"scheduler": diffusers.HeliosScheduler(gamma=0.3)}
    return diffusers.HeliosPyramidPipeline(**parts)


# -- HunyuanVideo ------------------------------------------------------------------------------


def _hunyuan_transformer(**options):
    import diffusers

    torch.manual_seed(0)
    settings = {
        "in_channels": 4,
        "out_channels": 4,
        "num_attention_heads": 2,
        "attention_head_dim": 10,
        "num_layers": 1,
        "num_single_layers": 1,
        "num_refiner_layers": 1,
        "patch_size": 1,
        "patch_size_t": 1,
        "guidance_embeds": True,
        "text_embed_dim": 16,
        "pooled_projection_dim": 8,
        "rope_axes_dim": (2, 4, 4),
    }
    return diffusers.HunyuanVideoTransformer3DModel(**settings | options)


def hunyuan_text():
    import diffusers

    parts = _without(tiny.framepack(), "feature_extractor", "image_encoder")
    return diffusers.HunyuanVideoPipeline(**parts | {"transformer": _hunyuan_transformer()})


def skyreels_v1():
    import diffusers

    parts = _without(tiny.framepack(), "feature_extractor", "image_encoder")
    transformer = tiny.strengthen(_hunyuan_transformer(in_channels=8), 4, "x_embedder")
    return diffusers.HunyuanSkyreelsImageToVideoPipeline(**parts | {"transformer": transformer})


def hunyuan_15_text():
    import diffusers

    pipe = tiny.hunyuan_15()
    return diffusers.HunyuanVideo15Pipeline(**_without(pipe, "image_encoder", "feature_extractor"))


# -- others ------------------------------------------------------------------------------------


def cosmos_1_text():
    import diffusers

    parts = tiny.cosmos_1().components | {"transformer": tiny.cosmos_transformer(4, out_channels=4)}
    return diffusers.CosmosTextToWorldPipeline(**parts)


def mochi():
    import diffusers

    torch.manual_seed(0)
    transformer = diffusers.MochiTransformer3DModel(
        patch_size=2,
        num_attention_heads=2,
        attention_head_dim=8,
        num_layers=2,
        pooled_projection_dim=16,
        in_channels=12,
        text_embed_dim=32,
        time_embed_dim=4,
        activation_fn="swiglu",
        max_sequence_length=16,
    )
    vae = diffusers.AutoencoderKLMochi(
        latent_channels=12,
        out_channels=3,
        encoder_block_out_channels=(32, 32, 32, 32),
        decoder_block_out_channels=(32, 32, 32, 32),
        layers_per_block=(1, 1, 1, 1, 1),
    )
    return diffusers.MochiPipeline(
        **tiny.t5(),
        transformer=transformer,
        vae=vae,
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(),
    )


def allegro():
    import diffusers

    torch.manual_seed(0)
    transformer = diffusers.AllegroTransformer3DModel(
        num_attention_heads=2,
        attention_head_dim=12,
        in_channels=4,
        out_channels=4,
        num_layers=1,
        cross_attention_dim=24,
        sample_width=8,
        sample_height=8,
        sample_frames=8,
        caption_channels=32,
    )
    vae = diffusers.AutoencoderKLAllegro(
        in_channels=3,
        out_channels=3,
        block_out_channels=(8, 8, 8, 8),
        latent_channels=4,
        layers_per_block=1,
        norm_num_groups=2,
        temporal_compression_ratio=4,
        sample_size=64,
    )
    return diffusers.AllegroPipeline(
        **tiny.t5(), transformer=transformer, vae=vae, scheduler=diffusers.DDIMScheduler()
    )


def _sana(kind, scheduler):
    import diffusers
    import transformers

    specials = ["<pad>", "<eos>", "<bos>", "<unk>"]
    tokenizer = tiny.byte_tokenizer(specials, bos="<bos>", eos="<eos>", pad="<pad>")
    torch.manual_seed(0)
    encoder = transformers.Gemma2Model(
        transformers.Gemma2Config(
            head_dim=16,
            hidden_size=8,
            intermediate_size=64,
            num_attention_heads=2,
            num_hidden_layers=1,
            num_key_value_heads=2,
            vocab_size=len(tokenizer),
            pad_token_id=tokenizer.pad_token_id,
        )
    ).eval()
    torch.manual_seed(0)
    transformer = diffusers.SanaVideoTransformer3DModel(
        in_channels=16,
        out_channels=16,
        num_attention_heads=2,
        attention_head_dim=12,
        num_layers=2,
        num_cross_attention_heads=2,
        cross_attention_head_dim=12,
        cross_attention_dim=24,
        caption_channels=8,
        mlp_ratio=2.5,
        sample_size=8,
        rope_max_seq_len=64,
    )
    return getattr(diffusers, kind)(
        tokenizer=tokenizer,
        text_encoder=encoder,
        vae=tiny.wan_vae(),
        transformer=transformer,
        scheduler=scheduler,
    )


def sana_text():
    import diffusers

    return _sana("SanaVideoPipeline", diffusers.FlowMatchEulerDiscreteScheduler())


def sana_image():
    import diffusers

    return _sana("SanaImageToVideoPipeline", diffusers.FlowMatchEulerDiscreteScheduler())
