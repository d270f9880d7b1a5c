"""Options in names and on command lines: typed, listed, refused in words."""

import json
from pathlib import Path
from typing import Any, Literal

import pytest

from phyrefine import registry
from phyrefine.adapt import as_generator, as_llm
from phyrefine.cli import FAILED, main
from phyrefine.errors import InvalidInputError, UnknownBackendError
from phyrefine.options import Option, join_options, options_of, read_options, split_options

OWN = """
from phyrefine.testing import MovingDot
from phyrefine.types import Answer

class Echo:
    def __init__(self, prefix: str = "", times: int = 1):
        self.prefix, self.times = prefix, times
        self.identity = f"echo {prefix!r} {times}"

    def ask(self, question):
        return Answer(self.prefix + question.text * self.times)

def dot(seed: int = 0):
    return MovingDot()

def one_function(word: str):
    return lambda question: word

constant = 3
"""


@pytest.fixture
def own(tmp_path, monkeypatch):
    (tmp_path / "my_critics.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    yield
    import sys

    sys.modules.pop("my_critics", None)


@pytest.mark.parametrize(
    ("spec", "bare", "given"),
    [
        ("gemini", "gemini", {}),
        ("gemini:m?fps=4", "gemini:m", {"fps": "4"}),
        ("magi:/a/b#x?steps=8&fit=crop", "magi:/a/b#x", {"steps": "8", "fit": "crop"}),
        ("diffusers:/what?/is it", "diffusers:/what?/is it", {}),
        ("openai:m?base_url=http://h:1/v1?a=b", "openai:m", {"base_url": "http://h:1/v1?a=b"}),
        ("openai:m?a=1%262", "openai:m", {"a": "1&2"}),
        ("openai:m?a=", "openai:m", {"a": ""}),
        ("openai:m?media-resolution=low", "openai:m", {"media_resolution": "low"}),
    ],
)
def test_options_stand_after_the_name(spec, bare, given):
    assert split_options(spec) == (bare, given)


def test_items_join_a_name_and_come_back():
    spec = join_options("gemini:m?fps=4&seed=1", ["fps=8", 'extra_body={"a": "x & y, 100 %"}'])
    assert split_options(spec) == (
        "gemini:m", {"fps": "8", "seed": "1", "extra_body": '{"a": "x & y, 100 %"}'},
    )  # fmt: skip
    assert join_options("gemini:m", []) == "gemini:m"


@pytest.mark.parametrize("wrong", ["m?fps=4&route", "m?fps=4&fps=5"])
def test_what_is_no_option(wrong):
    with pytest.raises(InvalidInputError):
        split_options(wrong)


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (float, "4", 4.0),
        (int, "-3", -3),
        (bool, "no", False),
        (bool, "True", True),
        (int | None, "none", None),
        (int | None, "7", 7),
        (str | int | None, "128", 128),
        (str | int | None, "low", "low"),
        (Literal["none", "low"] | None, "none", "none"),
        (tuple[int, int] | None, "480x832", (480, 832)),
        (tuple[int, int] | None, "480,832", (480, 832)),
        (tuple[int, ...], "[1, 2, 3]", (1, 2, 3)),
        (dict[str, Any] | None, '{"a": {"b": 1}}', {"a": {"b": 1}}),
        (Any, "bfloat16", "bfloat16"),
        (Any, "false", False),
        (str, "3", "3"),
        (Path | str, "a/b", Path("a/b")),
    ],
)  # fmt: skip
def test_texts_become_values_of_the_annotated_type(kind, text, value):
    read = read_options({"x": text}, {"x": Option("x", kind)}, "It")["x"]
    assert (read, type(read)) == (value, type(value))


@pytest.mark.parametrize(
    ("kind", "text"),
    [(float, "fast"), (int, "4.5"), (bool, "maybe"), (tuple[int, int], "480"),
     (Literal["a", "b"], "c"), (dict[str, Any], "[1]"), (tuple[int, int], "4,x")],
)  # fmt: skip
def test_a_text_that_is_no_such_value(kind, text):
    with pytest.raises(InvalidInputError, match=r"It: the option 'x' takes .*, not '"):
        read_options({"x": text}, {"x": Option("x", kind)}, "It")


