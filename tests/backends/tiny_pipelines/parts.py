"""Parts that pipelines share: tokenizers, text and vision encoders, stronger weights."""

from __future__ import annotations

import torch

from phyrefine.backends.diffusers.tiny import tiny_t5 as t5
from phyrefine.backends.diffusers.tiny import tiny_t5_encoder as t5_encoder

__all__ = ["t5", "t5_encoder"]


def strengthen(model, factor, *names):
    """Multiply the weights whose names hold one of ``names``.

    Fresh random weights pass on so little of some inputs that float32 hardly shows it.
    """
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.ndim > 1 and any(part in name for part in names):
                weight.mul_(factor)
    return model


def without(pipe, *names):
    """The components of a pipeline, or of a table of them, but for some."""
    parts = pipe if isinstance(pipe, dict) else pipe.components
    return {name: part for name, part in parts.items() if name not in names}


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


def clip_text():
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
