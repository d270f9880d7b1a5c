"""The submission card of the Verified leaderboard and what is checked on it.

Every finding names its field first, so that a card is put right in one pass.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import attrs

TERMS_VERSION = "1.0"
PUBLIC = (
    "organization",
    "model",
    "model_version",
    "input_type",
    "fps",
    "resolution",
    "bon_sampling",
    "prompt_upsampling",
    "descriptions",
    "availability",
    "model_source",
    "date",
    "generation_cost",
)
UPSAMPLING = ("upsample_gpu", "upsample_ngpu", "upsample_time")
GENERATION = ("generation_gpu", "generation_ngpu", "generation_time")
OPTIONAL = (
    "parameters",
    "bon_sampling_method",
    "bon_sampling_source",
    "prompt_upsampling_method",
    "prompt_upsampling_source",
    "templater",
    "provider",
    "tech_report",
    "comments",
)
SCORES = tuple(
    f"{name}_{part}"
    for name in ("physiq", "spatial_iou", "weighted_spatial_iou", "spatiotemporal_iou", "mse")
    for part in ("mean", "std")
)
TERMS = ("terms_version", "terms_accepted", "accepted_on_behalf_of", "accepted_at")
WARRANTIES = (
    "has_rights_to_submit",
    "no_ip_infringement",
    "permitted_by_provider_tos",
    "no_personal_data_in_content",
    "metadata_accurate",
)
_RUN_ID = re.compile(r"[a-z0-9]+__[a-z0-9.-]+__\d{4}-\d{2}-\d{2}\n?")


@attrs.frozen
class Finding:
    """One thing wrong with a submission.

    Attributes:
        about: A card field (``public_info.fps``), or kind and file (``duration:0012_x.mp4``).
        text: What is wrong and what to do.
    """

    about: str
    text: str

    def __str__(self) -> str:
        return f"{self.about}: {self.text}"


def valid_run_id(run_id: str) -> bool:
    """Whether it is ``<org>__<id>__<YYYY-MM-DD>`` as the leaderboard's check accepts it."""
    return _RUN_ID.fullmatch(run_id) is not None


def check_card(card: Mapping[str, Any]) -> list[Finding]:
    """All findings on a parsed card; empty if it passes."""
    info = section(card, "public_info")
    findings = [
        Finding(f"public_info.{name}", "is empty: fill it in")
        for name in required_public(info)
        if not _filled(info.get(name))
    ]
    scores = section(card, "reported_scores")
    findings += [
        Finding(f"reported_scores.{name}", "is empty: give percent of the Verified score")
        for name in SCORES
        if not _filled(scores.get(name))
    ]
    return findings + _check_terms(section(card, "terms")) + _check_warranties(card)


def required_public(info: Mapping[str, Any]) -> tuple[str, ...]:
    """Fields of ``public_info`` that must be filled, given the others."""
    by_api = info.get("availability") == "api"
    names: tuple[str, ...] = PUBLIC
    if info.get("prompt_upsampling") is True:
        names += ("upsample_cost",) if by_api else ("upsample_cost", *UPSAMPLING)
    return names if by_api else names + GENERATION


def whole_info(info: Mapping[str, Any]) -> dict[str, Any]:
    """``public_info`` with every field of the leaderboard's template, ``None`` where unknown."""
    names = (*PUBLIC, "upsample_cost", *UPSAMPLING, *GENERATION, *OPTIONAL)
    return {**dict.fromkeys(names), **info}


def _check_terms(terms: Mapping[str, Any]) -> list[Finding]:
    findings = []
    if terms.get("terms_version") != TERMS_VERSION:
        findings.append(Finding("terms.terms_version", f'must be the text "{TERMS_VERSION}"'))
    if terms.get("terms_accepted") is not True:
        findings.append(Finding("terms.terms_accepted", "must be true"))
    findings += [
        Finding(f"terms.{name}", "is empty: fill it in")
        for name in TERMS[2:]
        if not terms.get(name)  # here, unlike above, false and 0 count as empty
    ]
    return findings


def _check_warranties(card: Mapping[str, Any]) -> list[Finding]:
    given = section(card, "warranties")
    return [
        Finding(f"warranties.{name}", "must be true")
        for name in WARRANTIES
        if given.get(name) is not True
    ]


def section(card: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """A section of a card; empty if it is not there or is no mapping."""
    there = card.get(name)
    return there if isinstance(there, Mapping) else {}


def _filled(value: Any) -> bool:
    # 0, False and NaN count as filled in the leaderboard's check.
    return value is not None and value != ""
