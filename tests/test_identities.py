"""Backends that differ in one way have different identities; the same ones have the same."""

import asyncio
import collections
import dataclasses
import datetime as dt
import enum
import functools
import json
import pathlib
import subprocess
import sys
import threading
import types
import typing

import attrs
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phyrefine import Scenario, SelfRefiner, identified
from phyrefine.adapt import FunctionAsker, as_generator, as_llm, as_vlm
from phyrefine.errors import InvalidInputError, RunMismatchError
from phyrefine.identities import UnnamedError, identity, refresh, why_unnamed
from phyrefine.refine.convergence import MaxLoops
from phyrefine.refine.stages import Method
from phyrefine.testing import MovingDot, moving_clip
from phyrefine.types import Question

MODEL = "a"
CONFIG = types.SimpleNamespace(model="a")
REPLIES = {"predict": "a"}


def answer(question, model="a", *, style="x"):
    return f"{model} {style}"


def reads_global(question):
    return MODEL


def reads_object(question):
    return CONFIG.model


def reads_dict(question):
    return REPLIES["predict"]


def calls_another(question):
    return reads_global(question)


def calls_in_a_lambda(question):
    return list(map(lambda _: reads_global(question), range(2)))  # noqa: C417 - the code inside


class Model:
    FAMILY = "family"

    def __init__(self, name, inner=None):
        self.name, self.inner = name, inner
        self.calls, self.asked, self.by_stage = 0, [], {}
        self._client = None

    def __call__(self, question):
        return self.ask(question)

    def ask(self, question):
        self.calls += 1
        self.asked.append(question)
        self.by_stage[str(question)] = self.by_stage.get(str(question), 0) + 1
        if self._client is None:
            self._client = threading.Thread()
        return self.name

    def other(self, question):
        return "other"


class Named(typing.NamedTuple):
    model: object


class Slotted:
    __slots__ = ("name",)

    def __init__(self, name):
        self.name = name

    def ask(self, question):
        return self.name


@dataclasses.dataclass
class Data:
    name: object

    def ask(self, question):
        return self.name


@attrs.define
class Attrs:
    name: object

    def ask(self, question):
        return self.name


class Same:
    """Its repr hides the difference."""

    def __init__(self, name):
        self.name = name

    def __repr__(self):
        return "Same()"

    def ask(self, question):
        return self.name


class Mode(enum.Enum):
    ONE = 1
    TWO = 2


def closure(value):
    return lambda question: value


def over_attribute(thing):
    return lambda question: thing.name


def with_default(value):
    def ask(question, chosen=value):
        return chosen

    return ask


def with_keyword(value):
    def ask(question, *, chosen=value):
        return chosen

    return ask


def decorated(value):
    @functools.wraps(answer)
    def ask(question):
        return answer(question, value)

    return ask


def attribute(value):
    def ask(question):
        return ask.model

    ask.model = value
    return ask


WAYS = {
    "partial keyword": lambda v: functools.partial(answer, model=v),
    "partial argument": lambda v: functools.partial(lambda m, q: m, v),
    "nested partial": lambda v: functools.partial(functools.partial(answer, model=v), style="y"),
    "callable object": Model,
    "bound method": lambda v: Model(v).ask,
    "object": lambda v: as_vlm(Data(v)),
    "attrs object": Attrs,
    "slots": Slotted,
    "hidden by repr": Same,
    "closure": closure,
    "closure over an object": lambda v: over_attribute(Model(v)),
    "closure over an object in an object": lambda v: Model("x", Model(v)),
    "closure in a closure": lambda v: closure(closure(v)),
    "default": with_default,
    "keyword default": with_keyword,
    "decorated": decorated,
    "function attribute": attribute,
    "in a list": lambda v: closure([1, v]),
    "in a dictionary": lambda v: closure({"model": v}),
    "in a set": lambda v: closure({"x", v}),
    "in a named tuple": lambda v: closure(Named(v)),
    "in a data class": lambda v: closure(Data(v)),
    "in a namespace": lambda v: closure(types.SimpleNamespace(model=v)),
    "in a path": lambda v: closure(pathlib.Path(str(v))),
    "in an array": lambda v: closure(np.frombuffer(str(v).encode().ljust(32), np.uint8)),
}


@pytest.mark.parametrize("way", WAYS)
@settings(max_examples=25, deadline=None)
@given(one=st.text(min_size=1, max_size=8), two=st.text(min_size=1, max_size=8))
def test_one_difference_is_another_identity(way, one, two):
    made = WAYS[way]
    if one.strip() != two.strip():
        assert identity(made(one)) != identity(made(two))
    assert identity(made(one)) == identity(made(one))
    assert " at 0x" not in identity(made(one)), why_unnamed(made(one))


