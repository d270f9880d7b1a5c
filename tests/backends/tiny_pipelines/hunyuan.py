"""HunyuanVideo 1.0 and 1.5, SkyReels-V1 and FramePack."""

from __future__ import annotations

import torch

from tiny_pipelines.parts import (
    CHAT_TEXT,
    byte_tokenizer,
    clip_text,
    strengthen,
    t5_encoder,
    without,
)


def hunyuan_vae():
    import diffusers

    torch.manual_seed(0)
    return diffusers.AutoencoderKLHunyuanVideo(
        latent_channels=4,
        down_block_types=("HunyuanVideoDownBlock3D",) * 4,
        up_block_types=("HunyuanVideoUpBlock3D",) * 4,
        block_out_channels=(8, 8, 8, 8),
        layers_per_block=1,
        norm_num_groups=4,
        scaling_factor=0.476986,
        spatial_compression_ratio=8,
        temporal_compression_ratio=4,
        mid_block_add_attention=True,
    )


def framepack():
    import diffusers
    import transformers

    torch.manual_seed(0)
    transformer = diffusers.HunyuanVideoFramepackTransformer3DModel(
        in_channels=4,
        out_channels=4,
        num_attention_heads=2,
        attention_head_dim=10,
        num_layers=1,
        num_single_layers=1,
        num_refiner_layers=1,
        patch_size=2,
        patch_size_t=1,
        guidance_embeds=True,
        text_embed_dim=16,
        pooled_projection_dim=8,
        rope_axes_dim=(2, 4, 4),
        image_condition_type=None,
        has_image_proj=True,
        image_proj_dim=32,
        has_clean_x_embedder=True,
    )
    specials = ["<|begin|>", "<|end|>", "<|eot|>", "<unk>"]
    llama_tokenizer = byte_tokenizer(specials, bos="<|begin|>", eos="<|end|>", pad="<|end|>")
    llama = transformers.LlamaModel(
        transformers.LlamaConfig(
            hidden_size=16,
            intermediate_size=37,
            num_attention_heads=4,
            num_key_value_heads=4,
            num_hidden_layers=2,
            vocab_size=len(llama_tokenizer),
            pad_token_id=1,
            bos_token_id=0,
            eos_token_id=1,
        )
    ).eval()
    vision = transformers.SiglipVisionModel(
        transformers.SiglipVisionConfig(
            hidden_size=32,
            num_hidden_layers=2,
            num_attention_heads=4,
            image_size=32,
            intermediate_size=37,
            patch_size=8,
        )
    ).eval()
    clip_tokenizer, clip = clip_text()
    return diffusers.HunyuanVideoFramepackPipeline(
        transformer=transformer,
        vae=hunyuan_vae(),
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(shift=7.0),
        text_encoder=llama,
        tokenizer=llama_tokenizer,
        text_encoder_2=clip,
        tokenizer_2=clip_tokenizer,
        feature_extractor=transformers.SiglipImageProcessorPil(size={"height": 32, "width": 32}),
        image_encoder=vision,
    )


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

    parts = without(framepack(), "feature_extractor", "image_encoder")
    return diffusers.HunyuanVideoPipeline(**parts | {"transformer": _hunyuan_transformer()})


def skyreels_v1():
    import diffusers

    parts = without(framepack(), "feature_extractor", "image_encoder")
    transformer = strengthen(_hunyuan_transformer(in_channels=8), 4, "x_embedder")
    return diffusers.HunyuanSkyreelsImageToVideoPipeline(**parts | {"transformer": transformer})


