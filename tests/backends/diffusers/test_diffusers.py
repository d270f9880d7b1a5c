"""CogVideoX on tiny random weights, and what holds for every pipeline."""

from __future__ import annotations

import copy
import gc
import json
import threading

import diffusers_cases as cases
import numpy as np
import pytest
import tiny_pipelines as tiny
import torch
from attrs import evolve

from phyrefine import registry
from phyrefine.backends.continuing.fingerprint import fingerprint
from phyrefine.backends.diffusers import (
    CogVideoXGenerator,
    DiffusersVideoGenerator,
    batching,
    passes,
    pipelines,
)
from phyrefine.backends.diffusers.families.spec import Window
from phyrefine.errors import (
    GenerationError,
    GeneratorMemoryError,
    InvalidInputError,
    MissingDependencyError,
    ModelNotFoundError,
)
from phyrefine.protocols import StreamingGenerator
from phyrefine.testing import check_generator, moving_clip
from phyrefine.types import Prompt, Shot
from phyrefine.video.clip import Clip
from phyrefine.video.seam import check_seam

PREFIX = moving_clip(72, (45, 64), 24.0)
SHOT = Shot(Prompt("the ball"), PREFIX, seconds=2.5, fps=24.0, size=(45, 64), seed=3)


@pytest.fixture(scope="module")
def cogvideox():
    return CogVideoXGenerator.from_pretrained(str(cases.folder("cogvideox-i2v")), steps=2)


@pytest.fixture
def pipe():
    return tiny.cogvideox()


def count_forwards(pipe):
    calls = []
    pipe.transformer.register_forward_pre_hook(lambda *_: calls.append(1))
    return calls


# -- the contract ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["cogvideox-i2v", "cogvideox-1.5-i2v", "cogvideox-t2v"])
def test_keeps_the_contract(name):
    generator = cases.generator(name)
    assert isinstance(generator, StreamingGenerator)
    assert generator.spec.name == name
    check_generator(generator)


def test_the_profile_states_what_the_checkpoint_says(cogvideox):
    profile = cogvideox.profile
    assert profile.name == "cogvideox-i2v"
    assert (profile.fps, profile.size, profile.context_frames) == (8.0, (32, 32), 1)
    assert profile.grid.most == profile.grid.least == 9
    assert profile.prompt_tokens == 16
    assert profile.streaming
    assert profile.default_steps == 2


@pytest.mark.parametrize("size", [(45, 64), (64, 45), (33, 97)])
@pytest.mark.parametrize("seconds", [1.0, 5.0])
def test_odd_sizes_give_exact_counts_and_a_clean_seam(cogvideox, size, seconds):
    prefix = moving_clip(72, size, 24.0)
    shot = Shot(Prompt("it rolls"), prefix, seconds=seconds, fps=24.0, size=size)
    clip = cogvideox.generate(evolve(shot, steps=1))
    report = check_seam(prefix, clip, frames=round(24 * seconds), fps=24.0, size=size)
    assert (report.frames, report.repeated) == (round(24 * seconds), 0)
    assert not [fault for fault in report.faults if "jump" not in fault]
    assert clip.native.fps == 8.0
    assert len(clip.native) == 8 * seconds
    height, width = clip.native.size
    assert height / width == pytest.approx(size[0] / size[1], rel=0.1)


def test_one_chunk_is_a_plain_call_of_the_pipeline(pipe):
    prefix = moving_clip(8, (32, 32), 8.0)
    shot = Shot(Prompt("it rolls"), prefix, seconds=1.0, fps=8.0, seed=11)
    clip = DiffusersVideoGenerator(pipe, steps=2).generate(shot)
    pipe.set_progress_bar_config(disable=True)
    plain = pipe(
        prompt="it rolls",
        image=prefix.to_images()[-1],
        num_frames=9,
        num_inference_steps=2,
        guidance_scale=6.0,
        use_dynamic_cfg=True,
        max_sequence_length=16,
        generator=torch.Generator("cpu").manual_seed(11),
        output_type="np",
    ).frames[0]
    np.testing.assert_array_equal(clip.frames, np.rint(plain[1:] * 255).astype(np.uint8))


