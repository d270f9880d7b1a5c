"""A run: its folder, store, journal, meter and lock, opened and closed together."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import Self

from attrs import define, field

from phyrefine._atomic import write_bytes
from phyrefine.errors import InvalidInputError, RunMismatchError, StoreError
from phyrefine.protocols import Listener, Store
from phyrefine.run import results
from phyrefine.run.budget.meter import Meter
from phyrefine.run.journal import Journal, notify
from phyrefine.run.spec import Environment, Manifest, RunSpec
from phyrefine.run.store.bucket_lock import BucketLock
from phyrefine.run.store.disk import read_json, write_json, writing
from phyrefine.run.store.lock import RunLock
from phyrefine.run.store.mirrored import Bucket, MirroredStore
from phyrefine.run.store.segments import Segments
from phyrefine.run.store.store import FolderStore, MemoryStore, digest_of
from phyrefine.serialize import from_json, to_json
from phyrefine.types import JSON, Refinement, Scenario

MANIFEST = "manifest.json"
# Of all else in the manifest: without it a changed letter would read as another experiment.
DIGEST = "digest"
_WITH_ITS_STORE = (
    "choose a new folder and copy this one's store folder into it, so that nothing stored is paid "
    "for twice"
)
# No write takes this long: encoding is done before the file is begun.
LEFTOVER_SECONDS = 600.0


@define
class Run:
    """An open run; a context manager that closes itself.

    Attributes:
        folder: The run folder; ``None`` for a run that lives in memory.
        store: Where replies and clips are kept.
        meter: What has been used, and the budget.
        journal: Hears every event; ``None`` in memory.
    """

    folder: Path | None
    store: Store
    meter: Meter
    journal: Journal | None = None
    _lock: RunLock | None = field(default=None, repr=False)
    _segments: Segments | None = field(default=None, repr=False)
    _bucket_lock: BucketLock | None = field(default=None, repr=False)

    @property
    def listeners(self) -> tuple[Listener, ...]:
        """The run's own listeners."""
        # The journal first: segments are made of it.
        return tuple(one for one in (self.journal, self._segments) if one is not None)

    def save_refinement(self, refinement: Refinement) -> Path | None:
        """Write a refinement and its videos; ``None`` in memory.

        Raises:
            StoreError: The disk is full or may not be written.
        """
        if self.folder is None:
            return None
        folder = self._folder_of(refinement.scenario)
        results.write_refinement(folder, refinement, self.store)
        return folder

    def load_refinement(self, scenario: Scenario) -> Refinement | None:
        """The finished refinement of a scenario, if there is one.

        Raises:
            StoreError: It is there and damaged.
        """
        if self.folder is None or not (self._folder_of(scenario) / results.REFINEMENT).exists():
            return None
        return results.read_refinement(self._folder_of(scenario), self.store)

    def _folder_of(self, scenario: Scenario) -> Path:
        assert self.folder is not None
        return self.folder / "scenarios" / results.folder_name(scenario)

    def close(self) -> None:
        """Close the journal and give the lock back."""
        notify(self.listeners, "closed", {"usage": self.meter.usage, "earlier": self.meter.earlier})
        if self.journal is not None:
            self.journal.close()
        if self._bucket_lock is not None:
            self._bucket_lock.release()
        if self._lock is not None:
            self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_run(
    run_dir: str | Path | None,
    spec: RunSpec,
    *,
    meter: Meter | None = None,
    store: Store | str | None = None,
    part: str | None = None,
) -> Run:
    """Create a run folder, or open it again to finish its work.

    Args:
        run_dir: The folder; ``None`` keeps everything in memory.
        spec: What is asked. Opening a folder with another spec is refused.
        meter: Counts usage against a budget; by default without limits.
        store: Another store than the folder's own, or than a fresh one in memory; an address such
            as ``s3://bucket/run`` keeps the folder's there as well.
        part: Name of this process's share when several work in one folder (``"1-of-4"``); each
            share has its own lock and journal, the store is common.

    Raises:
        RunLockedError: Another process is using it, or its copy in the object store.
        RunMismatchError: It belongs to another experiment, or is no run folder.
        StoreError: It cannot be read or written.
    """
    meter = meter or Meter()
    if run_dir is None:
        if isinstance(store, str):
            raise InvalidInputError(f"{store} keeps a run folder as well: pass run_dir too.")
        return Run(None, store or MemoryStore(), meter)
    if part is not None and not part.replace("-", "").isalnum():
        raise InvalidInputError(f"part is letters, digits and dashes, not {part!r}.")
    folder = Path(run_dir).resolve()
    with writing(folder):
        _refuse_foreign(folder)
    bucket = Bucket.at(store) if isinstance(store, str) else None
    ending = "" if part is None else f"-{part}"
    lock = RunLock(folder / f"run{ending}.lock").acquire()
    there = None
    try:
        there = None if bucket is None else BucketLock(bucket, part).acquire()
        _settle(folder, spec, bucket)
        alone = part is None and not any(folder.glob("run-*.lock"))
        _sweep(folder, 0.0 if alone else LEFTOVER_SECONDS)
        journal = Journal(folder / f"events{ending}.jsonl")
        journal.on_event("opened", {"spec": spec, "environment": Environment.here()})
        own = FolderStore(folder / "store")
        if bucket is None:
            assert not isinstance(store, str)
            return Run(folder, store or own, meter, journal, lock)
        segments = Segments(journal.path, bucket)
        return Run(folder, MirroredStore(own, bucket), meter, journal, lock, segments, there)
    except BaseException:
        if there is not None:
            there.release()
        lock.release()
        raise


