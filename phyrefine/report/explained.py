"""What the words and numbers of a page mean, for its legend and on hover."""

from __future__ import annotations

from collections.abc import Mapping

EXPLAINED: Mapping[str, str] = {
    "prefix": "What the models were given. From 0 s on, where the continuation begins, it stands "
    "on its last frame.",
    "violations": "Breaks of physics that the critic, a vision-language model, found in the clip.",
    "violations, before and after": "Violations in the first attempt, made from the plain "
    "description, and in the chosen one.",
    "violations at first": "Violations in the first attempt's clip, mean over the runs that were "
    "judged.",
    "in the chosen clip": "Violations in the chosen clip, mean over the same runs.",
    "runs": "Scenarios that were refined.",
    "attempts": "Clips or groups of clips made, one for each prompt, the plain description's "
    "included; mean over runs.",
    "stopped by": "What ended the loop, and how often.",
    "new": "Violations that the loop before did not have.",
    "persisting": "Violations that the loop before had too.",
    "fixed": "Violations of the loop before that are gone.",
    "severity": "Weighted severity: each violation's severity (0 to 1) times the critic's "
    "confidence (0 to 1), added up. 0 is best.",
    "looks": "Independent looks of the critic. A clean verdict counts from two on.",
    "seam": "Whether the clip continues the prefix: no frame repeated or left out, and no jump.",
    "motion change": "Motion right after the seam over motion right before it; ×1 is unchanged.",
    "score": "What the ensemble that chose the clip gave it; higher is better. A judge's scores "
    "go from 0 to 10; combined rules give ranks.",
    "best score": "The highest score of the attempt's clips.",
    "true score": "Score against what really happened, 0 to 100. No part of the loop saw it.",
    "controls": "Clips that picks without a rule would take, as loop.candidate: at random, at "
    "random among clips that move enough, the most and the least moving one. "
    "A rule must beat them.",
    "chosen": "The ensemble's answer.",
    "prompt words": "Words of the prompt that the video model read.",
    "same_prompt": "The rewritten prompt is the one before: nothing is left to change.",
    "near_prompt": "The rewritten prompt says the same in other words (cue overlap: the share of "
    "content words in common; unmatched: content words that only one of them has).",
    "clean": "The critic found nothing in enough independent looks.",
    "patience": "A score other than the critic has not become better for some loops.",
    "cycle": "The rewritten prompt is that of an earlier loop.",
    "bloat": "Prompts grow while nothing gets fixed.",
    "loop_limit": "The greatest number of loops was reached.",
    "budget": "The limit on dollars, tokens, time or clips was reached.",
    "unusable_replies": "A model's replies could not be used, so the prompt stayed the same.",
    "max_loops": "The greatest number of loops.",
    "any_of": "Several rules; the first that says stop ends the loop.",
    "all_of": "Several rules; all must say stop.",
    "calls": "Calls of the models.",
    "from the store": "Calls answered from what was kept, at no cost.",
    "in backends": "Time inside the models, waiting for services included.",
    "generating video": "The part of it that made videos.",
    "tokens": "Tokens that the VLM and the LLM read and wrote, as they count them.",
    "cost": "US dollars, from the prices that are known; unknown where they are not.",
}


def explained(name: str) -> str:
    """What a word of the page means; empty for others."""
    return EXPLAINED.get(str(name), "")