def hunyuan_15():
    import diffusers
    import transformers
    from diffusers.guiders import ClassifierFreeGuidance

    torch.manual_seed(0)
    transformer = diffusers.HunyuanVideo15Transformer3DModel(
        in_channels=9,
        out_channels=4,
        num_attention_heads=2,
        attention_head_dim=8,
        num_layers=1,
        num_refiner_layers=1,
        mlp_ratio=2.0,
        patch_size=1,
        patch_size_t=1,
        text_embed_dim=16,
        text_embed_2_dim=32,
        image_embed_dim=32,
        rope_axes_dim=(2, 2, 4),
        target_size=32,
        task_type="i2v",
    )
    vae = diffusers.AutoencoderKLHunyuanVideo15(
        latent_channels=4,
        block_out_channels=(8, 8, 8, 8, 8),
        layers_per_block=1,
        spatial_compression_ratio=16,
        temporal_compression_ratio=4,
        downsample_match_channel=False,
        upsample_match_channel=False,
    )
    specials = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<unk>"]
    tokenizer = byte_tokenizer(specials, eos="<|im_end|>", pad="<|endoftext|>", template=CHAT_TEXT)
    text = transformers.Qwen2_5_VLTextModel(
        transformers.Qwen2_5_VLTextConfig(
            hidden_size=16,
            intermediate_size=16,
            num_hidden_layers=3,
            num_attention_heads=2,
            num_key_value_heads=2,
            vocab_size=len(tokenizer),
            rope_parameters={"mrope_section": [1, 1, 2], "rope_type": "default"},
        )
    ).eval()
    vision = transformers.SiglipVisionModel(
        transformers.SiglipVisionConfig(
            hidden_size=32,
            num_hidden_layers=2,
            num_attention_heads=4,
            image_size=32,
            intermediate_size=37,
            patch_size=8,
        )
    ).eval()
    glyphs = transformers.ByT5Tokenizer()
    return diffusers.HunyuanVideo15ImageToVideoPipeline(
        transformer=transformer,
        vae=vae,
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(shift=7.0),
        text_encoder=text,
        tokenizer=tokenizer,
        text_encoder_2=t5_encoder(len(glyphs)),
        tokenizer_2=glyphs,
        guider=ClassifierFreeGuidance(guidance_scale=6.0),
        image_encoder=vision,
        feature_extractor=transformers.SiglipImageProcessorPil(size={"height": 32, "width": 32}),
    )


def hunyuan_15_text():
    import diffusers

    pipe = hunyuan_15()
    return diffusers.HunyuanVideo15Pipeline(**without(pipe, "image_encoder", "feature_extractor"))


# The published template is 100 tokens long; this one has the same parts in the same order.
HEADS = ("<|end_header_id|>", "<image>", "<|eot_id|>")
IMAGE_TEMPLATE = {
    "template": "<|end_header_id|><image><|eot_id|><|end_header_id|>{}<|eot_id|>abc<|end_header_id|>",
    "crop_start": 4,
    "image_emb_len": 16,
    "image_emb_start": 1,
    "image_emb_end": 17,
}


def hunyuan_image(*, concat=False):
    """Image-to-video: with the image's latent in place of the first, or beside all (33 channels)."""
    import diffusers
    import transformers

    specials = ["<|begin|>", "<|end|>", "<pad>", "<unk>", *HEADS]
    tokenizer = byte_tokenizer(specials, bos="<|begin|>", eos="<|end|>", pad="<pad>")
    torch.manual_seed(0)
    llava = transformers.LlavaForConditionalGeneration(
        transformers.LlavaConfig(
            text_config=transformers.LlamaConfig(
                hidden_size=16,
                intermediate_size=37,
                num_attention_heads=4,
                num_key_value_heads=4,
                num_hidden_layers=3,
                vocab_size=len(tokenizer),
                pad_token_id=tokenizer.pad_token_id,
                bos_token_id=0,
                eos_token_id=1,
            ),
            vision_config=transformers.CLIPVisionConfig(
                hidden_size=8,
                projection_dim=8,
                num_hidden_layers=2,
                num_attention_heads=2,
                image_size=32,
                intermediate_size=16,
                patch_size=8,
            ),
            pad_token_id=tokenizer.pad_token_id,
            image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        )
    ).eval()
    parts = without(framepack(), "feature_extractor", "image_encoder", "transformer")
    transformer = _hunyuan_transformer(
        in_channels=9 if concat else 4,
        guidance_embeds=not concat,
        image_condition_type="latent_concat" if concat else "token_replace",
    )
    return diffusers.HunyuanVideoImageToVideoPipeline(
        **parts
        | {
            "transformer": strengthen(transformer, 4, "x_embedder"),
            "text_encoder": llava,
            "tokenizer": tokenizer,
            "image_processor": transformers.CLIPImageProcessorPil(crop_size=32, size=32),
        }
    )
