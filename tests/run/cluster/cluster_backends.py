"""Generators that workers load by name, and that fail when they are told to."""

import json
import os
import time
from pathlib import Path
from typing import Literal

from phyrefine.errors import GenerationError, GeneratorMemoryError
from phyrefine.testing import MovingDot, StreamingDot
from phyrefine.types import Answer


def log(folder, word):
    """One line per call, written at once, so that it survives a kill."""
    file = os.open(Path(folder) / "calls.log", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(file, f"{word} {os.getpid()}\n".encode())
    os.close(file)


class Dying:
    """Takes its whole process with it: at one word of a prompt, once or always."""

    def __init__(self, folder: str, word: str = "never", times: int = 1, pause: float = 0.0):
        self.folder, self.word, self.times, self.pause = Path(folder), word, times, pause
        self.inner = MovingDot()
        self.profile, self.identity = self.inner.profile, self.inner.identity

    def generate(self, shot):
        log(self.folder, "begin")
        if self.word in shot.prompt.text:
            died = len(list(self.folder.glob("died-*")))
            if died < self.times:
                (self.folder / f"died-{died}").touch()
                os._exit(1)
        time.sleep(self.pause)
        return self.inner.generate(shot)


class DyingStream:
    """Dies once between two chunks."""

    def __init__(self, folder: str):
        self.folder = Path(folder)
        self.inner = StreamingDot(fail=self.fail)
        self.profile, self.identity = self.inner.profile, self.inner.identity
        self.generate, self.stream, self.deliver = (
            self.inner.generate, self.inner.stream, self.inner.deliver,
        )  # fmt: skip

    def fail(self, index):
        log(self.folder, f"chunk{index}")
        if index == 2 and not (self.folder / "died").exists():
            (self.folder / "died").touch()
            os._exit(1)


class Hungry:
    """Fits its device only in the smallest of three memory modes."""

    def __init__(self, memory: Literal["fast", "balanced", "tight"] = "fast"):
        self.memory, self.inner = memory, MovingDot()
        self.profile, self.identity = self.inner.profile, self.inner.identity

    def generate(self, shot):
        if self.memory != "tight":
            raise GeneratorMemoryError(f"too much for {self.memory}")
        return self.inner.generate(shot)


class Refusing:
    """Raises errors: one of ours, or any other."""

    def __init__(self, ours: bool = True):
        self.ours, self.inner = ours, MovingDot()
        self.profile, self.identity = self.inner.profile, self.inner.identity

    def generate(self, shot):
        if self.ours:
            raise GenerationError("the model said no")
        raise KeyError("a bug")


class SlowToLoad(MovingDot):
    """Loads until a file is there."""

    def __init__(self, folder: str):
        super().__init__()
        (Path(folder) / "begun").touch()
        while not (Path(folder) / "go").exists():
            time.sleep(0.05)


class SlowStream(StreamingDot):
    """Half a second for a clip, which is one chunk."""

    def __init__(self):
        super().__init__(chunk_frames=8)

    def stream(self, shot):
        time.sleep(0.5)
        yield from super().stream(shot)


class DiesOnArrival(MovingDot):
    """Ends every process that it is sent to."""

    def __reduce__(self):
        return os._exit, (1,)


def unloadable():
    raise FileNotFoundError("there are no weights at nowhere")


class Talker:
    """A VLM, LLM and judge in one, whose answers depend on the question alone."""

    identity = "talker"

    def ask(self, question):
        number = sum(question.text.encode()) % 5
        told = {
            "predict": {"scene": "", "domains": [], "events": [], "prediction": f"Falls, {number}."},
            "critique": {"observed": "a dot", "moving": True, "violations": [],
                         "corrected": f"It falls faster, {number}."},
            "compose": {"prompt": f"The ball falls faster, {number}.", "negative": ""},
        }  # fmt: skip
        found = told.get(question.stage)
        if found is None:
            wanted = json.dumps(question.schema or {})
            keys = [key for key in ("sa", "SA", "pc", "PC", "score") if f'"{key}"' in wanted]
            return Answer(json.dumps(dict.fromkeys(keys, 1 + number)) if keys else str(1 + number))
        return Answer(json.dumps(found))
