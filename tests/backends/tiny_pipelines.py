"""Real diffusers pipelines with tiny random weights, built in memory: no hub, no downloads.

Each builder gives a pipeline whose components are the released classes at toy sizes.
"""

from __future__ import annotations

import torch

from phyrefine.backends.diffusers.tiny import tiny_cogvideox
from phyrefine.backends.diffusers.tiny import tiny_t5 as t5
from phyrefine.backends.diffusers.tiny import tiny_t5_encoder as t5_encoder


def cogvideox(**options):
    """CogVideoX that reads prompts of 16 tokens, which saves time."""
    return tiny_cogvideox(**{"tokens": 16} | options)


# -- LTX ---------------------------------------------------------------------------------------


def ltx():
    import diffusers

    torch.manual_seed(0)
    transformer = diffusers.LTXVideoTransformer3DModel(
        in_channels=8,
        out_channels=8,
        patch_size=1,
        patch_size_t=1,
        num_attention_heads=4,
        attention_head_dim=8,
        cross_attention_dim=32,
        num_layers=1,
        caption_channels=32,
    )
    torch.manual_seed(0)
    vae = diffusers.AutoencoderKLLTXVideo(
        latent_channels=8,
        block_out_channels=(8, 8, 8, 8),
        decoder_block_out_channels=(8, 8, 8, 8),
        layers_per_block=(1, 1, 1, 1, 1),
        decoder_layers_per_block=(1, 1, 1, 1, 1),
        spatio_temporal_scaling=(True, True, False, False),
        decoder_spatio_temporal_scaling=(True, True, False, False),
        decoder_inject_noise=(False,) * 5,
        upsample_residual=(False,) * 4,
        upsample_factor=(1,) * 4,
        timestep_conditioning=False,
        patch_size=1,
        patch_size_t=1,
        encoder_causal=True,
        decoder_causal=False,
    )
    vae.use_framewise_encoding = vae.use_framewise_decoding = False
    return diffusers.LTXConditionPipeline(
        **t5(),
        transformer=transformer,
        vae=vae,
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(),
    )


# -- Wan and its kin ---------------------------------------------------------------------------


def strengthen(model, factor, *names):
    """Multiply the weights whose names hold one of ``names``.

    Fresh random weights pass on so little of some inputs that float32 hardly shows it.
    """
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.ndim > 1 and any(part in name for part in names):
                weight.mul_(factor)
    return model


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


