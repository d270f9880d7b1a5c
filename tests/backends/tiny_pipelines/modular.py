"""Modular pipelines: Wan, Helios and MiniMax H3."""

from __future__ import annotations

from typing import Any

import torch

from tiny_pipelines.cosmos import cosmos_3
from tiny_pipelines.hunyuan import hunyuan_15
from tiny_pipelines.ltx import ltx, ltx2
from tiny_pipelines.parts import byte_tokenizer, strengthen
from tiny_pipelines.rolling import helios, helios_pyramid
from tiny_pipelines.wan import wan_21, wan_22, wan_text, wan_text_22

VISION_TOKENS = ["<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>"]


def assembled(blocks: Any, components: dict[str, Any], kind: Any = None) -> Any:
    """A modular pipeline with those of the components that its blocks ask for."""
    pipe = blocks.init_pipeline() if kind is None else kind(blocks=blocks)
    wanted = {component.name for component in blocks.expected_components}
    pipe.update_components(**{k: v for k, v in components.items() if k in wanted and v is not None})
    return pipe


def _of(blocks: str, components: dict[str, Any], kind: str | None = None) -> Any:
    """By the names of classes of diffusers."""
    from diffusers import modular_pipelines

    found = None if kind is None else getattr(modular_pipelines, kind)
    return assembled(getattr(modular_pipelines, blocks)(), components, found)


def wan_modular(*, image: bool = False) -> Any:
    """Text-to-video or image-to-video Wan 2.1."""
    if image:
        return _of("WanImage2VideoAutoBlocks", wan_21().components)
    return _of("WanBlocks", wan_text().components)


def wan_22_modular(*, image: bool = False) -> Any:
    """The two experts of Wan 2.2."""
    if image:
        kind = "Wan22Image2VideoModularPipeline"
        return _of("Wan22Image2VideoBlocks", wan_22().components, kind)
    return _of("Wan22Blocks", wan_text_22().components, "Wan22ModularPipeline")


def helios_modular(*, pyramid: bool = False) -> Any:
    """Helios, which continues a video and makes one from text."""
    if pyramid:
        return _of("HeliosPyramidAutoBlocks", helios_pyramid().components)
    return _of("HeliosAutoBlocks", helios().components)


def ltx_modular() -> Any:
    """LTX-Video from an image or from text."""
    return _of("LTXAutoBlocks", ltx().components)


def ltx2_modular() -> Any:
    """LTX-2 with conditions at any frame."""
    return _of("LTX2AutoBlocks", ltx2().components)


def hunyuan_15_modular() -> Any:
    """HunyuanVideo 1.5 from an image or from text."""
    return _of("HunyuanVideo15AutoBlocks", hunyuan_15().components)


def cosmos_3_modular() -> Any:
    """Cosmos 3 without its guardrail."""
    pipe = _of("Cosmos3OmniBlocks", cosmos_3().components)
    pipe.disable_safety_checker()
    return pipe


class _Processor:
    """In place of ``Qwen3VLProcessor``, whose video half needs torchvision: images and text."""

    def __init__(self, tokenizer: Any) -> None:
        from transformers import Qwen2VLImageProcessorPil

        self.tokenizer = tokenizer
        self.image_processor = Qwen2VLImageProcessorPil(
            patch_size=4, temporal_patch_size=2, merge_size=2, min_pixels=64, max_pixels=1024
        )

    def create_mm_token_type_ids(self, rows: list[list[int]]) -> list[list[int]]:
        """1 for a token of an image, else 0."""
        image = self.tokenizer.convert_tokens_to_ids("<|image_pad|>")
        return [[int(token == image) for token in row] for row in rows]


def _qwen3(tokenizer: Any) -> Any:
    """H3 reads the state after the 50th layer, so there are 51, narrow ones."""
    import transformers

    ids = {token: tokenizer.convert_tokens_to_ids(token) for token in VISION_TOKENS}
    torch.manual_seed(0)
    model = transformers.Qwen3VLForConditionalGeneration(
        transformers.Qwen3VLConfig(
            text_config={
                "hidden_size": 16,
                "intermediate_size": 16,
                "num_hidden_layers": 51,
                "num_attention_heads": 2,
                "num_key_value_heads": 2,
                "head_dim": 8,
                "vocab_size": len(tokenizer),
                "rope_parameters": {
                    "rope_type": "default",
                    "rope_theta": 10000.0,
                    "mrope_section": [1, 1, 2],
                    "mrope_interleaved": True,
                },
            },
            vision_config={
                "depth": 2,
                "hidden_size": 16,
                "intermediate_size": 16,
                "num_heads": 2,
                "out_hidden_size": 16,
                "patch_size": 4,
                "temporal_patch_size": 2,
                "num_position_embeddings": 16,
                "deepstack_visual_indexes": [0],
            },
            image_token_id=ids["<|image_pad|>"],
            video_token_id=ids["<|video_pad|>"],
            vision_start_token_id=ids["<|vision_start|>"],
            vision_end_token_id=ids["<|vision_end|>"],
        )
    )
    return model.eval()


def _h3_vaes() -> dict[str, Any]:
    import diffusers

    torch.manual_seed(0)
    vae = diffusers.AutoencoderKLMiniMaxH3(
        latent_channels=4,
        block_out_channels=(8,) * 6,
        layers_per_block=1,
        norm_num_groups=4,
        decoder_num_layers=1,
        decoder_num_attention_heads=2,
        decoder_attention_head_dim=16,
        decoder_num_register_tokens=1,
        decoder_ffn_mult=1,
        latents_mean=(0.0,) * 4,
        latents_std=(1.0,) * 4,
    )
    torch.manual_seed(0)
    sound = diffusers.AutoencoderKLMiniMaxH3Audio(
        encoder_dim=4,
        encoder_rates=(2, 2),
        latent_dim=8,
        latent_channels=4,
        num_attention_heads=2,
        decoder_dim=8,
        decoder_rates=(2, 2),
        decoder_kernel_sizes=(4, 4),
        resblock_kernel_sizes=(3,),
        resblock_dilation_sizes=((1, 3, 5),),
        sampling_rate=160,
        latents_mean=[0.0] * 4,
        latents_std=[1.0] * 4,
    )
    return {"vae": vae, "audio_vae": sound}


def minimax_h3() -> Any:
    """MiniMax H3: sound and picture in one packed sequence."""
    import diffusers
    from diffusers.modular_pipelines import MiniMaxH3Blocks

    specials = ["<|endoftext|>", "<unk>", *VISION_TOKENS]
    tokenizer = byte_tokenizer(specials, eos="<|endoftext|>", pad="<|endoftext|>")
    torch.manual_seed(0)
    transformer = diffusers.MiniMaxH3Transformer3DModel(
        num_attention_heads=2,
        attention_head_dim=16,
        hidden_size=32,
        num_layers=1,
        num_refiner_layers=1,
        ffn_dim=32,
        in_channels=4,
        audio_in_channels=4,
        text_dim=16,
        freq_dim=16,
        time_embed_hidden_dim=16,
        time_embed_dim=16,
        rope_freq_dim=2,
    )
    return assembled(
        MiniMaxH3Blocks(),
        {
            "text_encoder": _qwen3(tokenizer),
            "tokenizer": tokenizer,
            "processor": _Processor(tokenizer),
            "transformer": strengthen(transformer, 3, "attn", "context"),
            "scheduler": diffusers.MiniMaxH3Scheduler(shift=12.0),
            "audio_scheduler": diffusers.MiniMaxH3Scheduler(shift=3.0),
            **_h3_vaes(),
        },
    )
