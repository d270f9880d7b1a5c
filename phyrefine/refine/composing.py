"""From a plan to a prompt: a rewriter words it, a check holds it to the plan.

A rewrite that fails its check is repaired once; then, or when the rewriter refuses, the dialect's
template makes the prompt from the plan, so that no answer of a model ever costs the prompt.
"""

from __future__ import annotations

from collections.abc import Sequence

from attrs import evolve, field, frozen

from phyrefine.errors import BadOutputError
from phyrefine.protocols import LLM
from phyrefine.refine import dialects, prompts, replies
from phyrefine.refine.asking import UNUSABLE, ask
from phyrefine.refine.dialects import checking, chunks, wording
from phyrefine.refine.dialects.assembling import assemble, ranking
from phyrefine.refine.dialects.wording import CountTokens
from phyrefine.refine.planning.measuring import stated
from phyrefine.types import (
    GeneratorProfile,
    Plan,
    Prompt,
    Question,
    Scenario,
    Statement,
    Violation,
)

# Statements named in one note; more are counted.
_NAMED = 4


@frozen
class Task:
    """One prompt to be written.

    Attributes:
        plan: The whole plan; it stays with the prompt.
        scenario: For whom.
        profile: The generator's.
        count: The generator's tokenizer.
        needs_motion: The generator sees too little of the prefix to know how things move.
        violations: What the last video showed wrong.
        previous: The prompt before.
        said: What of the plan this generator is told.
        dialect: The generator's.
        spans: Its chunks.
    """

    plan: Plan
    scenario: Scenario
    profile: GeneratorProfile
    count: CountTokens
    needs_motion: bool = False
    violations: tuple[Violation, ...] = ()
    previous: Prompt | None = None
    said: Plan = field(init=False)
    dialect: dialects.Dialect = field(init=False)
    spans: tuple[chunks.Span, ...] = field(init=False)

    @said.default
    def _told(self) -> Plan:
        return stated(self.plan, needed=self.needs_motion)

    @dialect.default
    def _own_dialect(self) -> dialects.Dialect:
        return dialects.find(self.profile.dialect)

    @spans.default
    def _own_spans(self) -> tuple[chunks.Span, ...]:
        if not self.has_times:
            return ((0.0, self.scenario.seconds),)
        return dialects.borders(self.profile, self.scenario)

    @property
    def has_times(self) -> bool:
        """At least half of the events have a stated start; else to cut is to invent times."""
        stated_starts = sum(event.start is not None for event in self.plan.events)
        return 2 * stated_starts >= len(self.plan.events)

    @property
    def stamps(self) -> bool:
        """The rewriter gives spans, by which its text is cut into chunks."""
        return len(self.spans) > 1 and self.dialect.kind == "prose"

    @property
    def setting(self) -> dialects.Setting:
        """What the template must know."""
        fps = self.profile.fps or self.scenario.fps
        return dialects.Setting(self.scenario.seconds, fps, self.needs_motion)

    def assembled(self, plan: Plan) -> Prompt:
        """The prompt by the dialect's template."""
        text = assemble(plan, self.dialect, self.setting)
        if len(self.spans) == 1:
            return Prompt(text)
        return Prompt(text, chunks=chunks.assembled(plan, self.dialect, self.setting, self.spans))

    def too_long(self, prompt: Prompt) -> bool:
        """Whether a text that the generator reads breaks its limits."""
        texts = prompt.chunks or (prompt.text,)
        return any(
            checking.too_long(text, self.dialect, self.profile, self.count) for text in texts
        )


def compose(llm: LLM, task: Task, *, insist: bool = False) -> Prompt:
    """The prompt of a plan.

    Args:
        llm: The rewriter.
        task: What is to be written.
        insist: A rewrite that leaves the prompt as it was despite violations is asked for anew.
    """
    must, dropped = fitted(task)
    notes = (*_one_for_all(task), *_dropped(dropped))
    try:
        prompt = _written(llm, task, must)
        previous = task.previous
        if insist and task.violations and previous is not None and prompt.whole == previous.whole:
            prompt = _written(llm, task, must, insist=True)
    except UNUSABLE as error:
        prompt = _by_template(task, must)
        notes = (f"assembled from the plan: the rewrite failed ({error})", *notes)
    negative = _negative(prompt, task)
    return evolve(prompt, negative=negative, notes=(*prompt.notes, *notes), plan=task.plan)


def fitted(task: Task) -> tuple[Plan, tuple[Statement, ...]]:
    """What of the plan fits the generator's limits, and what was dropped for it."""
    return dialects.fit(
        task.said,
        ranking(task.said, task.dialect, needs_motion=task.needs_motion),
        lambda left: not task.too_long(task.assembled(left)),
    )


