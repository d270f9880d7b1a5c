"""Search within a clip: wrappers around any streaming generator that make chunks anew.

Off by default; the page *Search* of the documentation says what each gained where it was measured.
"""

from phyrefine.run.search.backtracking import Backtracking
from phyrefine.run.search.chunk_search import ChunkSearch
from phyrefine.run.search.drafting import Draft, DraftCheck
from phyrefine.run.search.planted import VerifierRates, measure_verifier
from phyrefine.run.search.verifying import CriticVerifier, Look, Verifier

__all__ = [
    "Backtracking",
    "ChunkSearch",
    "CriticVerifier",
    "Draft",
    "DraftCheck",
    "Look",
    "Verifier",
    "VerifierRates",
    "measure_verifier",
]
