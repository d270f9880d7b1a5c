"""Durability: finished work is kept, and no one pays for it twice."""

from phyrefine.run.budget.meter import Meter
from phyrefine.run.budget.prices import PriceTable
from phyrefine.run.fallback import WithFallback
from phyrefine.run.journal import Journal
from phyrefine.run.many import Outcome, RunInterrupted, run_many, shard
from phyrefine.run.replay import replay
from phyrefine.run.results import read_refinement, refinement_folders
from phyrefine.run.runner import Run, open_run, read_manifest
from phyrefine.run.spec import Manifest, RunSpec, as_settings
from phyrefine.run.store.store import FolderStore, MemoryStore
from phyrefine.run.wrappers import wrap_asker, wrap_generator

__all__ = [
    "FolderStore",
    "Journal",
    "Manifest",
    "MemoryStore",
    "Meter",
    "Outcome",
    "PriceTable",
    "Run",
    "RunInterrupted",
    "RunSpec",
    "WithFallback",
    "as_settings",
    "open_run",
    "read_manifest",
    "read_refinement",
    "refinement_folders",
    "replay",
    "run_many",
    "shard",
    "wrap_asker",
    "wrap_generator",
]