def test_a_still_image_is_enough(cogvideox):
    shot = Shot(Prompt("it rolls"), moving_clip(1, (40, 40), 24.0), seconds=1.0, fps=24.0)
    assert len(cogvideox.generate(shot)) == 24


# -- chunks ------------------------------------------------------------------------------------


def test_a_longer_clip_is_chained_on_its_own_last_frame(cogvideox, monkeypatch):
    seen = []
    run = passes.Runner.run

    def spy(runner, calls, seeds, **more):
        seen.append((np.asarray(calls[0]["image"]), seeds[0], calls[0]["prompt"]))
        return run(runner, calls, seeds, **more)

    monkeypatch.setattr(passes.Runner, "run", spy)
    prompts = (Prompt("it rolls"), Prompt("it stops"))
    chunks = list(cogvideox.stream(evolve(SHOT, chunk_prompts=prompts)))
    assert [len(chunk.clip) for chunk in chunks] == [8, 8, 4]
    assert len({seed for _, seed, _ in seen}) == 3
    assert [text for _, _, text in seen] == ["it rolls", "it stops", "it stops"]
    for (image, _, _), chunk in zip(seen[1:], chunks, strict=False):
        inner = chunk.clip.frames[-1]
        top = (32 - inner.shape[0]) // 2
        np.testing.assert_array_equal(image[top : top + inner.shape[0]], inner)


def test_finished_chunks_cost_no_forward_pass(pipe):
    generator = DiffusersVideoGenerator(pipe, steps=2)
    whole = generator.generate(SHOT)
    stream = generator.stream(SHOT)
    done = [next(stream), next(stream)]
    stream.close()
    forwards = count_forwards(pipe)
    again = DiffusersVideoGenerator(pipe, steps=2)
    begun = evolve(SHOT, accepted=tuple(c.clip for c in done), state=done[-1].state)
    assert again.generate(begun) == whole
    assert len(forwards) == 2


def test_color_match_is_recorded_and_leaves_the_first_chunk_alone(cogvideox):
    generator = DiffusersVideoGenerator(cogvideox.pipe, steps=2, color_match=0.5)
    plain, matched = list(cogvideox.stream(SHOT)), list(generator.stream(SHOT))
    assert matched[0].clip == plain[0].clip
    assert matched[1].clip != plain[1].clip
    assert json.loads(matched[0].state)["color"] is None
    assert len(json.loads(matched[1].state)["color"]) == 3


def test_crossfade_changes_only_the_frames_at_a_join(cogvideox):
    generator = DiffusersVideoGenerator(cogvideox.pipe, steps=2, crossfade=2)
    plain = next(cogvideox.stream(SHOT)).clip.frames.astype(int)
    faded = next(generator.stream(SHOT)).clip.frames.astype(int)
    difference = np.abs(plain - faded).mean(axis=(1, 2, 3))
    assert difference[0] > difference[1] > 0
    assert not difference[2:].any()


def test_only_the_frame_one_step_before_the_seam_counts(cogvideox):
    """CogVideoX sees one frame and makes 8 a second: the next is the seam's."""

    def native(prefix):
        return cogvideox.generate(evolve(SHOT, prefix=prefix, seconds=1.0)).native.frames

    frames = 255 - PREFIX.frames
    frames[69] = PREFIX.frames[69]
    plain = native(PREFIX)
    np.testing.assert_array_equal(native(Clip(frames, 24.0)), plain)
    frames = PREFIX.frames.copy()
    frames[69] = 255 - frames[69]
    assert (native(Clip(frames, 24.0)) != plain).any()


