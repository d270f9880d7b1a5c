"""The three stages of a loop, each a question and the reading of its reply.

=====================  =======================================================
paper (Fig. 1)         here
=====================  =======================================================
P0 = VLM(K, I, V0, D)  :func:`predict`
p = LLM(P)             :func:`compose`
P(t+1) = VLM(K, Vt)    :func:`critique`
=====================  =======================================================
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path

from attrs import evolve, field, frozen

from phyrefine.errors import BadOutputError
from phyrefine.protocols import LLM, VLM
from phyrefine.refine import composing, prompts, replies
from phyrefine.refine.asking import UNUSABLE, ask
from phyrefine.refine.dialects import wording
from phyrefine.refine.planning import editing
from phyrefine.refine.planning.measuring import with_motion
from phyrefine.refine.violations import track
from phyrefine.types import (
    Critique,
    GeneratorProfile,
    Plan,
    Prediction,
    Prompt,
    Question,
    Scenario,
    Violation,
)
from phyrefine.video.clip import Clip, join
from phyrefine.video.motion import is_still, seam_motion

# With less context than this a model cannot know how fast things move (seconds).
FEW_CONTEXT_SECONDS = 0.3


def _readable(_: object, __: object, value: str | Path | None) -> None:
    prompts.read_knowledge(value)


def _folder(_: object, __: object, value: str | Path | None) -> None:
    prompts.check_folder(value)


@frozen
class Method:
    """Where the default goes beyond the paper; each a switch.

    Attributes:
        watch_prefix: The critic sees the prefix before the continuation.
        tell_description: The critic and every rewrite get D, so that the intent cannot drift.
        tell_history: The critic gets the last violations; they are tracked as fixed,
            persisting or new.
        second_look: A clean verdict is checked by an independent second look.
        state_motion: Speed and direction at the seam, measured from the prefix, are stated when
            the generator sees too few frames to know them.
        plan: Prediction and critique fill and edit a plan, and each prompt is held to it; else
            they are free text, and prompts are plain prose.
        insist: A rewrite that leaves the prompt as it was despite violations is asked for anew.
        critic_pixels: Longer side of the video the critic gets; larger ones are shrunk.
        criticize: Ask the critic. Without it there is one loop: the first prompt's clips.
        knowledge: K of your own: the text, or the path of a Markdown file or of a folder of them.
        prompts: Folder with prompts and schemas of your own, as ``phyrefine prompts --copy DIR``
            writes it; files that are not there are the package's.
    """

    watch_prefix: bool = True
    tell_description: bool = True
    tell_history: bool = True
    second_look: bool = True
    state_motion: bool = True
    plan: bool = True
    insist: bool = True
    critic_pixels: int = 768
    criticize: bool = True
    knowledge: str | Path | None = field(default=None, validator=_readable, kw_only=True)
    prompts: str | Path | None = field(default=None, validator=_folder, kw_only=True)


PAPER = Method(
    watch_prefix=False,
    tell_description=False,
    tell_history=False,
    second_look=False,
    state_motion=False,
    plan=False,
    insist=False,
)


# -- step 1 ------------------------------------------------------------------------------------


@prompts.by_method
def predict(vlm: VLM, scenario: Scenario, method: Method) -> Prediction:
    """P0 = VLM(K, I, V0, D): what physics will do, in detail."""
    instruction = prompts.render("predict", knowledge=prompts.knowledge())
    prefix = scenario.prefix
    if prefix is None:
        text = prompts.render(
            "predict_text_question", seconds=scenario.seconds, description=scenario.description
        )
        clips: tuple[Clip, ...] = ()
    else:
        text = prompts.render(
            "predict_question",
            prefix_seconds=prefix.duration,
            still=len(prefix) == 1,
            seconds=scenario.seconds,
            description=scenario.description,
            motion="",
        )
        clips = (_shrink(prefix, method.critic_pixels),)
    question = Question(
        "predict", text, instruction, clips, ("prefix",) * len(clips),
        schema=prompts.schema("predict_plan" if method.plan else "predict"),
    )  # fmt: skip
    if not method.plan:
        return ask(vlm, question, replies.read_prediction)
    seam = prefix.duration if prefix is not None else 0.0
    found = ask(
        vlm,
        question,
        functools.partial(replies.read_planned, seam=seam, description=scenario.description),
    )
    if found.plan is None or not method.state_motion:
        return found
    return evolve(found, plan=with_motion(found.plan, prefix))


# -- the rewrite -------------------------------------------------------------------------------


@prompts.by_method
def compose(
    llm: LLM,
    source: Prediction | Critique,
    scenario: Scenario,
    profile: GeneratorProfile,
    method: Method,
    *,
    previous: Prompt | None = None,
    count_tokens: wording.CountTokens | None = None,
) -> Prompt:
    """Rewrite, p = LLM(P): a concise prompt in the generator's dialect.

    With a plan the prompt is held to it, see :mod:`phyrefine.refine.composing`. Without one, a
    refused, empty or unreadable rewrite keeps ``previous`` (or the plain description),
    with a note that says so.
    """
    count = count_tokens or wording.token_counter(None)
    if method.plan and source.plan is not None:
        task = composing.Task(
            source.plan,
            scenario,
            profile,
            count,
            needs_motion=method.state_motion and needs_motion(scenario, profile),
            violations=source.violations if isinstance(source, Critique) else (),
            previous=previous,
        )
        return composing.compose(llm, task, insist=method.insist)
    write = functools.partial(
        _write, llm, source, scenario, profile, method, previous=previous, count=count
    )
    try:
        prompt = write()
        stuck = previous is not None and prompt.text == previous.text
        if method.insist and stuck and isinstance(source, Critique) and source.violations:
            prompt = write(insist=True)
    except UNUSABLE as error:
        kept = previous or Prompt(scenario.description)
        return evolve(kept, notes=(f"kept the prompt: the rewrite failed ({error})",))
    return prompt


def _write(
    llm: LLM,
    source: Prediction | Critique,
    scenario: Scenario,
    profile: GeneratorProfile,
    method: Method,
    *,
    previous: Prompt | None,
    count: wording.CountTokens,
    insist: bool = False,
) -> Prompt:
    question = Question(
        "compose",
        _compose_text(source, scenario, profile, method, previous=previous, insist=insist),
        prompts.render("compose"),
        schema=prompts.schema("compose"),
        sample=1 if insist else 0,
    )

    def read(text: str) -> tuple[str, str]:
        prompt, negative = replies.read_prompt(text)
        prompt = wording.tidy(prompt, "prose")
        if found := wording.problems(prompt, profile, count):
            raise BadOutputError(" ".join(found), raw=prompt)
        return prompt, negative

    notes: tuple[str, ...] = ()
    try:
        text, negative = ask(llm, question, read)
    except BadOutputError as error:
        if not error.raw.strip():
            raise
        # The repair round is spent: make the last answer usable by cutting.
        text, notes = wording.force(error.raw, profile, count)
        negative = ""
        if wording.problems(text, profile, count):
            raise
    return Prompt(text, negative or None if profile.negative_prompt else None, notes)


def _compose_text(
    source: Prediction | Critique,
    scenario: Scenario,
    profile: GeneratorProfile,
    method: Method,
    *,
    previous: Prompt | None,
    insist: bool,
) -> str:
    shared = {
        "seconds": scenario.seconds,
        "physics_text": source.text,
        "style": "prose",
        "limit": wording.word_limit(profile),
    }
    if not method.tell_description:
        return prompts.render("compose_paper_question", **shared)
    violations = source.violations if isinstance(source, Critique) else ()
    return prompts.render(
        "compose_question",
        description=scenario.description,
        violations=violations,
        motion=motion_at_seam(scenario, profile) if method.state_motion else "",
        previous_prompt=previous.text if previous is not None else "",
        insist=insist,
        negative=profile.negative_prompt,
        **shared,
    )


def needs_motion(scenario: Scenario, profile: GeneratorProfile) -> bool:
    """Whether the generator sees too little of the prefix to know how things move."""
    if scenario.prefix is None or profile.context_frames is None:
        return False
    return profile.context_frames / (profile.fps or scenario.fps) < FEW_CONTEXT_SECONDS


def motion_at_seam(scenario: Scenario, profile: GeneratorProfile) -> str:
    """Sentences on how things move when the new part begins; empty if the generator sees it."""
    if scenario.prefix is None or not needs_motion(scenario, profile):
        return ""
    return " ".join(motion.in_words() for motion in seam_motion(scenario.prefix))


# -- step 2 ------------------------------------------------------------------------------------


@prompts.by_method
def critique(
    vlm: VLM,
    clip: Clip,
    scenario: Scenario,
    method: Method,
    *,
    earlier: Sequence[Violation] = (),
    plan: Plan | None = None,
) -> Critique | None:
    """P(t+1) = VLM(K, Vt): what breaks physics, and the corrected description.

    ``None`` when the VLM said nothing usable: the step fails, not the run.
    """
    told = plan.timed(scenario.seconds) if plan is not None and method.plan else None
    look = functools.partial(_look, vlm, clip, scenario, method, earlier=earlier, plan=told)
    try:
        seen = look()
    except UNUSABLE:
        return None
    looks = 1
    notes: tuple[str, ...] = ()
    if not seen.violations and method.second_look:
        try:
            again = look(second=True)
            seen, looks = (again if again.violations else seen), 2
        except UNUSABLE as error:
            notes = (f"the second look failed ({error})",)
    now, fixed = track(seen.violations, earlier) if method.tell_history else (seen.violations, ())
    still = is_still(clip.as_made) and not (scenario.prefix and is_still(scenario.prefix))
    edited, changes = _edited(seen, scenario, method, plan)
    return Critique(seen.corrected, now, fixed, looks, still, notes, edited, changes)


def _edited(
    seen: replies.Seen, scenario: Scenario, method: Method, plan: Plan | None
) -> tuple[Plan | None, tuple[str, ...]]:
    """The plan with the critic's edits; from its corrected description where it gave none."""
    if not method.plan:
        return None, ()
    if plan is not None and (seen.edits or (seen.edits is not None and not seen.violations)):
        return editing.apply(plan, seen.edits, seen.violations)
    if plan is not None and not seen.violations:
        return plan, ()
    base = plan if plan is not None else Plan(scenario.description)
    return editing.from_text(base, seen.corrected, seen.violations)