def skyreels():
    import diffusers

    return diffusers.SkyReelsV2DiffusionForcingVideoToVideoPipeline(
        **t5("UMT5"),
        vae=wan_vae(),
        scheduler=unipc(8.0),
        transformer=wan_transformer("SkyReelsV2Transformer3DModel", inject_sample_info=True),
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


# -- Cosmos ------------------------------------------------------------------------------------


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


def cosmos_2(**options):
    import diffusers

    return diffusers.Cosmos2VideoToWorldPipeline(
        **t5(),
        transformer=cosmos_transformer(17, **options),
        vae=wan_vae(),
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(use_karras_sigmas=True),
        safety_checker=Guardrail(),
    )


def byte_tokenizer(specials, *, bos=None, eos=None, pad=None, template=None):
    """A byte-level tokenizer that stands for Qwen's or Llama's."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    tokens = [*specials, *sorted(pre_tokenizers.ByteLevel.alphabet())]
    vocabulary = {token: index for index, token in enumerate(tokens)}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[], unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    named = {bos, eos, pad, "<unk>"}
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=bos,
        eos_token=eos,
        pad_token=pad,
        unk_token="<unk>",
        additional_special_tokens=[token for token in specials if token not in named],
        model_max_length=512,
    )
    if template:
        fast.chat_template = template
    return fast


CHAT_TEXT = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
CHAT = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n"
    "{% for c in m['content'] %}{{ c['text'] }}{% endfor %}<|im_end|>\n{% endfor %}"
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


# -- FramePack ---------------------------------------------------------------------------------


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
    vae = diffusers.AutoencoderKLHunyuanVideo(
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
    clip_tokenizer, clip = _clip_text()
    return diffusers.HunyuanVideoFramepackPipeline(
        transformer=transformer,
        vae=vae,
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(shift=7.0),
        text_encoder=llama,
        tokenizer=llama_tokenizer,
        text_encoder_2=clip,
        tokenizer_2=clip_tokenizer,
        feature_extractor=transformers.SiglipImageProcessorPil(size={"height": 32, "width": 32}),
        image_encoder=vision,
    )


def _clip_text():
    import transformers
    from tokenizers import pre_tokenizers

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokens = [*letters, *(f"{a}</w>" for a in letters), "<|startoftext|>", "<|endoftext|>"]
    tokenizer = transformers.CLIPTokenizer(
        vocab={token: index for index, token in enumerate(tokens)}, merges=[], model_max_length=77
    )
    config = transformers.CLIPTextConfig(
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        hidden_size=8,
        intermediate_size=37,
        num_attention_heads=2,
        num_hidden_layers=2,
        vocab_size=len(tokenizer),
        projection_dim=32,
        max_position_embeddings=77,
    )
    return tokenizer, transformers.CLIPTextModel(config).eval()


# -- LTX-2 -------------------------------------------------------------------------------------


def gemma():
    """A tiny multimodal Gemma 3, of which LTX-2 uses the text side."""
    import transformers

    specials = ["<pad>", "<eos>", "<bos>", "<unk>"]
    tokenizer = byte_tokenizer(specials, bos="<bos>", eos="<eos>", pad="<pad>")
    torch.manual_seed(0)
    encoder = transformers.Gemma3ForConditionalGeneration(
        transformers.Gemma3Config(
            text_config={
                "hidden_size": 16,
                "intermediate_size": 16,
                "num_hidden_layers": 2,
                "num_attention_heads": 2,
                "num_key_value_heads": 1,
                "head_dim": 8,
                "vocab_size": len(tokenizer),
                "pad_token_id": 0,
                "eos_token_id": 1,
                "bos_token_id": 2,
            },
            vision_config={
                "hidden_size": 8,
                "intermediate_size": 8,
                "num_hidden_layers": 1,
                "num_attention_heads": 1,
                "image_size": 28,
                "patch_size": 14,
            },
            mm_tokens_per_image=4,
            image_token_index=3,
            boi_token_index=3,
            eoi_token_index=3,
        )
    ).eval()
    return {"tokenizer": tokenizer, "text_encoder": encoder}


def ltx2():
    import diffusers
    from diffusers.pipelines.ltx2 import LTX2TextConnectors

    rope = {"rope_double_precision": False, "rope_type": "split"}
    torch.manual_seed(0)
    transformer = diffusers.LTX2VideoTransformer3DModel(
        in_channels=4,
        out_channels=4,
        patch_size=1,
        patch_size_t=1,
        num_attention_heads=2,
        attention_head_dim=8,
        cross_attention_dim=16,
        audio_in_channels=4,
        audio_out_channels=4,
        audio_num_attention_heads=2,
        audio_attention_head_dim=4,
        audio_cross_attention_dim=8,
        num_layers=2,
        qk_norm="rms_norm_across_heads",
        caption_channels=16,
        **rope,
    )
    connectors = LTX2TextConnectors(
        caption_channels=16,
        text_proj_in_factor=3,
        video_connector_num_attention_heads=4,
        video_connector_attention_head_dim=4,
        video_connector_num_layers=1,
        video_connector_num_learnable_registers=None,
        audio_connector_num_attention_heads=4,
        audio_connector_attention_head_dim=4,
        audio_connector_num_layers=1,
        audio_connector_num_learnable_registers=None,
        connector_rope_base_seq_len=32,
        rope_theta=10000.0,
        causal_temporal_positioning=False,
        **rope,
    )
    audio_vae, vocoder = _sound()
    return diffusers.LTX2ConditionPipeline(
        **gemma(),
        transformer=transformer,
        connectors=connectors,
        vae=_ltx2_vae(),
        audio_vae=audio_vae,
        vocoder=vocoder,
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(),
    )


def _ltx2_vae():
    from diffusers import AutoencoderKLLTX2Video

    torch.manual_seed(0)
    vae = AutoencoderKLLTX2Video(
        latent_channels=4,
        block_out_channels=(8, 8),
        decoder_block_out_channels=(8, 8),
        layers_per_block=(1, 1),
        decoder_layers_per_block=(1, 1, 1),
        spatio_temporal_scaling=(True, True),
        decoder_spatio_temporal_scaling=(True, True),
        decoder_inject_noise=(False,) * 3,
        downsample_type=("spatiotemporal", "spatiotemporal"),
        upsample_residual=(False, False),
        upsample_factor=(1, 1),
        timestep_conditioning=False,
        patch_size=1,
        patch_size_t=1,
        encoder_causal=True,
        decoder_causal=False,
    )
    vae.use_framewise_encoding = vae.use_framewise_decoding = False
    return vae


def _sound():
    from diffusers import AutoencoderKLLTX2Audio
    from diffusers.pipelines.ltx2.vocoder import LTX2Vocoder

    torch.manual_seed(0)
    audio_vae = AutoencoderKLLTX2Audio(
        base_channels=4,
        output_channels=2,
        ch_mult=(1,),
        num_res_blocks=1,
        attn_resolutions=None,
        in_channels=2,
        resolution=32,
        latent_channels=2,
        norm_type="pixel",
        causality_axis="height",
        dropout=0.0,
        mid_block_add_attention=False,
        sample_rate=16000,
        mel_hop_length=160,
        is_causal=True,
        mel_bins=8,
    )
    vocoder = LTX2Vocoder(
        in_channels=16,
        hidden_channels=32,
        out_channels=2,
        upsample_kernel_sizes=[4, 4],
        upsample_factors=[2, 2],
        resnet_kernel_sizes=[3],
        resnet_dilations=[[1, 3, 5]],
        leaky_relu_negative_slope=0.1,
        output_sampling_rate=16000,
    )
    return audio_vae, vocoder


# -- HunyuanVideo 1.5 --------------------------------------------------------------------------


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


# -- Cosmos 3 ----------------------------------------------------------------------------------


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