def test_text_only_families_ignore_the_prefix_and_stop_at_one_pass():
    generator = cases.generator("cogvideox-t2v")
    shot = evolve(SHOT, seconds=1.0)
    assert generator.generate(shot) == generator.generate(evolve(shot, prefix=None))
    with pytest.raises(InvalidInputError, match=r"at most 1.12 s in one pass; 2.50 s"):
        generator.generate(SHOT)


# -- seeds -------------------------------------------------------------------------------------


@pytest.mark.slow
def test_seeds_that_differ_share_calls(pipe):
    shots = [evolve(SHOT, seed=seed) for seed in range(3)]
    alone = [DiffusersVideoGenerator(pipe, steps=2).generate(shot) for shot in shots]
    forwards = count_forwards(pipe)
    together = DiffusersVideoGenerator(pipe, steps=2, batch_size=2).generate_many(shots)
    assert len(forwards) == 2 * 3 * 2
    for one, other in zip(alone, together, strict=True):
        assert np.abs(one.frames.astype(int) - other.frames).max() <= 1
    assert together[0] != together[1] != together[2]


def test_other_prompts_and_steps_never_share_a_call(cogvideox):
    generator = DiffusersVideoGenerator(cogvideox.pipe, steps=2, batch_size=4)
    shots = [SHOT, evolve(SHOT, seed=1), evolve(SHOT, steps=1), evolve(SHOT, prompt=Prompt("no"))]
    groups = list(batching.groups(shots, generator.batch_size_for))
    assert [len(group) for group in groups] == [2, 1, 1]


# -- a good guest ------------------------------------------------------------------------------


def test_the_users_pipeline_stays_as_it_was(pipe):
    pipe.set_progress_bar_config(desc="mine")
    scheduler = pipe.scheduler
    before = copy.deepcopy(scheduler.__dict__)
    attributes, vae = dict(pipe.__dict__), dict(pipe.vae.__dict__)
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    DiffusersVideoGenerator(pipe, steps=2).generate(SHOT)
    assert torch.equal(torch.rand(1), expected)
    assert pipe.scheduler is scheduler
    assert repr(scheduler.__dict__) == repr(before)
    assert pipe._progress_bar_config == {"desc": "mine"}
    assert pipe.__dict__.keys() == attributes.keys()
    assert "encode" not in pipe.vae.__dict__
    assert pipe.vae.__dict__.keys() == vae.keys()


def test_attention_is_chosen_for_the_call_alone(monkeypatch):
    from diffusers.models.attention_dispatch import AttentionBackendName, _AttentionBackendRegistry

    generator = cases.generator("wan-2.2-i2v", attention="_native_math")
    used = []
    generator.pipe.transformer.register_forward_pre_hook(
        lambda *_: used.append(_AttentionBackendRegistry._active_backend)
    )
    before = _AttentionBackendRegistry._active_backend
    generator.generate(evolve(SHOT, seconds=0.5))
    assert set(used) == {AttentionBackendName._NATIVE_MATH}
    assert _AttentionBackendRegistry._active_backend == before


def test_attention_that_would_do_nothing_is_refused(pipe):
    with pytest.raises(InvalidInputError, match="attention='flash' would do nothing"):
        DiffusersVideoGenerator(pipe, attention="flash")


def test_prompts_and_prefixes_are_encoded_once(pipe):
    texts, images = [], []
    pipe.text_encoder.register_forward_pre_hook(lambda *_: texts.append(1))
    generator = DiffusersVideoGenerator(pipe, steps=1)
    encode = generator.runner.encode
    shot = evolve(SHOT, seconds=1.0)
    for seed in range(3):
        generator.generate(evolve(shot, seed=seed))
        images.append(encode.calls)
    assert len(texts) == 2  # the prompt and the empty negative prompt
    assert images == [1, 1, 1]
    generator.generate(evolve(shot, prompt=Prompt("another")))
    assert len(texts) == 4