def _look(
    vlm: VLM,
    clip: Clip,
    scenario: Scenario,
    method: Method,
    *,
    earlier: Sequence[Violation],
    plan: Plan | None,
    second: bool = False,
) -> replies.Seen:
    shown, seam = critic_view(clip, scenario.prefix if method.watch_prefix else None,
                              method.critic_pixels)  # fmt: skip
    text = prompts.render(
        "critique_question",
        seam=seam,
        total=shown.duration,
        description=scenario.description if method.tell_description else "",
        violations=earlier if method.tell_history and not second else (),
        plan=plan.events if plan is not None else (),
        second_look=second,
    )
    domains = prompts.DOMAINS[::-1] if second else prompts.DOMAINS
    question = Question(
        "critique", text, prompts.render("critique", knowledge=prompts.knowledge(domains)),
        (shown,), ("video",), seam=seam,
        schema=prompts.schema("critique_plan" if plan is not None else "critique"),
        sample=1 if second else 0,
    )  # fmt: skip
    return ask(vlm, question, functools.partial(replies.read_critique, seam=seam or 0.0))


def critic_view(clip: Clip, prefix: Clip | None, pixels: int) -> tuple[Clip, float | None]:
    """The video a critic watches, and the second at which the made part begins.

    Args:
        clip: A continuation; its native frames are shown.
        prefix: V0, put before it at the same rate and size; ``None`` shows the continuation only.
        pixels: Longer side; larger videos are shrunk.
    """
    made = _shrink(clip.as_made, pixels)
    if prefix is None:
        return made, None
    fitting = prefix if prefix.size == made.size else prefix.resize(*made.size, keep=True)
    before = fitting.resample(made.fps)
    return join((before, made)), before.duration


def _shrink(clip: Clip, pixels: int) -> Clip:
    longer = max(clip.size)
    if longer <= pixels:
        return clip
    scale = pixels / longer
    return clip.resize(
        max(2, round(clip.height * scale)), max(2, round(clip.width * scale)), mode="stretch"
    )
