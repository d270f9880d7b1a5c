"""CogVideoX, Mochi, Allegro and SANA-Video."""

from __future__ import annotations

import torch

from phyrefine.backends.diffusers.tiny import tiny_cogvideox
from tiny_pipelines.parts import byte_tokenizer, t5
from tiny_pipelines.wan import wan_vae


def cogvideox(**options):
    """CogVideoX that reads prompts of 16 tokens, which saves time."""
    return tiny_cogvideox(**{"tokens": 16} | options)


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
        **t5(),
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
        **t5(), transformer=transformer, vae=vae, scheduler=diffusers.DDIMScheduler()
    )


def _sana(kind, scheduler):
    import diffusers
    import transformers

    specials = ["<pad>", "<eos>", "<bos>", "<unk>"]
    tokenizer = byte_tokenizer(specials, bos="<bos>", eos="<eos>", pad="<pad>")
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
        vae=wan_vae(),
        transformer=transformer,
        scheduler=scheduler,
    )


def sana_text():
    import diffusers

    return _sana("SanaVideoPipeline", diffusers.FlowMatchEulerDiscreteScheduler())


def sana_image():
    import diffusers

    return _sana("SanaImageToVideoPipeline", diffusers.FlowMatchEulerDiscreteScheduler())