def test_memories_forget_the_oldest():
    remembered = pipelines.Remembered(lambda value: value + 1, 2)
    tensor = torch.zeros(2, dtype=torch.bfloat16)
    assert torch.equal(remembered(tensor), remembered(tensor.clone()))
    assert remembered.calls == 1
    remembered(torch.ones(2))
    remembered(torch.ones(3))
    remembered(tensor)
    assert remembered.calls == 4


def test_generators_of_one_checkpoint_share_it():
    one, other = cases.generator("cogvideox-i2v"), cases.generator("cogvideox-i2v", steps=1)
    assert one.pipe is other.pipe
    assert cases.generator("cogvideox-i2v", dtype="bfloat16").pipe is not one.pipe


def test_generators_that_step_down_have_a_pipeline_to_themselves():
    shared = cases.generator("cogvideox-i2v")
    assert cases.generator("cogvideox-i2v", step_down=True).pipe is not shared.pipe


@pytest.mark.slow
def test_fifty_calls_leave_nothing_behind(pipe):
    generator = DiffusersVideoGenerator(pipe, steps=1)

    def tensors_after(seeds):
        for seed in seeds:
            generator.generate(evolve(SHOT, seed=seed, seconds=0.25))
        gc.collect()
        return sum(issubclass(type(thing), torch.Tensor) for thing in gc.get_objects())

    before = tensors_after(range(2))
    assert tensors_after(range(50)) == before


def test_noise_drawn_past_the_generator_follows_the_seed():
    generator = cases.generator("skyreels-v2-df", num_frames=41, context_frames=5)
    shot = evolve(SHOT, seconds=0.25)
    torch.manual_seed(1)
    one = generator.generate(shot)
    torch.manual_seed(2)
    assert generator.generate(shot) == one


def test_a_prompt_that_will_be_cut_is_told(cogvideox, caplog):
    shot = evolve(SHOT, seconds=0.25)
    cogvideox.generate(evolve(shot, prompt=Prompt("it rolls")))
    assert not caplog.records
    cogvideox.generate(evolve(shot, prompt=Prompt("it rolls down and down")))
    said = [record.getMessage() for record in caplog.records if "phyrefine" in record.name]
    assert said == ["The prompt has 24 tokens; cogvideox-i2v reads the first 16. Shorten it."]


# -- identity ----------------------------------------------------------------------------------


@pytest.mark.slow
def test_identity_follows_weights_and_settings(pipe):
    plain = DiffusersVideoGenerator(pipe, steps=2)
    assert plain.identity == DiffusersVideoGenerator(tiny.cogvideox(), steps=2).identity
    identities = {plain.identity}
    for settings in (
        {"steps": 3},
        {"guidance_scale": 5.0},
        {"fit": "crop"},
        {"color_match": 0.5},
        {"crossfade": 1},
        {"options": {"eta": 0.5}},
    ):
        identities.add(DiffusersVideoGenerator(pipe, **{"steps": 2, **settings}).identity)
    assert len(identities) == 7
    with torch.no_grad():
        pipe.transformer.proj_out.weight[0, 0] += 1
    changed = DiffusersVideoGenerator(pipe, steps=2)
    assert changed.identity not in identities
    ddim = tiny.cogvideox(scheduler="CogVideoXDDIMScheduler")
    assert DiffusersVideoGenerator(ddim, steps=2).identity not in identities


def test_switches_and_adapter_strengths_are_part_of_the_identity():
    wan = tiny.wan_22()
    plain = fingerprint(wan)
    wan.transformer.blocks[0].scaling = {"style": 0.5}  # as PEFT keeps it
    half = fingerprint(wan)
    wan.transformer.blocks[0].scaling["style"] = 1.0
    assert len({plain, half, fingerprint(wan)}) == 3
    del wan.transformer.blocks[0].scaling
    wan.register_to_config(boundary_ratio=0.5)
    assert fingerprint(wan) != plain


