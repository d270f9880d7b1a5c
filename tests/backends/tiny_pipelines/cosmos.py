"""Cosmos 1, Predict2, Predict2.5 and 3."""

from __future__ import annotations

import torch

from tiny_pipelines.parts import CHAT, CHAT_TEXT, byte_tokenizer, t5
from tiny_pipelines.wan import wan_vae


class Guardrail(torch.nn.Module):
    """Lets everything pass; has the calls the pipelines make."""

    device = torch.device("cpu")
    dtype = torch.float32

    def check_text_safety(self, prompt):
        return True

    def check_video_safety(self, frames):
        return frames

    def to(self, *args, **kwargs):
        return self


def cosmos_transformer(in_channels, **options):
    from diffusers import CosmosTransformer3DModel

    torch.manual_seed(0)
    settings = {
        "in_channels": in_channels,
        "out_channels": in_channels - 1,
        "num_attention_heads": 2,
        "attention_head_dim": 16,
        "num_layers": 2,
        "mlp_ratio": 2,
        "text_embed_dim": 32,
        "adaln_lora_dim": 4,
        "max_size": (8, 32, 32),
        "patch_size": (1, 2, 2),
        "rope_scale": (2.0, 1.0, 1.0),
        "concat_padding_mask": False,
        "extra_pos_embed_type": None,
    }
    return CosmosTransformer3DModel(**settings | options)


def cosmos_1():
    import diffusers

    torch.manual_seed(0)
    vae = diffusers.AutoencoderKLCosmos(
        latent_channels=4,
        encoder_block_out_channels=(8, 8, 8, 8),
        decode_block_out_channels=(8, 8, 8, 8),
        attention_resolutions=(8,),
        resolution=64,
        num_layers=2,
        patch_size=4,
        patch_type="haar",
        scaling_factor=1.0,
        spatial_compression_ratio=4,
        temporal_compression_ratio=4,
    )
    scheduler = diffusers.EDMEulerScheduler(
        sigma_min=0.002,
        sigma_max=80,
        sigma_data=0.5,
        sigma_schedule="karras",
        num_train_timesteps=1000,
        prediction_type="epsilon",
        rho=7.0,
        final_sigmas_type="sigma_min",
    )
    return diffusers.CosmosVideoToWorldPipeline(
        **t5(),
        transformer=cosmos_transformer(5, extra_pos_embed_type="learnable", max_size=(16, 32, 32)),
        vae=vae,
        scheduler=scheduler,
        safety_checker=Guardrail(),
    )


def cosmos_1_text():
    import diffusers

    parts = cosmos_1().components | {"transformer": cosmos_transformer(4, out_channels=4)}
    return diffusers.CosmosTextToWorldPipeline(**parts)


def cosmos_2(**options):
    import diffusers

    return diffusers.Cosmos2VideoToWorldPipeline(
        **t5(),
        transformer=cosmos_transformer(17, **options),
        vae=wan_vae(),
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(use_karras_sigmas=True),
        safety_checker=Guardrail(),
    )


def cosmos_25():
    import diffusers
    import transformers

    specials = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<unk>"]
    tokenizer = byte_tokenizer(specials, eos="<|im_end|>", pad="<|endoftext|>", template=CHAT)
    rope = {"mrope_section": [1, 1, 2], "rope_type": "default", "type": "default"}
    torch.manual_seed(0)
    encoder = transformers.Qwen2_5_VLForConditionalGeneration(
        transformers.Qwen2_5_VLConfig(
            text_config={
                "hidden_size": 16,
                "intermediate_size": 16,
                "num_hidden_layers": 2,
                "num_attention_heads": 2,
                "num_key_value_heads": 2,
                "vocab_size": len(tokenizer),
                "rope_parameters": rope,
            },
            vision_config={
                "depth": 2,
                "hidden_size": 16,
                "intermediate_size": 16,
                "num_heads": 2,
                "out_hidden_size": 16,
            },
        )
    ).eval()
    transformer = cosmos_transformer(
        17,
        use_crossattn_projection=True,
        crossattn_proj_in_channels=32,
        encoder_hidden_states_channels=32,
    )
    return diffusers.Cosmos2_5_PredictBasePipeline(
        transformer=transformer,
        vae=wan_vae(),
        scheduler=diffusers.UniPCMultistepScheduler(),
        text_encoder=encoder,
        tokenizer=tokenizer,
        safety_checker=Guardrail(),
    )


def cosmos_3():
    import diffusers

    specials = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<unk>", "<|vision_start|>"]
    tokenizer = byte_tokenizer(specials, eos="<|im_end|>", pad="<|endoftext|>", template=CHAT_TEXT)
    torch.manual_seed(0)
    transformer = diffusers.Cosmos3OmniTransformer(
        head_dim=6,
        hidden_act="relu2",
        hidden_size=6,
        intermediate_size=12,
        latent_channel=16,
        latent_patch_size=1,
        num_attention_heads=1,
        num_hidden_layers=1,
        num_key_value_heads=1,
        patch_latent_dim=16,
        qk_norm_for_text=False,
        rms_norm_eps=1e-5,
        rope_axes_dim=[1, 1, 1],
        vocab_size=len(tokenizer),
    )
    return diffusers.Cosmos3OmniPipeline(
        transformer=transformer,
        text_tokenizer=tokenizer,
        vae=wan_vae(),
        scheduler=diffusers.UniPCMultistepScheduler(),
        sound_tokenizer=None,
        enable_safety_checker=False,
    )
