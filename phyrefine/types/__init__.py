"""The values that travel between the parts. All frozen; JSON through ``phyrefine.serialize``.

Symbols are the paper's (arXiv 2511.20280): V0 prefix video, D description, P a detailed physics
text, p a prompt, V a generated continuation. Times inside a critique are seconds of the
continuation: 0 is the seam, where the prefix ends.
"""

from phyrefine.types.aliases import JSON, Stage
from phyrefine.types.plan import Plan, PlanEvent, PlanObject, Statement
from phyrefine.types.pool import Entry, Pool, PoolScores
from phyrefine.types.results import Attempt, Candidate, Choice, Pick, Refinement, Verdict, pick_key
from phyrefine.types.scenario import Budget, Candidates, Mode, Scenario
from phyrefine.types.search import SearchRecord, SearchTry
from phyrefine.types.shots import Chunk, FrameGrid, GeneratorProfile, Shot
from phyrefine.types.talk import Answer, Question, Usage
from phyrefine.types.texts import Critique, Origin, Prediction, Prompt, Status, Violation
from phyrefine.video.seam import SeamReport

__all__ = [
    "JSON",
    "Answer",
    "Attempt",
    "Budget",
    "Candidate",
    "Candidates",
    "Choice",
    "Chunk",
    "Critique",
    "Entry",
    "FrameGrid",
    "GeneratorProfile",
    "Mode",
    "Origin",
    "Pick",
    "Plan",
    "PlanEvent",
    "PlanObject",
    "Pool",
    "PoolScores",
    "Prediction",
    "Prompt",
    "Question",
    "Refinement",
    "Scenario",
    "SeamReport",
    "SearchRecord",
    "SearchTry",
    "Shot",
    "Stage",
    "Statement",
    "Status",
    "Usage",
    "Verdict",
    "Violation",
    "pick_key",
]