def read_manifest(run_dir: str | Path) -> Manifest:
    """The manifest of a run folder, without opening the run.

    Raises:
        StoreError: There is none, or it is damaged.
    """
    path = Path(run_dir) / MANIFEST
    try:
        value = read_json(path)
        if value is None:
            raise StoreError(f"{path.parent} is no run folder: it has no {MANIFEST}.")
        _refuse_damaged(value)
        return from_json(value, Manifest)
    except (InvalidInputError, ValueError) as error:
        raise StoreError(
            f"{path} is damaged or from another version: {str(error).rstrip('.')}. Put it back "
            f"from a copy; or {_WITH_ITS_STORE}."
        ) from error


def _refuse_damaged(value: JSON) -> None:
    """Take the digest out of a manifest's JSON and compare; older ones have none."""
    if not isinstance(value, dict):
        raise ValueError("it holds no JSON object")  # noqa: TRY004 - of the file, not of a caller
    digest = value.pop(DIGEST, None)
    if digest is not None and digest != digest_of(value):
        raise ValueError("its content does not match its digest")


def _settle(folder: Path, spec: RunSpec, bucket: Bucket | None) -> None:
    """Write the manifest of a new run, or compare with that of an old one."""
    if bucket is not None:
        _settle_there(folder, bucket)
    if not (folder / MANIFEST).exists():
        value = to_json(Manifest.new(spec))
        write_json(folder / MANIFEST, {**value, DIGEST: digest_of(value)})
        if bucket is not None:
            bucket.write(MANIFEST, (folder / MANIFEST).read_bytes())
        return
    differences = spec.differences(read_manifest(folder).spec)
    if differences:
        raise RunMismatchError(
            f"{folder} belongs to another experiment: {'; '.join(differences)}. Ask for the same "
            "again, or choose another run folder."
        )


def _settle_there(folder: Path, bucket: Bucket) -> None:
    """The manifest in the object store counts, whichever machine wrote it."""
    there = bucket.read(MANIFEST)
    if there is not None:
        write_bytes(folder / MANIFEST, there)
    elif (folder / MANIFEST).exists():
        bucket.write(MANIFEST, (folder / MANIFEST).read_bytes())


def _sweep(folder: Path, older: float) -> None:
    """Remove files that killed processes were writing and left ``older`` seconds ago.

    Where several shares work in one folder, fresh ones may belong to another share.
    """
    now = time.time()
    for left in folder.rglob(".*.part*"):
        with writing(left), contextlib.suppress(FileNotFoundError):
            if now - left.stat().st_mtime >= older:
                left.unlink()


def _refuse_foreign(folder: Path) -> None:
    if folder.is_file():
        raise RunMismatchError(f"{folder} is a file: choose another run folder.")
    if not folder.exists() or (folder / MANIFEST).exists():
        return
    ours = ("run.", "run-", "events", ".run", ".manifest")  # what a kill before the manifest leaves
    foreign = sorted(item.name for item in folder.iterdir() if not item.name.startswith(ours))
    if {"store", "scenarios"} & set(foreign):
        raise RunMismatchError(
            f"{folder} looks like a run folder whose {MANIFEST} is lost. Put it back from a copy; "
            f"or {_WITH_ITS_STORE}."
        )
    if foreign:
        raise RunMismatchError(
            f"{folder} holds other things ({', '.join(foreign[:3])}) and no {MANIFEST}: choose an "
            "empty or a new folder."
        )
