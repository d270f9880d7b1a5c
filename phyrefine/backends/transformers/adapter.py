"""Models of transformers in this process, as critic and as rewriter: ``transformers:PATH``.

Nothing leaves the machine. Frames go in as images, so no video decoder and no torchvision is
needed.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Sequence
from typing import Any

from attrs import evolve

from phyrefine._optional import require
from phyrefine._thoughts import opens_thoughts, without_thoughts
from phyrefine.backends.calling.asking import Portable, checked
from phyrefine.backends.calling.excerpt import excerpt, tidy
from phyrefine.backends.transformers.chats import (
    Answering,
    chat_of,
    in_plain_text,
    video_kwargs,
    without_system,
)
from phyrefine.backends.transformers.loading import (
    FEATURE,
    Loaded,
    Source,
    load_llm,
    load_vlm,
)
from phyrefine.errors import (
    BackendError,
    ContextTooLongError,
    InvalidInputError,
    PhyrefineError,
    TruncatedError,
)
from phyrefine.registry import Backend
from phyrefine.types import Answer, Question, Usage

logger = logging.getLogger(__name__)

PROVIDER = "transformers"
# Randomness of repeated looks, when none is asked for: the first look is always greedy.
SECOND_LOOK_TEMPERATURE = 0.7
# Enough of a prompt's end to see a tag that opens thoughts.
TAIL_TOKENS = 24


class TransformersVLM(Portable):
    """A local vision-language model. Another process loads it anew.

    Args:
        path: Hub id or folder.
        revision: Branch, tag or commit on the hub.
        dtype: ``"auto"`` or a torch dtype's name.
        device: ``"cpu"``, ``"cuda:1"``; a GPU if there is one by default.
        device_map: accelerate's placement instead of ``device``.
        quantization: ``"8bit"``, ``"4bit"`` or a quantization config.
        attn_implementation: As transformers takes it.
        **answering: See :class:`Answering`.

    Raises:
        ModelNotFoundError: Nothing usable at ``path``.
        InvalidInputError: An option out of range, or ``video="native"`` where it cannot work.
        MissingDependencyError: transformers is missing, or torchvision is there but broken.
    """

    billed = False
    _takes_clips = True

    def __init__(
        self,
        path: str | None = None,
        *,
        revision: str | None = None,
        dtype: str = "auto",
        device: str | None = None,
        device_map: Any = None,
        quantization: Any = None,
        attn_implementation: str | None = None,
        **answering: Any,
    ) -> None:
        if not path:
            raise InvalidInputError(
                "Name a model: transformers:PATH, with a hub id, a folder or a .gguf file."
            )
        self._answering: Answering = checked(Answering, **answering)
        self._source = Source.of(
            path, revision=revision, dtype=dtype, device=device, device_map=device_map,
            quantization=quantization, attn_implementation=attn_implementation,
        )  # fmt: skip
        self._loaded = self._load()
        self._lock = threading.Lock()
        if self._answering.video == "native" and self._loaded.images_only:
            raise InvalidInputError(
                f"The processor of {path} takes no video here. Use video='frames', or install the "
                "torchvision build that matches torch."
            )

    def _load(self) -> Loaded:
        return load_vlm(self._source)

    @property
    def model(self) -> str:
        """Hub id, folder or GGUF file."""
        return "/".join(filter(None, (self._source.path, self._source.gguf_file)))

    @property
    def identity(self) -> str:
        """Model, revision and every setting that changes the output."""
        from attrs import asdict

        commit = getattr(self._loaded.model.config, "_commit_hash", None)
        settings = asdict(self._answering) | self._source.described | {"commit": commit}
        kept = {name: value for name, value in sorted(settings.items()) if value is not None}
        kept.pop("batch_size")
        return f"{PROVIDER}:{self.model} {json.dumps(kept, default=str)}"

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.model!r})"

    def ask(self, question: Question) -> Answer:
        """Answer one question.

        Raises:
            ContextTooLongError: It does not fit the model or the memory, even with fewer frames.
            TruncatedError: The limit cut the JSON that was asked for, twice.
            BackendError: The model failed in another way.
        """
        return self.ask_many([question])[0]

    def ask_many(self, questions: Sequence[Question]) -> list[Answer]:
        """Answer several questions, ``batch_size`` at a time; greedy ones share a batch.

        Raises:
            ContextTooLongError: See :meth:`ask`.
            TruncatedError: See :meth:`ask`.
        """
        answers: dict[int, Answer] = {}
        size = self._answering.batch_size
        greedy = [i for i, question in enumerate(questions) if not self._heat(question)]
        groups = [greedy[start : start + size] for start in range(0, len(greedy), size)]
        groups += [[i] for i, question in enumerate(questions) if self._heat(question)]
        for group in groups:
            batch = [questions[index] for index in group]
            answers |= dict(zip(group, self._whole(batch), strict=True))
        return [answers[index] for index in range(len(questions))]

    def _heat(self, question: Question) -> float:
        """Temperature for a question; 0 is greedy."""
        asked = self._answering.temperature
        return asked or (SECOND_LOOK_TEMPERATURE if question.sample else 0.0)

    # -- one batch -----------------------------------------------------------------------------

    def _whole(self, batch: list[Question]) -> list[Answer]:
        """Answers of a batch; cut JSON is asked for once more with twice the room."""
        answers = self._fitting(batch, self._answering)
        cut = [
            index
            for index, (question, answer) in enumerate(zip(batch, answers, strict=True))
            if question.schema is not None and answer.finish == "length"
        ]
        if not cut:
            return answers
        roomy = evolve(self._answering, max_tokens=2 * self._answering.max_tokens)
        again = self._fitting([batch[index] for index in cut], roomy)
        for index, answer in zip(cut, again, strict=True):
            answers[index] = evolve(answer, usage=answers[index].usage + answer.usage)
            if answer.finish == "length":
                raise TruncatedError(
                    f"The answer was cut at max_tokens={roomy.max_tokens}: raise it.",
                    partial=answer.text,
                    provider=PROVIDER,
                    model=self.model,
                    usage=answers[index].usage,
                )
        return answers

    def _fitting(self, batch: list[Question], how: Answering) -> list[Answer]:
        """Generate; when that is too much one by one, then with half the frames, once."""
        import torch

        try:
            return self._generate(batch, how)
        except (ContextTooLongError, torch.OutOfMemoryError) as error:
            if len(batch) > 1:
                logger.info("%s: %s Answering one by one.", self.model, error)
                return [self._fitting([question], how)[0] for question in batch]
            if not any(question.clips for question in batch) or not self._takes_clips:
                if isinstance(error, ContextTooLongError):
                    raise
                raise self._too_long(f"out of memory: {error}") from error
            fewer = evolve(how, fps=how.fps / 2, max_frames=max(1, how.max_frames // 2))
            logger.warning("%s: %s Trying half the frames.", self.model, error)
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        try:
            return self._generate(batch, fewer)
        except torch.OutOfMemoryError as error:
            raise self._too_long(f"out of memory: {error}") from error

    def _too_long(self, why: str) -> ContextTooLongError:
        return ContextTooLongError(
            f"The question does not fit {self.model}: {why} Lower max_frames=, side= or "
            "max_tokens=.",
            provider=PROVIDER,
            model=self.model,
        )

    def _generate(self, batch: list[Question], how: Answering) -> list[Answer]:
        import torch

        # One at a time: neither a fast tokenizer nor the device likes two threads at once.
        with self._lock:
            try:
                return self._generated(batch, how)
            except (PhyrefineError, torch.OutOfMemoryError):
                raise
            except Exception as error:
                message = f"{self.model} failed ({type(error).__name__}: {excerpt(error)})."
                raise BackendError(message, provider=PROVIDER, model=self.model) from error

    def _generated(self, batch: list[Question], how: Answering) -> list[Answer]:
        import torch

        begun = time.monotonic()
        loaded, heat = self._loaded, self._heat(batch[0])
        inputs = self._inputs(batch, how).to(loaded.model.device)
        given = int(inputs["input_ids"].shape[1])
        if loaded.longest is not None and given + how.max_tokens > loaded.longest:
            raise self._too_long(
                f"{given} tokens and {how.max_tokens} new ones exceed {loaded.longest}."
            )
        options: dict[str, Any] = {"max_new_tokens": how.max_tokens, "do_sample": heat > 0}
        if heat > 0:
            options["temperature"] = heat
        with torch.random.fork_rng(), torch.inference_mode():
            torch.manual_seed(how.seed + batch[0].sample)
            made = loaded.model.generate(**inputs, **options)[:, given:]
        seconds = (time.monotonic() - begun) / len(batch)
        counts = inputs["attention_mask"].sum(dim=1).tolist()
        ends = loaded.tokenizer.batch_decode(inputs["input_ids"][:, -TAIL_TOKENS:])
        return [
            self._answer(row, count, seconds, how, thinks=opens_thoughts(end))
            for row, count, end in zip(made, counts, ends, strict=True)
        ]

    def _answer(
        self, row: Any, given: int, seconds: float, how: Answering, *, thinks: bool
    ) -> Answer:
        ends = _end_tokens(self._loaded)
        ids = row.tolist()
        stop = next((index for index, token in enumerate(ids) if token in ends), None)
        kept = ids if stop is None else ids[:stop]
        text = self._loaded.tokenizer.decode(kept, skip_special_tokens=True)
        finish = "length" if stop is None and len(ids) >= how.max_tokens else "stop"
        tokens = {"input": int(given), "output": len(kept)}
        usage = Usage(calls=1, tokens=tokens, seconds=seconds, usd=0.0)
        if thinks:  # the opening tag stands in the template, so the text begins inside
            text = f"<think>{text}"
        return Answer(without_thoughts(tidy(text)), self.model, usage, finish)

    # -- inputs --------------------------------------------------------------------------------

    def _inputs(self, batch: list[Question], how: Answering) -> Any:
        processor, tokenizer = self._loaded.processor, self._loaded.tokenizer
        tokenizer.padding_side = "left"
        if tokenizer.pad_token is None:
            tokenizer.pad_token = tokenizer.eos_token
        chats = [chat_of(question, how, takes_clips=self._takes_clips) for question in batch]
        options: dict[str, Any] = {
            "add_generation_prompt": True, "tokenize": True, "return_dict": True,
            "return_tensors": "pt",
        }  # fmt: skip
        if self._takes_clips:
            options["processor_kwargs"] = {"padding": True, **video_kwargs(batch, how)}
        else:
            options["padding"] = True
        if getattr(processor, "chat_template", None) is None:
            return tokenizer(
                [in_plain_text(chat) for chat in chats], padding=True, return_tensors="pt"
            )
        jinja = require("jinja2", extra="transformers", feature=FEATURE)
        try:
            return processor.apply_chat_template(chats, **options)
        except jinja.TemplateError:  # templates without a system role refuse it
            folded = [without_system(chat) for chat in chats]
            return processor.apply_chat_template(folded, **options)


class TransformersLLM(TransformersVLM):
    """A local language model as the rewriter. Takes :class:`TransformersVLM`'s arguments."""

    _takes_clips = False

    def _load(self) -> Loaded:
        return load_llm(self._source)


def _end_tokens(loaded: Loaded) -> set[int]:
    ends = loaded.model.generation_config.eos_token_id
    listed = ends if isinstance(ends, list) else [ends]
    return {int(end) for end in (*listed, loaded.tokenizer.eos_token_id) if end is not None}


BACKEND = Backend(
    name="transformers",
    summary="Local vision-language and language models; nothing leaves the machine",
    extra="transformers",
    needs=("transformers", "torch", "PIL"),
    vlm=TransformersVLM,
    llm=TransformersLLM,
    options_from={"vlm": (TransformersVLM, Answering), "llm": (TransformersVLM, Answering)},
)