# -- stopping and failing ----------------------------------------------------------------------


def test_cancelling_stops_after_the_step(pipe):
    cancel = threading.Event()
    generator = DiffusersVideoGenerator(pipe, steps=4, cancel=cancel)
    forwards = []

    def cancel_at_three(*_):
        forwards.append(1)
        if len(forwards) == 3:
            cancel.set()

    pipe.transformer.register_forward_pre_hook(cancel_at_three)
    with pytest.raises(GenerationError, match="Cancelled after 3 denoising steps"):
        generator.generate(SHOT)
    assert len(forwards) == 3
    with pytest.raises(GenerationError, match="Cancelled before the pass began"):
        generator.generate(SHOT)
    cancel.clear()
    assert len(generator.generate(SHOT)) == SHOT.frames


def out_of_memory_until(pipe, count):
    left = [count]

    def fail(*_):
        if left[0]:
            left[0] -= 1
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20 GiB")

    pipe.transformer.register_forward_pre_hook(fail)


def test_out_of_memory_names_the_next_mode(tmp_path):
    tiny.cogvideox().save_pretrained(tmp_path)
    generator = DiffusersVideoGenerator.from_pretrained(str(tmp_path), steps=1)
    out_of_memory_until(generator.pipe, 1)
    with pytest.raises(GeneratorMemoryError, match=r"at 32x32 .*'fast'.* memory='balanced'"):
        generator.generate(SHOT)


@pytest.mark.slow
def test_out_of_memory_steps_down_by_option(tmp_path):
    tiny.cogvideox().save_pretrained(tmp_path)
    generator = DiffusersVideoGenerator.from_pretrained(str(tmp_path), steps=1, step_down=True)
    expected = generator.generate(SHOT)
    out_of_memory_until(generator.pipe, 2)
    assert generator.generate(SHOT) == expected
    assert generator.runner.mode == "tight"
    assert json.loads(next(generator.stream(SHOT)).state)["memory"] == "tight"


def test_a_pipeline_of_ones_own_is_never_moved(pipe):
    generator = DiffusersVideoGenerator(pipe, steps=1, step_down=True)
    out_of_memory_until(pipe, 1)
    with pytest.raises(GeneratorMemoryError, match="from_pretrained"):
        generator.generate(SHOT)


def test_frames_that_are_not_numbers_are_an_error(pipe):
    with torch.no_grad():
        pipe.transformer.proj_out.bias.fill_(torch.nan)
    with pytest.raises(GenerationError, match=r"not numbers.*bfloat16"):
        DiffusersVideoGenerator(pipe, steps=1).generate(SHOT)


def test_frames_of_another_size_are_an_error(cogvideox):
    made = np.zeros((9, 24, 32, 3), np.float32)
    window = Window(np.zeros((1, 32, 32, 3), np.uint8), 9, 8.0)
    with pytest.raises(GenerationError, match="frames of 32x24 pixels where 32x32 were asked for"):
        cogvideox._continuation._new_frames(made, window, (32, 32), 8)
    with pytest.raises(GenerationError, match="gave 8 frames where cogvideox-i2v promises 9"):
        cogvideox._continuation._new_frames(made[:8], window, (32, 32), 8)


def test_a_pipelines_own_error_is_told_in_one_line(pipe):
    generator = DiffusersVideoGenerator(pipe, steps=1)
    with pytest.raises(GenerationError, match=r"CogVideoXImageToVideoPipeline failed: .*"):
        generator.generate(evolve(SHOT, options={"max_sequence_length": 8}))


def test_unknown_options_are_refused_before_any_work(cogvideox):
    with pytest.raises(InvalidInputError, match=r"takes no option 'strength'.*guidance_scale"):
        cogvideox.generate(evolve(SHOT, options={"strength": 0.5}))
    with pytest.raises(InvalidInputError, match="'num_frames' is not free"):
        cogvideox.generate(evolve(SHOT, options={"num_frames": 5}))


