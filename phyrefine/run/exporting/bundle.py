"""One zip file of a run, a benchmark or a sweep, with checksums, for others to look at."""

from __future__ import annotations

import hashlib
import json
import re
import zipfile
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

from attrs import frozen

from phyrefine._atomic import written_aside
from phyrefine._secrets import scrub
from phyrefine.errors import InvalidInputError, StoreError
from phyrefine.run.following.follower import kind_of

MANIFEST, SUMS = "MANIFEST.json", "SHA256SUMS"
# Only what phyrefine writes goes into a bundle: a run folder may hold other things of its owner's.
_OURS = re.compile(
    r"(?:[^/]+/){0,2}(?:"
    r"manifest\.json|bench\.json|sweep\.json|recipe\.toml|events[-\w]*\.jsonl"
    r"|table\.(?:csv|json|txt|svg)|loops\.svg|true_scores\.json|report\.html|index\.html|result\.mp4"
    r"|samples/[^/]+\.json|videos/[^/]+/[^/]+\.mp4"
    r"|scenarios/[^/]+/(?:refinement\.json|usage\.json|report\.html|videos/[^/]+\.(?:mp4|json))"
    r")"
)
_STORE = re.compile(r"(?:[^/]+/){0,2}store/(?:replies|clips)/\w\w/[^/]+\.(?:json|mkv)")
_TEXT = frozenset({".json", ".jsonl", ".csv", ".txt", ".svg", ".html", ".toml"})
_QUIET = re.compile(
    r"(?:.*/)?(?:[^/]+\.lock(?:\.holder\.json)?|tracking-\w+\.json)|(?:.*/)?store/.*"
)
# Zip files know no earlier time; one time for all makes equal content equal bytes.
_TIME = (1980, 1, 1, 0, 0, 0)


@frozen
class Bundle:
    """What was written.

    Attributes:
        path: The zip file.
        files: Files in it, checksums left out.
        left_out: Files of the folder that phyrefine did not write, or could not give away.
    """

    path: Path
    files: int
    left_out: tuple[str, ...]


def write_bundle(folder: Path, path: Path, *, store: bool = False) -> Bundle:
    """Write a zip file of what phyrefine wrote in a folder, without secrets.

    ``MANIFEST.json`` lists every file with its bytes and SHA-256; ``SHA256SUMS`` is the same for
    ``sha256sum --check``. Equal content gives equal bytes.

    Args:
        folder: Of a run, a benchmark or a sweep.
        path: The file; written aside and renamed.
        store: Also every reply and lossless clip, so that the run can go on from the bundle.

    Raises:
        StoreError: The folder holds nothing of ours.
        InvalidInputError: ``path`` is a folder.
    """
    kind, _ = kind_of(folder)
    if path.is_dir():
        raise InvalidInputError(f"{path} is a folder: name the zip file to write.")
    names, left_out = _chosen(folder, path, store=store)
    top = folder.resolve().name
    entries: dict[str, dict[str, object]] = {}
    with written_aside(path) as aside, zipfile.ZipFile(aside, "w") as bundle:
        for name in names:
            data = _content(folder / name)
            if data is None:
                left_out.append(name)
                continue
            digest = hashlib.sha256(data).hexdigest()
            entries[name] = {"path": name, "bytes": len(data), "sha256": digest}
            _add(bundle, f"{top}/{name}", data)
        listed = {
            "made_by": f"phyrefine {version('phyrefine')}",
            "kind": kind,
            "store": store,
            "files": list(entries.values()),
        }
        _add(bundle, f"{top}/{MANIFEST}", (json.dumps(listed, indent=1) + "\n").encode())
        sums = "".join(f"{entry['sha256']}  {name}\n" for name, entry in entries.items())
        _add(bundle, f"{top}/{SUMS}", sums.encode())
    return Bundle(path, len(entries), tuple(left_out))


def _chosen(folder: Path, path: Path, *, store: bool) -> tuple[list[str], list[str]]:
    """Names of what goes in, and of what is no file of ours."""
    names, left_out = [], []
    for name in sorted(_files(folder)):
        if (folder / name).resolve() == path.resolve():
            continue
        if _OURS.fullmatch(name) or (store and _STORE.fullmatch(name)):
            names.append(name)
        elif not _QUIET.fullmatch(name):
            left_out.append(name)
    if not names:
        raise StoreError(f"{folder} holds nothing to export.")
    return names, left_out


def _files(folder: Path) -> Iterator[str]:
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink() and not path.name.startswith("."):
            yield path.relative_to(folder).as_posix()


def _content(path: Path) -> bytes | None:
    """A file without secrets; ``None`` for an entry of the store that would not be whole then."""
    data = path.read_bytes()
    if path.suffix not in _TEXT:
        return data
    text = data.decode("utf-8", "surrogateescape")
    clean = scrub(text).encode("utf-8", "surrogateescape")
    return None if clean != data and "store" in path.parts[-4:-2] else clean


def _add(bundle: zipfile.ZipFile, name: str, data: bytes) -> None:
    entry = zipfile.ZipInfo(name, _TIME)
    text = Path(name).suffix in _TEXT or Path(name).name == SUMS
    entry.compress_type = zipfile.ZIP_DEFLATED if text else zipfile.ZIP_STORED
    entry.external_attr = 0o644 << 16
    bundle.writestr(entry, data)