def _by_template(task: Task, must: Plan) -> Prompt:
    """Assembled; when the description alone is too long it is cut, and a note says so."""
    prompt = task.assembled(must)
    if not task.too_long(prompt) or task.dialect.kind == "json":
        return prompt
    text, notes = wording.force(prompt.text, task.profile, task.count)
    return Prompt(text, notes=notes)


def _written(llm: LLM, task: Task, must: Plan, *, insist: bool = False) -> Prompt:
    question = Question(
        "compose",
        _question(task, must, insist=insist),
        prompts.render(
            "compose_plan",
            dialect=task.dialect.instruction,
            example=task.dialect.example,
            laws=task.dialect.laws,
            stamps=task.stamps,
        ),
        schema=prompts.schema("compose"),
        sample=1 if insist else 0,
    )
    return ask(llm, question, lambda reply: _read(reply, task, must))


def _read(reply: str, task: Task, must: Plan) -> Prompt:
    text, negative = replies.read_prompt(reply)
    text = wording.tidy(text, task.dialect.kind)
    if task.dialect.kind == "prose" and not task.stamps:
        text = chunks.unstamped(text)
    found = checking.check(
        text, task.said, task.dialect, task.profile, task.count, must=must, stamps=task.stamps
    )
    prompt = Prompt(text, negative or None)
    if len(task.spans) > 1:
        # A text that is read in pieces may be longer than one piece.
        found = [problem for problem in found if problem.fault != "length"]
        prompt = _in_chunks(prompt, task, must)
        if task.too_long(prompt):
            found.append(checking.Problem("length", "A chunk's prompt is too long: be shorter."))
    if found:
        raise BadOutputError(" ".join(problem.text for problem in found), raw=text)
    return prompt


def _in_chunks(prompt: Prompt, task: Task, must: Plan) -> Prompt:
    if not task.stamps:
        return evolve(prompt, chunks=chunks.assembled(must, task.dialect, task.setting, task.spans))
    pieces = chunks.cut(prompt.text, must, task.dialect, task.spans)
    return evolve(prompt, text=chunks.unstamped(prompt.text), chunks=pieces)


def _question(task: Task, must: Plan, *, insist: bool) -> str:
    words, tokens = task.dialect.limits(task.profile)
    if tokens is not None:
        words = min(words, int(tokens / wording.TOKENS_PER_WORD))
    spans = task.stamps or task.dialect.kind == "timed"
    style = f"{task.dialect.name}, with spans" if spans else task.dialect.name
    return prompts.render(
        "compose_plan_question",
        seconds=task.scenario.seconds,
        description=must.description,
        lines=lines(must, task.dialect, task.setting),
        violations=task.violations,
        previous_prompt=task.previous.text if task.previous is not None else "",
        insist=insist,
        negative=task.profile.negative_prompt and task.dialect.negative,
        style=style,
        limit=max(1, words),
    )


def lines(plan: Plan, dialect: dialects.Dialect, setting: dialects.Setting) -> list[str]:
    """The plan as a rewriter reads it, one statement a line; events with their spans."""
    found = []
    for item in plan.timed(setting.seconds).statements():
        if item.kind == "description" or item.kind not in dialect.says:
            continue
        if item.kind == "event":
            begin, stop = item.start or 0.0, item.end or 0.0
            frames = ""
            if dialect.kind == "json":
                frames = f", frames {round(begin * setting.fps)}-{round(stop * setting.fps)}"
            found.append(f"[{begin:.1f}-{stop:.1f}{frames}] {item.text}")
        else:
            found.append(f"({item.kind}) {item.text}")
    return found


def _one_for_all(task: Task) -> tuple[str, ...]:
    if task.has_times or len(dialects.borders(task.profile, task.scenario)) == 1:
        return ()
    return ("one prompt for all chunks: the plan gives no times for most of its events",)


def _dropped(dropped: Sequence[Statement]) -> tuple[str, ...]:
    if not dropped:
        return ()
    told = "; ".join(f'"{item.text}"' for item in dropped[:_NAMED])
    more = f" and {len(dropped) - _NAMED} more" if len(dropped) > _NAMED else ""
    return (f"left out for lack of room: {told}{more}",)


def _negative(prompt: Prompt, task: Task) -> str | None:
    """What to avoid, where it acts: the rewriter's list, else what was seen wrong."""
    if not (task.profile.negative_prompt and task.dialect.negative):
        return None
    return prompt.negative or "; ".join(text.strip(" .") for text in task.plan.avoid) or None
