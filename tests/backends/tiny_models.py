"""Checkpoints of a few ten thousand random weights, saved as real ones are."""

import json

import numpy as np
import torch
import transformers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

TEXT = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 8192,
}
VISION = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 1,
    "num_attention_heads": 4,
    "image_size": 56,
    "patch_size": 14,
}
TURNS = (
    "{% for m in messages %}[{{ m['role'] }}] "
    "{% if m['content'] is string %}{{ m['content'] }}{% else %}{% for c in m['content'] %}"
    "{% if c['type'] == 'image' %}IMAGE{% elif 'text' in c %}{{ c['text'] }}{% endif %}"
    "{% endfor %}{% endif %}\n{% endfor %}{% if add_generation_prompt %}[assistant] {% endif %}"
)
NO_SYSTEM = "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system') }}{% endif %}"


def bytes_tokenizer(specials, **named):
    """Every byte is a token."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab={c: i for i, c in enumerate(alphabet)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(specials)
    return transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, **named)


def save(folder, model, tokenizer, template, *, images=None, processor=None, video=None):
    """Write a checkpoint folder."""
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    (folder / "chat_template.jinja").write_text(template)
    if images is not None:
        images.save_pretrained(folder)
        path = folder / "preprocessor_config.json"
        told = json.loads(path.read_text())
        told["image_processor_type"] = told["image_processor_type"].removesuffix("Pil")
        path.write_text(json.dumps(told))
        (folder / "processor_config.json").write_text(json.dumps(processor))
        if video is not None:
            kept = {k: v for k, v in told.items() if "image_processor" not in k}
            kept["video_processor_type"] = video
            (folder / "video_preprocessor_config.json").write_text(json.dumps(kept))
    return folder


def llama(folder, template=TURNS):
    """A language model."""
    torch.manual_seed(0)
    tokenizer = bytes_tokenizer(["<pad>", "<eos>"], eos_token="<eos>", pad_token="<pad>")
    config = transformers.LlamaConfig(
        vocab_size=len(tokenizer), pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id, bos_token_id=None, **TEXT,
    )  # fmt: skip
    model = transformers.LlamaForCausalLM(config)
    # Random weights end a text at random; this one talks until it is cut.
    model.lm_head.weight.data[tokenizer.eos_token_id] = 0
    return save(folder, model, tokenizer, template)


def gemma3(folder):
    """A VLM whose processor needs no torchvision."""
    torch.manual_seed(0)
    named = {
        "boi_token": "<start_of_image>",
        "eoi_token": "<end_of_image>",
        "image_token": "<image_soft_token>",
    }
    tokenizer = bytes_tokenizer(
        ["<pad>", "<eos>", "<bos>", *named.values()], eos_token="<eos>", bos_token="<bos>",
        pad_token="<pad>", extra_special_tokens=named,
    )  # fmt: skip
    ids = {name: tokenizer.convert_tokens_to_ids(token) for name, token in named.items()}
    config = transformers.Gemma3Config(
        text_config={"vocab_size": len(tokenizer), "head_dim": 8, "sliding_window": 64, **TEXT},
        vision_config=VISION,
        mm_tokens_per_image=4,
        boi_token_index=ids["boi_token"],
        eoi_token_index=ids["eoi_token"],
        image_token_index=ids["image_token"],
    )
    return save(
        folder, transformers.Gemma3ForConditionalGeneration(config), tokenizer,
        TURNS.replace("IMAGE", "<start_of_image>"),
        images=transformers.Gemma3ImageProcessorPil(size={"height": 56, "width": 56}),
        processor={"processor_class": "Gemma3Processor", "image_seq_length": 4},
    )  # fmt: skip


def _qwen(folder, *, third):
    torch.manual_seed(0)
    specials = ["<|endoftext|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>",
                "<|image_pad|>", "<|video_pad|>"]  # fmt: skip
    tokenizer = bytes_tokenizer(specials, eos_token="<|im_end|>", pad_token="<|endoftext|>")
    ids = dict(zip(specials, tokenizer.convert_tokens_to_ids(specials), strict=True))
    rope = {"rope_type": "default", "mrope_section": [1, 1, 2], "rope_theta": 10000.0}
    patch = 16 if third else 14
    vision = {"depth": 1, "hidden_size": 32, "intermediate_size": 48, "num_heads": 4,
              "out_hidden_size": 32, "patch_size": patch, "spatial_merge_size": 2,
              "temporal_patch_size": 2}  # fmt: skip
    text = {"vocab_size": len(tokenizer), "rope_parameters": rope, **TEXT}
    if third:
        rope["mrope_interleaved"] = True
        text["head_dim"] = 8
        vision |= {"num_position_embeddings": 64, "deepstack_visual_indexes": [0]}
        kinds = transformers.Qwen3VLConfig, transformers.Qwen3VLForConditionalGeneration
        names = "Qwen3VLProcessor", "Qwen3VLVideoProcessor"
    else:
        vision |= {"window_size": 56, "fullatt_block_indexes": [0]}
        kinds = transformers.Qwen2_5_VLConfig, transformers.Qwen2_5_VLForConditionalGeneration
        names = "Qwen2_5_VLProcessor", "Qwen2VLVideoProcessor"
    config = kinds[0](
        text_config=text, vision_config=vision, image_token_id=ids["<|image_pad|>"],
        video_token_id=ids["<|video_pad|>"], vision_start_token_id=ids["<|vision_start|>"],
        vision_end_token_id=ids["<|vision_end|>"],
    )  # fmt: skip
    images = transformers.Qwen2VLImageProcessorPil(
        patch_size=patch, merge_size=2, min_pixels=(4 * patch) ** 2, max_pixels=(4 * patch) ** 2
    )
    return save(
        folder, kinds[1](config), tokenizer,
        TURNS.replace("IMAGE", "<|vision_start|><|image_pad|><|vision_end|>"),
        images=images, processor={"processor_class": names[0]}, video=names[1],
    )  # fmt: skip


def qwen2_5_vl(folder):
    """A VLM whose processor wants torchvision."""
    return _qwen(folder, third=False)


def qwen3_vl(folder):
    """Another one."""
    return _qwen(folder, third=True)


def internvl(folder):
    """A third."""
    torch.manual_seed(0)
    named = {
        "start_image_token": "<img>",
        "end_image_token": "</img>",
        "context_image_token": "<IMG_CONTEXT>",
        "video_token": "<video>",
    }
    tokenizer = bytes_tokenizer(
        ["<pad>", "<eos>", "<bos>", *named.values()], eos_token="<eos>", bos_token="<bos>",
        pad_token="<pad>", extra_special_tokens=named,
    )  # fmt: skip
    vision = {**VISION, "image_size": [56, 56], "patch_size": [14, 14]}
    config = transformers.InternVLConfig(
        text_config={"model_type": "qwen2", "vocab_size": len(tokenizer), **TEXT},
        vision_config=vision,
        image_token_id=tokenizer.convert_tokens_to_ids("<IMG_CONTEXT>"),
        image_seq_length=4,
        downsample_ratio=0.5,
    )
    images = transformers.GotOcr2ImageProcessorPil(
        size={"height": 56, "width": 56}, crop_to_patches=False
    )
    return save(
        folder, transformers.InternVLForConditionalGeneration(config), tokenizer,
        TURNS.replace("IMAGE", "<IMG_CONTEXT>\n"), images=images,
        processor={"processor_class": "InternVLProcessor", "image_seq_length": 4},
        video="InternVLVideoProcessor",
    )  # fmt: skip


def gguf_llama(path):
    """A language model in one GGUF file."""
    import gguf

    rng = np.random.default_rng(0)
    wide, inner, heads, kv = 64, 96, 4, 2
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    letters.append(letters[70] + letters[71])
    tokens = [*letters, "<|endoftext|>", "<|im_end|>"]
    kinds = [gguf.TokenType.NORMAL] * len(letters) + [gguf.TokenType.CONTROL] * 2
    out = gguf.GGUFWriter(path, "llama")
    out.add_name("tiny")
    out.add_context_length(4096)
    out.add_embedding_length(wide)
    out.add_block_count(1)
    out.add_feed_forward_length(inner)
    out.add_head_count(heads)
    out.add_head_count_kv(kv)
    out.add_layer_norm_rms_eps(1e-5)
    out.add_rope_dimension_count(wide // heads)
    out.add_vocab_size(len(tokens))
    out.add_file_type(0)
    out.add_tokenizer_model("gpt2")
    out.add_tokenizer_pre("gpt-2")
    out.add_token_list(tokens)
    out.add_token_types(kinds)
    out.add_token_merges([f"{letters[70]} {letters[71]}"])
    out.add_bos_token_id(len(letters))
    out.add_eos_token_id(len(letters) + 1)
    out.add_chat_template(TURNS)

    def random(*shape):
        return (rng.standard_normal(shape) * 0.05).astype(np.float32)

    shapes = {
        "attn_q": (wide, wide), "attn_output": (wide, wide), "ffn_down": (wide, inner),
        "attn_k": (wide * kv // heads, wide), "attn_v": (wide * kv // heads, wide),
        "ffn_gate": (inner, wide), "ffn_up": (inner, wide),
    }  # fmt: skip
    out.add_tensor("token_embd.weight", random(len(tokens), wide))
    out.add_tensor("output.weight", random(len(tokens), wide))
    for name in ("output_norm", "blk.0.attn_norm", "blk.0.ffn_norm"):
        out.add_tensor(f"{name}.weight", np.ones(wide, np.float32))
    for name, shape in shapes.items():
        out.add_tensor(f"blk.0.{name}.weight", random(*shape))
    out.write_header_to_file()
    out.write_kv_data_to_file()
    out.write_tensors_to_file()
    out.close()
    return path
