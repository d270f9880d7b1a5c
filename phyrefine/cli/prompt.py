"""``phyrefine prompt``: the prompt in any dialect, without generating."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from phyrefine.cli.run import Options


def prompt(
    video: Annotated[Path | None, Parameter(help="Prefix video or image folder.")] = None,
    *,
    description: Annotated[str, Parameter(name=["--description", "-d"])],
    dialect: Annotated[str, Parameter(help="Name, or the path of a .toml file.")] = "prose",
    vlm: str = "world",
    llm: str = "world",
    vlm_option: Options = (),
    llm_option: Options = (),
    prefix_seconds: Annotated[float, Parameter(help="How much of VIDEO's end to use.")] = 3.0,
    seconds: Annotated[float, Parameter(help="Length of the continuation.")] = 5.0,
    fps: Annotated[float, Parameter(help="The model's frames per second.")] = 24.0,
    words: Annotated[int | None, Parameter(help="Words at the most.")] = None,
    tokens: Annotated[int | None, Parameter(help="Tokens at the most.")] = None,
    context_frames: Annotated[
        int | None, Parameter(help="Frames of the prefix the model sees; all by default.")
    ] = None,
    chunk_seconds: Annotated[
        float | None, Parameter(help="One prompt for each chunk of this length.")
    ] = None,
    as_json: Annotated[bool, Parameter(name="--json", help="Prompt, plan and notes.")] = False,
) -> int:
    """Print the prompt that a video model would get, in any dialect. No video is generated.

    The VLM watches VIDEO and fills a plan; the LLM words it; the prompt is checked against the
    plan. Dialects: caption, per_chunk, prose, structured, timed, world, or a file of your own.

    Parameters
    ----------
    description
        One line about the scene.
    vlm
        Backend that watches: NAME or NAME:MODEL.
    llm
        Backend that rewrites.
    """
    from phyrefine.adapt import as_llm, as_vlm
    from phyrefine.cli.asking.inputs import scenario_of
    from phyrefine.options import join_options
    from phyrefine.refine import dialects, stages
    from phyrefine.serialize import to_json
    from phyrefine.types import GeneratorProfile

    dialects.find(dialect)  # a wrong name is told before anything is paid for
    profile = GeneratorProfile(
        "prompt",
        fps=fps,
        dialect=dialect,
        prompt_words=words,
        prompt_tokens=tokens,
        negative_prompt=True,
        context_frames=context_frames,
        chunk_frames=None if chunk_seconds is None else max(1, round(chunk_seconds * fps)),
    )
    scenario = scenario_of(video, description, prefix_seconds, seconds, None, None)
    method = stages.Method()
    watcher, writer = as_vlm(join_options(vlm, vlm_option)), as_llm(join_options(llm, llm_option))
    prediction = stages.predict(watcher, scenario, method)
    written = stages.compose(writer, prediction, scenario, profile, method)
    if as_json:
        said: dict[str, Any] = to_json(written)
        print(json.dumps({**said, "notes": list(written.notes)}, indent=2, ensure_ascii=False))
        return 0
    for number, text in enumerate(written.chunks, start=1):
        print(f"# chunk {number}\n{text}")
    if not written.chunks:
        print(written.text)
    if written.negative:
        print(f"# negative\n{written.negative}")
    for note in written.notes:
        print(f"# note: {note}")
    return 0
