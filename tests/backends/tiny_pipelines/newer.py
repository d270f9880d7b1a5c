"""Kandinsky 5 and 6, Motif-Video and EasyAnimate."""

from __future__ import annotations

import torch

from tiny_pipelines.hunyuan import hunyuan_vae
from tiny_pipelines.parts import CHAT, byte_tokenizer, clip_text, strengthen, without
from tiny_pipelines.wan import wan_vae

CHAT_TOKENS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<unk>"]


def _qwen(kind, tokens, width=16):
    """A tiny Qwen2-VL or Qwen2.5-VL."""
    import transformers

    rope = {"mrope_section": [1, 1, 2], "rope_type": "default", "type": "default"}
    vision = {"depth": 1, "num_heads": 2}
    if kind == "Qwen2VL":
        vision |= {"embed_dim": width, "hidden_size": width}
    else:
        vision |= {"hidden_size": width, "intermediate_size": width, "out_hidden_size": width}
    torch.manual_seed(0)
    config = getattr(transformers, f"{kind.replace('2VL', '2VL')}Config")(
        text_config={
            "hidden_size": width,
            "intermediate_size": width,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "num_key_value_heads": 2,
            "vocab_size": tokens,
            "rope_parameters": rope,
        },
        vision_config=vision,
    )
    return getattr(transformers, f"{kind}ForConditionalGeneration")(config).eval()


# -- Kandinsky ---------------------------------------------------------------------------------


def _kandinsky_parts():
    import diffusers

    tokenizer = byte_tokenizer(CHAT_TOKENS, eos="<|im_end|>", pad="<|endoftext|>", template=CHAT)
    clip_tokenizer, clip = clip_text()
    return {
        "vae": hunyuan_vae(),
        "text_encoder": _qwen("Qwen2_5_VL", len(tokenizer)),
        "tokenizer": tokenizer,
        "text_encoder_2": clip,
        "tokenizer_2": clip_tokenizer,
        "scheduler": diffusers.FlowMatchEulerDiscreteScheduler(shift=7.0),
    }


def _kandinsky(kind, **options):
    import diffusers

    torch.manual_seed(0)
    settings = {
        "in_visual_dim": 4,
        "out_visual_dim": 4,
        "in_text_dim": 16,
        "in_text_dim2": 8,
        "time_dim": 16,
        "patch_size": (1, 2, 2),
        "model_dim": 12,
        "ff_dim": 24,
        "num_text_blocks": 1,
        "num_visual_blocks": 2,
        "axes_dims": (2, 2, 2),
        "visual_cond": True,
    }
    model = strengthen(getattr(diffusers, kind)(**settings | options), 3, "to_")
    # Its output layers begin at zero, so fresh weights ignore every input.
    with torch.no_grad():
        for weight in model.parameters():
            if not weight.any():
                weight.normal_(0, 0.2)
    return model


def kandinsky_5(*, image=True):
    import diffusers

    kind = "Kandinsky5I2VPipeline" if image else "Kandinsky5T2VPipeline"
    return getattr(diffusers, kind)(
        **_kandinsky_parts(), transformer=_kandinsky("Kandinsky5Transformer3DModel")
    )


def kandinsky_6():
    import diffusers

    torch.manual_seed(0)
    audio = diffusers.MMAudioVAE(
        mel_bins=8,
        latent_channels=4,
        hidden_channels=8,
        channel_multipliers=(1, 2),
        layers_per_block=1,
        sample_rate=64,
        n_fft=16,
        hop_length=4,
    )
    vocoder = diffusers.MMAudioVocoder(
        num_mels=8,
        upsample_initial_channel=8,
        upsample_rates=(2, 2),
        upsample_kernel_sizes=(4, 4),
        resblock_kernel_sizes=(3,),
        resblock_dilation_sizes=((1, 3),),
    )
    transformer = _kandinsky(
        "Kandinsky6Transformer3DModel",
        in_audio_dim=4,
        out_audio_dim=4,
        visual_token_type_num_embeddings=2,
    )
    return diffusers.Kandinsky6TI2VAPipeline(
        **_kandinsky_parts(), transformer=transformer, audio_vae=audio, vocoder=vocoder
    )