def test_a_prefix_is_needed(cogvideox):
    with pytest.raises(InvalidInputError, match="has no prefix"):
        cogvideox.generate(evolve(SHOT, prefix=None))


# -- which pipelines ---------------------------------------------------------------------------


def test_video_to_video_is_refused_with_the_reason(pipe):
    from diffusers import CogVideoXPipeline, CogVideoXVideoToVideoPipeline

    text = tiny.cogvideox(image=False)
    assert isinstance(text, CogVideoXPipeline)
    restyle = CogVideoXVideoToVideoPipeline(**text.components)
    with pytest.raises(InvalidInputError, match=r"restyles a clip.*does not continue"):
        DiffusersVideoGenerator(restyle)


def test_other_classes_are_refused_with_a_way_out():
    from diffusers import DDPMPipeline, DDPMScheduler, UNet2DModel

    other = DDPMPipeline(UNet2DModel(8, block_out_channels=(32, 32, 32, 32)), DDPMScheduler())
    with pytest.raises(InvalidInputError, match=r"DDPMPipeline is not in the table.*FamilySpec"):
        DiffusersVideoGenerator(other)


def test_the_named_door_is_for_cogvideox():
    with pytest.raises(InvalidInputError, match="no CogVideoX pipeline"):
        CogVideoXGenerator(tiny.wan_22())


def test_sizes_off_the_multiple_and_unknown_types_are_refused(pipe):
    with pytest.raises(InvalidInputError, match="divisible by 16, not size=\\(30, 32\\)"):
        DiffusersVideoGenerator(pipe, size=(30, 32))
    with pytest.raises(InvalidInputError, match="context_frames=0 is too few"):
        DiffusersVideoGenerator(pipe, context_frames=0)
    with pytest.raises(InvalidInputError, match="color_match must be 0 to 1"):
        DiffusersVideoGenerator(pipe, color_match=2.0)
    with pytest.raises(InvalidInputError, match="chooses its size from the prefix's aspect"):
        DiffusersVideoGenerator(tiny.hunyuan_15(), size=(32, 32))


def test_a_missing_checkpoint_and_a_missing_package_are_told_apart(tmp_path):
    with pytest.raises(ModelNotFoundError, match="is no diffusers pipeline"):
        DiffusersVideoGenerator.from_pretrained(str(tmp_path))
    where = str(cases.folder("cosmos-predict2"))
    with pytest.raises(MissingDependencyError, match="cosmos_guardrail"):
        DiffusersVideoGenerator.from_pretrained(where)
    with pytest.raises(MissingDependencyError, match="pip install torchvision"):
        DiffusersVideoGenerator(tiny.cosmos_2(concat_padding_mask=True))


def test_loading_options_reach_diffusers_and_its_refusals_come_back_in_one_line():
    from diffusers.quantizers import PipelineQuantizationConfig

    where = str(cases.folder("cogvideox-i2v"))
    with pytest.raises(InvalidInputError, match=r"does not load as CogVideoX.*\(variant\)"):
        DiffusersVideoGenerator.from_pretrained(where, load_options={"variant": "fp16"})
    eight = PipelineQuantizationConfig(
        quant_backend="bitsandbytes_8bit",
        quant_kwargs={"load_in_8bit": True},
        components_to_quantize=["transformer"],
    )
    # Which of the two it lacks here: a GPU, or the package.
    with pytest.raises((InvalidInputError, MissingDependencyError), match=r"GPU|bitsandbytes"):
        DiffusersVideoGenerator.from_pretrained(where, load_options={"quantization_config": eight})


def test_the_registry_knows_it():
    spec = f"diffusers:{cases.folder('cogvideox-i2v')}"
    assert registry.make("generator", spec, steps=1).spec.name == "cogvideox-i2v"
    with pytest.raises(InvalidInputError, match="Name a checkpoint"):
        registry.make("generator", "diffusers")
