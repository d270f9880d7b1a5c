"""Real diffusers pipelines with tiny random weights, built in memory: no hub, no downloads.

Each builder gives a pipeline whose components are the released classes at toy sizes.
"""

from tiny_pipelines.cosmos import (
    Guardrail,
    cosmos_1,
    cosmos_1_text,
    cosmos_2,
    cosmos_3,
    cosmos_25,
    cosmos_transformer,
)
from tiny_pipelines.hunyuan import framepack, hunyuan_15, hunyuan_15_text, hunyuan_text, skyreels_v1
from tiny_pipelines.ltx import ltx, ltx2
from tiny_pipelines.others import allegro, cogvideox, mochi, sana_image, sana_text
from tiny_pipelines.parts import (
    CHAT,
    CHAT_TEXT,
    byte_tokenizer,
    clip_text,
    gemma,
    strengthen,
    t5,
    t5_encoder,
    without,
)
from tiny_pipelines.rolling import (
    anyflow,
    helios,
    helios_pyramid,
    skyreels,
    skyreels_df_text,
    skyreels_image,
    skyreels_text,
)
from tiny_pipelines.wan import (
    unipc,
    vace,
    wan_21,
    wan_22,
    wan_text,
    wan_text_22,
    wan_ti2v,
    wan_ti2v_text,
    wan_transformer,
    wan_vae,
)

__all__ = [
    "CHAT",
    "CHAT_TEXT",
    "Guardrail",
    "allegro",
    "anyflow",
    "byte_tokenizer",
    "clip_text",
    "cogvideox",
    "cosmos_1",
    "cosmos_1_text",
    "cosmos_2",
    "cosmos_3",
    "cosmos_25",
    "cosmos_transformer",
    "framepack",
    "gemma",
    "helios",
    "helios_pyramid",
    "hunyuan_15",
    "hunyuan_15_text",
    "hunyuan_text",
    "ltx",
    "ltx2",
    "mochi",
    "sana_image",
    "sana_text",
    "skyreels",
    "skyreels_df_text",
    "skyreels_image",
    "skyreels_text",
    "skyreels_v1",
    "strengthen",
    "t5",
    "t5_encoder",
    "unipc",
    "vace",
    "wan_21",
    "wan_22",
    "wan_text",
    "wan_text_22",
    "wan_ti2v",
    "wan_ti2v_text",
    "wan_transformer",
    "wan_vae",
    "without",
]