PAIRS = {
    "operators": (lambda q: q + 1, lambda q: q - 1),
    "constants": (lambda q: "a", lambda q: "b"),
    "types of equal constants": (lambda q: 1, lambda q: True),
    "attributes": (lambda q: q.text, lambda q: q.stage),
    "methods": (Model("a").ask, Model("a").other),
    "enum members": (closure(Mode.ONE), closure(Mode.TWO)),
    "dates": (closure(dt.date(2026, 1, 1)), closure(dt.date(2026, 1, 2))),
    "numbers": (closure(1.0), closure(1.5)),
    "number and text": (closure(1), closure("1")),
    "list and tuple": (closure([1]), closure((1,))),
    "order": (closure([1, 2]), closure([2, 1])),
    "classes": (closure(Model), closure(Same)),
    "functions": (closure(answer), closure(reads_global)),
    "built-in functions": (closure(min), closure(max)),
    "array shapes": (closure(np.zeros((2, 3))), closure(np.zeros((3, 2)))),
    "array types": (closure(np.zeros(2, "f4")), closure(np.zeros(4, "f2"))),
    "clips": (closure(moving_clip(8)), closure(moving_clip(9))),
    "named backends": (closure(MovingDot(identity="a")), closure(MovingDot(identity="b"))),
}


@pytest.mark.parametrize("pair", PAIRS)
def test_pairs_that_differ_in_one_way(pair):
    one, two = PAIRS[pair]
    assert identity(one) != identity(two)
    for made in (one, two):
        assert " at 0x" not in identity(made), why_unnamed(made)


def test_a_tensor_that_differs_in_one_value():
    torch = pytest.importorskip("torch")
    one, two = torch.zeros(100), torch.zeros(100)
    before = identity(closure(one))
    assert before == identity(closure(two))
    two.data[57] = 1.0
    assert before != identity(closure(two))
    with pytest.raises(UnnamedError, match="array of 9 MB"):
        raise UnnamedError(why_unnamed(closure(torch.zeros(9 << 20, dtype=torch.uint8))))


@pytest.mark.parametrize(
    ("function", "owner", "name", "value"),
    [
        (reads_global, sys.modules[__name__], "MODEL", "b"),
        (calls_another, sys.modules[__name__], "MODEL", "b"),
        (calls_in_a_lambda, sys.modules[__name__], "MODEL", "b"),
        (reads_object, CONFIG, "model", "b"),
        (Model("a"), Model, "FAMILY", "other"),
        (Model("a"), Model, "ask", lambda self, question: "edited"),
        (functools.partial(calls_another), sys.modules[__name__], "MODEL", "b"),
    ],
)
def test_what_a_call_reads_and_that_changes(function, owner, name, value, monkeypatch):
    before = identity(function)
    monkeypatch.setattr(owner, name, value)
    assert identity(function) != before
    monkeypatch.undo()
    assert identity(function) == before


def test_containers_and_modules_and_the_environment_that_change(monkeypatch):
    def reads_module(question):
        return json.MODEL_OF_THIS_TEST

    def reads_environment(question):
        import os

        return os.environ["PHYREFINE_TEST_MODEL"] + os.environ["PHYREFINE_TEST_KEY"]

    before = identity(reads_dict)
    monkeypatch.setitem(REPLIES, "predict", "b")
    assert identity(reads_dict) != before
    monkeypatch.setattr(json, "MODEL_OF_THIS_TEST", "a", raising=False)
    before = identity(reads_module)
    monkeypatch.setattr(json, "MODEL_OF_THIS_TEST", "b")
    assert identity(reads_module) != before
    monkeypatch.setenv("PHYREFINE_TEST_MODEL", "a")
    before = identity(reads_environment)
    monkeypatch.setenv("PHYREFINE_TEST_KEY", "another key is the same model")
    assert identity(reads_environment) == before
    monkeypatch.setenv("PHYREFINE_TEST_MODEL", "b")
    assert identity(reads_environment) != before


def test_records_of_calls_are_no_settings():
    asked, counts, total = [], collections.Counter(), 0

    def ask(question):
        nonlocal total
        total += 1
        asked.append(question)
        counts[question.stage] += 1
        return "x"

    model = Model("a")
    before = identity(ask), identity(model), identity(model.ask)
    ask(Question("predict", "?"))
    model(Question("predict", "?"))
    assert (identity(ask), identity(model), identity(model.ask)) == before
    model.name = "b"
    assert identity(model) != before[1]


def test_the_same_function_in_another_process(tmp_path):
    (tmp_path / "mine.py").write_text(
        "import functools\nclass C:\n    def __init__(self, m): self.m = m\n"
        "    def ask(self, q): return {self.m, 'b'}\ndef f(q, m): return {m: C(m).ask(q)}\n"
    )
    code = (
        "import functools, mine; from phyrefine.identities import identity; "
        "print(identity(functools.partial(mine.f, m={'x', 'y', 'z'})), identity(mine.C('a')))"
    )
    told = {
        subprocess.run([sys.executable, "-c", code], cwd=tmp_path, text=True, check=True,
                       capture_output=True, env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)}).stdout
        for seed in ("1", "2")
    }  # fmt: skip
    assert len(told) == 1
    assert " at 0x" not in told.pop()