def test_the_docstring_explains_and_the_signature_names():
    def make(model, speed: float = 2.0, *, color=None, client: object | None = None, **rest):
        """Make it.

        Args:
            model: Which.
            speed: Pixels a frame, the
                more the faster.
            color: A name (see ``X``).
            client: Yours.
            **rest: More.

        Raises:
            ValueError: No.
        """

    options = options_of([make])
    assert list(options) == ["speed", "color", "client"]
    assert options["speed"].help == "Pixels a frame, the more the faster."
    assert (options["speed"].type_name, options["speed"].default_text) == ("float", "2.0")
    assert options["color"].help == "A name (see X)."
    assert not options["client"].settable
    with pytest.raises(InvalidInputError, match="takes an object: pass it in Python"):
        read_options({"client": "x"}, options, "It")


@pytest.mark.parametrize("name", registry.names())
def test_every_option_of_our_backends_is_typed_and_explained(name):
    pytest.importorskip("torch")
    for role in registry.find(name).roles:
        options = registry.maker(role, name).options
        assert [option.name for option in options.values() if not option.help] == []


def test_options_reach_the_object():
    vlm = registry.make("vlm", "world?sensitivity=1.5")
    assert vlm.sensitivity == 1.5
    assert registry.make("vlm", "world?sensitivity=1.5", sensitivity=2.0).sensitivity == 2.0
    api = registry.make(
        "vlm", "openai:m?base_url=http://127.0.0.1:9/v1&fps=4&max_retries=1&thinking=low"
    )
    assert (api.service.endpoint, api._looking.fps) == ("http://127.0.0.1:9/v1", 4.0)
    assert (api._caller.policy.max_retries, api._sampling.thinking) == (1, "low")


@pytest.mark.parametrize(
    ("role", "spec", "says"),
    [
        ("vlm", "gemini:m?fsp=4", "Did you mean 'fps'"),
        ("vlm", "gemini:m?fps=fast", "'fps' takes float, not 'fast'"),
        ("llm", "openai:m?api=telegraph", "chat | responses"),
        ("llm", "world?speed=3", "does not take that option: 'speed'"),
        ("generator", "magi:/nowhere?size=big", "int,int"),
        ("vlm", "openai:m?client=x", "pass it in Python"),
    ],
)
def test_options_are_refused_before_anything_is_made(role, spec, says):
    with pytest.raises(InvalidInputError) as caught:
        registry.make(role, spec)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    "option",
    [
        "api_key=abcdefgh-secret",
        "base_url=http://me:hunter2-long@host/v1",
        'headers={"Authorization": "Bearer abcdefgh-secret"}',
        'headers={"x": "sk-abcdefghijklmnop1234"}',
    ],
)
def test_no_secret_goes_into_a_name(option):
    with pytest.raises(InvalidInputError, match="no key or password") as caught:
        registry.make("vlm", join_options("openai:m", [option]))
    for secret in ("secret", "hunter2", "sk-abc"):
        assert secret not in str(caught.value)


@pytest.mark.parametrize(
    ("spec", "binding"),
    [
        ("gemini:m?fps=4&retry_budget=900", "gemini:m?fps=4"),
        ("gemini:m?retry_budget=900&timeout=9", "gemini:m"),
        ("openai:m?seed=1&fps=4", "openai:m?fps=4&seed=1"),
        ("world", "world"),
        ("no_such:m?x=1", "no_such:m?x=1"),
    ],
)
def test_patience_does_not_bind_a_run_folder(spec, binding):
    assert registry.binding(spec) == binding