# -- Motif -------------------------------------------------------------------------------------


def motif(*, image=True):
    import diffusers
    import transformers
    from diffusers.guiders import ClassifierFreeGuidance

    specials = ["<pad>", "<eos>", "<bos>", "<unk>", "<image>"]
    tokenizer = byte_tokenizer(specials, bos="<bos>", eos="<eos>", pad="<pad>")
    words = transformers.T5Gemma2TextConfig(
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=2,
        head_dim=16,
        intermediate_size=32,
        vocab_size=len(tokenizer),
        max_position_embeddings=128,
    )
    # Read by the encoder, and not among what its configuration begins with.
    words.dropout_rate, words.layer_norm_epsilon, words.dense_act_fn = 0.0, 1e-6, "gelu"
    torch.manual_seed(0)
    encoder = transformers.T5Gemma2Encoder(
        transformers.T5Gemma2EncoderConfig(
            text_config=words,
            vision_config={
                "hidden_size": 8,
                "intermediate_size": 8,
                "num_hidden_layers": 1,
                "num_attention_heads": 2,
                "image_size": 16,
                "patch_size": 8,
            },
            mm_tokens_per_image=1,
            image_token_index=4,
        )
    ).eval()
    torch.manual_seed(0)
    transformer = diffusers.MotifVideoTransformer3DModel(
        in_channels=33,
        out_channels=16,
        num_attention_heads=2,
        attention_head_dim=12,
        num_layers=1,
        num_single_layers=1,
        patch_size=1,
        patch_size_t=1,
        text_embed_dim=32,
        image_embed_dim=8,
        rope_axes_dim=(4, 4, 4),
    )
    parts = {
        "tokenizer": tokenizer,
        "text_encoder": encoder,
        "transformer": transformer,
        "vae": wan_vae(),
        "scheduler": diffusers.FlowMatchEulerDiscreteScheduler(shift=7.0),
        "guider": ClassifierFreeGuidance(guidance_scale=6.0),
        "feature_extractor": transformers.SiglipImageProcessorPil(size={"height": 16, "width": 16}),
    }
    if image:
        return diffusers.MotifVideoImage2VideoPipeline(**parts)
    return diffusers.MotifVideoPipeline(**without(parts, "feature_extractor"))


# -- EasyAnimate -------------------------------------------------------------------------------


def easyanimate(*, image=True):
    import diffusers

    tokenizer = byte_tokenizer(CHAT_TOKENS, eos="<|im_end|>", pad="<|endoftext|>", template=CHAT)
    torch.manual_seed(0)
    transformer = diffusers.EasyAnimateTransformer3DModel(
        num_attention_heads=2,
        attention_head_dim=16,
        in_channels=9 if image else 4,
        out_channels=4,
        time_embed_dim=2,
        text_embed_dim=16,
        num_layers=1,
        mmdit_layers=1,
        sample_width=16,
        sample_height=16,
        patch_size=2,
    )
    torch.manual_seed(0)
    vae = diffusers.AutoencoderKLMagvit(
        down_block_types=("SpatialDownBlock3D", *("SpatialTemporalDownBlock3D",) * 3),
        up_block_types=("SpatialUpBlock3D", *("SpatialTemporalUpBlock3D",) * 3),
        block_out_channels=(8, 8, 8, 8),
        latent_channels=4,
        layers_per_block=1,
        norm_num_groups=2,
        spatial_group_norm=False,
    )
    kind = "EasyAnimateInpaintPipeline" if image else "EasyAnimatePipeline"
    return getattr(diffusers, kind)(
        vae=vae,
        text_encoder=_qwen("Qwen2VL", len(tokenizer)),
        tokenizer=tokenizer,
        transformer=strengthen(transformer, 2, "proj"),
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(),
    )