@pytest.mark.parametrize(
    ("held", "what"),
    [
        (threading.Thread(), "threading.Thread"),
        (iter([1]), "list_iterator"),
        (np.random.default_rng(0), "Generator"),
        (np.zeros(9 << 20, np.uint8), "array of 9 MB"),
        (np.array([object()]), "array of objects"),
    ],
)
def test_what_cannot_be_compared_has_no_lasting_identity(held, what, tmp_path):
    function = closure(held)
    assert " at 0x" in identity(function)
    assert what in why_unnamed(function)
    with pytest.raises(UnnamedError, match=r"phyrefine\.identified"):
        SelfRefiner(function, function, MovingDot(), run_dir=tmp_path).refine(SCENE)
    assert identity(as_llm(identified(function, "mine"))) == "mine"


def test_names_of_the_users():
    named = as_vlm(identified(lambda q: "said", "model 1"))
    assert identity(named) == "model 1"
    assert named.ask(Question("predict", "?")).text == "said"
    dot = identified(MovingDot(), "dot 2")
    assert as_generator(dot) is dot
    assert identity(dot) == "dot 2"
    assert dot.profile == MovingDot().profile
    for name in ("", "  ", "x at 0x7f", 3):
        with pytest.raises(InvalidInputError, match="identity is a text"):
            identified(print, name)
    with pytest.raises(InvalidInputError, match="takes a function"):
        identified(3, "x")


def test_a_backend_whose_identity_is_slow_is_asked_to_look_again():
    class Slow:
        looked = 0

        def refresh_identity(self):
            self.looked += 1

    slow = Slow()
    refresh(types.SimpleNamespace(backend=types.SimpleNamespace(backends=[slow])))
    assert slow.looked == 1


# -- the whole way -------------------------------------------------------------------------------

SCENE = Scenario("A dot moves.", moving_clip(24, (32, 32)), seconds=1.0, name="dot")
CRITIQUE = {"observed": "", "moving": True, "corrected": "It moves.",
            "violations": [{"law": "", "what": "it stops", "start": None, "end": None,
                            "where": "", "severity": 1, "confidence": 1}]}  # fmt: skip


def critic(question):
    return CRITIQUE if question.stage == "critique" else "The dot moves on to the right."


def my_llm(question, model):
    ASKED.append(model)
    return {"prompt": f"written by {model}"}


ASKED = []


def refined(llm, **settings):
    # Without a plan the rewriter's words are the prompt, whatever they leave out.
    settings = {
        "convergence": MaxLoops(1),
        "ensemble": "last",
        "method": Method(plan=False),
        **settings,
    }
    return SelfRefiner(critic, llm, MovingDot(), **settings).refine(SCENE)


def test_no_reply_of_another_model_ever(tmp_path):
    first = refined(functools.partial(my_llm, model="A"), run_dir=tmp_path)
    assert first.attempts[-1].prompt.text == "written by A"
    asked = len(ASKED)
    again = refined(functools.partial(my_llm, model="A"), run_dir=tmp_path)
    assert again.attempts[-1].prompt.text == "written by A"
    assert len(ASKED) == asked
    with pytest.raises(RunMismatchError, match="llm"):
        refined(functools.partial(my_llm, model="B"), run_dir=tmp_path)


def test_in_memory_an_object_that_changes_is_asked_again():
    client = threading.Thread(name="A")  # nobody can see its settings

    def llm(question):
        return f"This prompt was written by {client.name}."

    refiner = SelfRefiner(
        critic,
        llm,
        MovingDot(),
        convergence=MaxLoops(1),
        ensemble="last",
        method=Method(plan=False),
    )
    assert refiner.refine(SCENE).attempts[-1].prompt.text.endswith("A.")
    client.name = "B"
    assert refiner.refine(SCENE).attempts[-1].prompt.text.endswith("B.")


def test_functions_may_be_async_also_inside_a_running_loop():
    async def vlm(question):
        await asyncio.sleep(0)
        return critic(question)

    class Writer:
        identity = "writer"

        async def ask(self, question):
            await asyncio.sleep(0)
            return "The dot moves on."

    async def generate(shot):
        await asyncio.sleep(0)
        return MovingDot().generate(shot)

    async def notebook():
        return SelfRefiner(
            vlm, Writer(), generate, convergence=MaxLoops(1), method=Method(plan=False)
        ).refine(SCENE)

    done = asyncio.run(notebook())
    assert done.stopped_by == "loop_limit"
    assert done.attempts[-1].prompt.text == "The dot moves on."
    assert isinstance(as_vlm(vlm), FunctionAsker)