class TestOwnFactories:
    def test_a_class_with_options(self, own):
        made = as_llm("my_critics:Echo?prefix=so: &times=2")
        assert (made.prefix, made.times) == ("so: ", 2)
        assert registry.make("vlm", "my_critics:Echo", times=3).times == 3

    def test_a_function_that_makes_a_generator_or_a_function(self, own):
        assert as_generator("my_critics:dot?seed=3").profile
        assert as_llm("my_critics:one_function?word=hi").ask(None).text == "hi"

    @pytest.mark.parametrize(
        ("spec", "error", "says"),
        [
            ("my_critics:Ecco", UnknownBackendError, "has no 'Ecco'"),
            ("my_critics:constant", UnknownBackendError, "is a int, not a function or class"),
            ("my_critics:Echo?time=2", InvalidInputError, "Did you mean 'times'"),
            ("my_critics:one_function", InvalidInputError, "needs an option"),
            ("my_critix:Echo", UnknownBackendError, "No backend called 'my_critix'"),
        ],
    )
    def test_what_is_wrong_is_said(self, own, spec, error, says):
        with pytest.raises(error, match=says):
            registry.make("llm", spec)

    def test_a_module_that_breaks(self, own, tmp_path):
        (tmp_path / "my_broken.py").write_text("raise RuntimeError('sk-abcdefghijklmnop1234')")
        with pytest.raises(UnknownBackendError, match="RuntimeError") as caught:
            registry.make("llm", "my_broken:x")
        assert "abcdefghijk" not in str(caught.value)

    def test_something_that_is_no_backend(self, own, tmp_path):
        (tmp_path / "my_thing.py").write_text("def make(): return 3")
        with pytest.raises(InvalidInputError, match="3 is no LLM"):
            as_llm("my_thing:make")


class TestCommandLine:
    def test_backends_lists_all_and_the_options_of_one(self, capsys):
        assert main(["backends"]) == 0
        assert "transformers" in capsys.readouterr().out
        assert main(["backends", "gemini:any-model"]) == 0
        told = capsys.readouterr().out
        for word in ("fps", "float", "--vlm-option", "inline | files", "retry_budget"):
            assert word in told
        assert main(["backends", "gemnii"]) == FAILED
        assert "Did you mean 'gemini'" in capsys.readouterr().err

    def test_doctor_checks_what_it_is_asked_for(self, capsys, monkeypatch, own):
        monkeypatch.setenv("OPENAI_API_KEY", "k" * 20)
        good = ["doctor", "--vlm", "openai:m", "--vlm-option", "fps=4", "--llm", "my_critics:Echo"]
        assert main(good) == 0
        told = " ".join(capsys.readouterr().out.split())
        assert "fps=4.0" in told
        assert "my_critics.Echo" in told
        assert main(["doctor", "--vlm", "openai:m", "--vlm-option", "fsp=4"]) == FAILED
        assert "Did you mean" in " ".join(capsys.readouterr().out.split())

    def test_doctor_asks_for_the_key_of_the_server_at_hand(self, capsys, monkeypatch):
        for name in ("OPENAI_API_KEY", "GROQ_API_KEY"):
            monkeypatch.delenv(name, raising=False)
        from phyrefine.cli.doctor import check_backend

        assert check_backend("llm", "openai:gpt-6-luna")[1] is None
        assert check_backend("llm", "openai:ollama/llama3.2")[1] is True
        assert check_backend("llm", "openai:m?base_url=http://h/v1")[1] is True
        assert "GROQ_API_KEY" in check_backend("llm", "openai:groq/m")[2]

    def test_run_takes_them_into_the_run_and_its_records(self, capsys, tmp_path):
        pytest.importorskip("torch")
        from phyrefine.testing import moving_clip

        moving_clip(24, (48, 64), 8.0).write(tmp_path / "dot.mkv")
        words = ["run", str(tmp_path / "dot.mkv"), "-d", "A dot moves.", "--seconds", "1",
                 "--loops", "1", "--no-baseline", "--ensemble", "last", "--out",
                 str(tmp_path / "run"), "--vlm-option", "sensitivity=1.5",
                 "--generator-option", "steps=2", "--generator-option", "guidance=1"]  # fmt: skip
        assert main(words) in (0, 3)
        backends = json.loads((tmp_path / "run" / "manifest.json").read_text())["spec"]["backends"]
        assert "sensitivity=1.5" in backends["vlm"]
        assert "steps=2:guidance=1" in backends["generator"]
        assert main([*words, "--llm-option", "speed=3"]) == FAILED
        assert "does not take that option" in capsys.readouterr().err

    def test_bench_takes_them_into_its_plan(self):
        from phyrefine.physics_iq.commands.bench import PlanFlags

        plan = PlanFlags(
            vlm="gemini:m?seed=1", vlm_option=("fps=4",), generator_option=("steps=2",)
        ).plan()
        assert (plan.vlm, plan.generator) == ("gemini:m?seed=1&fps=4", "world?steps=2")
