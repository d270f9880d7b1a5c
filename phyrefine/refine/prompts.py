"""The prompt assets: templates, reply schemas and the physics knowledge base K.

Within :func:`using` a folder of the user's own stands before the package's: a file there replaces
the one of the same name, and the others stay.
"""

from __future__ import annotations

import contextlib
import contextvars
import functools
import hashlib
import json
import re
from collections.abc import Callable, Iterator, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import jinja2
from attrs import frozen

from phyrefine._closest import did_you_mean
from phyrefine.errors import InvalidInputError

DOMAINS = (
    "solid mechanics",
    "fluid dynamics",
    "optics",
    "thermodynamics",
    "magnetism",
)
_FOLDER = files("phyrefine.refine") / "prompts"


ENDINGS = (".jinja", ".json", ".md")
PHYSICS = "physics"
P = ParamSpec("P")
T = TypeVar("T")


@frozen
class Own:
    """The user's own assets.

    Attributes:
        folder: Stands before the package's; ``None`` for the package's alone.
        knowledge: K as text; ``None`` for the files of the physics domains.
    """

    folder: Path | None = None
    knowledge: str | None = None


PACKAGED = Own()
_own: contextvars.ContextVar[Own] = contextvars.ContextVar("own_prompts", default=PACKAGED)


@contextlib.contextmanager
def using(folder: str | Path | None = None, knowledge: str | Path | None = None) -> Iterator[None]:
    """Within the block, in this thread, these assets are used.

    Args:
        folder: Files as :func:`copy` writes them; those that are not there are the package's.
        knowledge: K itself, or the file or folder of Markdown files that holds it.

    Raises:
        InvalidInputError: See :func:`check_folder` and :func:`read_knowledge`.
    """
    if folder is None and knowledge is None:
        yield
        return
    token = _own.set(Own(check_folder(folder), read_knowledge(knowledge)))
    try:
        yield
    finally:
        _own.reset(token)


def by_method(stage: Callable[P, T]) -> Callable[P, T]:
    """A stage that uses the assets of the method among its arguments."""

    @functools.wraps(stage)
    def asked(*args: P.args, **kwargs: P.kwargs) -> T:
        given = next((one for one in (*args, *kwargs.values()) if hasattr(one, "knowledge")), None)
        with using(getattr(given, "prompts", None), getattr(given, "knowledge", None)):
            return stage(*args, **kwargs)

    return asked


@functools.cache
def names() -> tuple[str, ...]:
    """Paths of all assets below the folder of prompts, sorted."""
    found = [item.name for item in _FOLDER.iterdir() if item.name.endswith(ENDINGS)]
    found += [f"{PHYSICS}/{item.name}" for item in (_FOLDER / PHYSICS).iterdir()
              if item.name.endswith(ENDINGS)]  # fmt: skip
    return tuple(sorted(found))


def check_folder(folder: str | Path | None) -> Path | None:
    """A folder of the user's own assets.

    Raises:
        InvalidInputError: It is not there, or holds a file that replaces nothing.
    """
    if folder is None:
        return None
    path = Path(folder)
    if not path.is_dir():
        raise InvalidInputError(
            f"There is no folder of prompts {str(path)!r}. Make one: phyrefine prompts --copy DIR."
        )
    for item in sorted(path.rglob("*")):
        name = item.relative_to(path).as_posix()
        if item.is_file() and not item.name.startswith(".") and name not in names():
            hint = did_you_mean(name, names())
            raise InvalidInputError(f"{item} replaces no prompt of phyrefine.{hint}")
    return path


def read_knowledge(knowledge: str | Path | None) -> str | None:
    """K from a text, a file, or a folder of Markdown files in name order.

    Raises:
        InvalidInputError: The file is not there, or there is no text in it.
    """
    if knowledge is None:
        return None
    path = Path(knowledge) if isinstance(knowledge, Path) or _looks_like_a_path(knowledge) else None
    if path is None:
        text = str(knowledge)
    elif path.is_dir():
        text = "\n\n".join(file.read_text("utf-8").strip() for file in sorted(path.glob("*.md")))
    elif path.is_file():
        text = path.read_text("utf-8")
    else:
        raise InvalidInputError(f"There is no file of knowledge {str(path)!r}.")
    if not text.strip():
        raise InvalidInputError(f"The knowledge {str(knowledge)!r} holds no text.")
    return text.strip()


def _looks_like_a_path(text: str) -> bool:
    return "\n" not in text and len(text) < 400 and (text.endswith(".md") or Path(text).exists())


def copy(folder: str | Path) -> list[Path]:
    """Copy every asset into a folder, to be edited; files that are there stay as they are.

    Returns:
        The files written.
    """
    written = []
    for name in names():
        path = Path(folder) / name
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text((_FOLDER / name).read_text("utf-8"), "utf-8")
            written.append(path)
    return written


def _text(name: str) -> str:
    folder = _own.get().folder
    if folder is not None and (folder / name).is_file():
        return (folder / name).read_text("utf-8")
    return (_FOLDER / name).read_text("utf-8")


@functools.cache
def _environment(folder: Path | None) -> jinja2.Environment:
    # Prompts are plain text for a model, so there is no HTML to escape.
    loaders: list[jinja2.BaseLoader] = [jinja2.PackageLoader("phyrefine.refine", "prompts")]
    if folder is not None:
        loaders.insert(0, jinja2.FileSystemLoader(folder))
    return jinja2.Environment(
        loader=jinja2.ChoiceLoader(loaders),
        undefined=jinja2.StrictUndefined,
        autoescape=False,  # noqa: S701
        keep_trailing_newline=False,
    )


def render(name: str, **values: Any) -> str:
    """Fill in the template ``name`` (without ``.md.jinja``).

    Raises:
        InvalidInputError: A template of the user's own is broken or uses a value there is not.
        jinja2.UndefinedError: A value the package's template uses is missing.
    """
    folder = _own.get().folder
    try:
        template = _environment(folder).get_template(f"{name}.md.jinja")
        return template.render(**values).strip() + "\n"
    except jinja2.TemplateError as error:
        if folder is None:
            raise
        given = ", ".join(sorted(values))
        raise InvalidInputError(
            f"The prompt {folder / name}.md.jinja cannot be filled in: {error}. It is given: "
            f"{given}."
        ) from error


def schema(name: str) -> dict[str, Any]:
    """The JSON schema of a reply: predict, critique, compose, score or compare.

    Raises:
        InvalidInputError: A schema of the user's own is no JSON object.
    """
    try:
        parsed = json.loads(_text(f"{name}.schema.json"))
    except ValueError as error:
        raise InvalidInputError(f"{name}.schema.json is no JSON: {error}.") from error
    if not isinstance(parsed, dict):
        raise InvalidInputError(f"{name}.schema.json must hold a JSON object.")
    return parsed


def domain_knowledge(domain: str) -> str:
    """K's section on one physics domain.

    Raises:
        InvalidInputError: No such domain.
    """
    if domain not in DOMAINS:
        raise InvalidInputError(f"No physics domain {domain!r}: use one of {', '.join(DOMAINS)}.")
    return _text(f"{PHYSICS}/{domain.replace(' ', '_')}.md").strip()


def knowledge(domains: Sequence[str] = DOMAINS) -> str:
    """K: by default whole, so that nothing about a sample decides what the VLM gets to know.

    K of the user's own is cut at its headings; its parts are reversed where the domains are.
    """
    own = _own.get().knowledge
    if own is None:
        return render("knowledge", sections=[domain_knowledge(domain) for domain in domains])
    parts = [part.strip() for part in re.split(r"(?m)^(?=#)", own) if part.strip()]
    reverse = tuple(domains) == DOMAINS[::-1]
    return render("knowledge", sections=parts[::-1] if reverse else parts)


def asset_digests() -> dict[str, str]:
    """Hex digest of every asset by name, for manifests: other prompts are another experiment."""
    texts = {name.rpartition("/")[2]: _text(name) for name in names()}
    if (own := _own.get().knowledge) is not None:
        texts["knowledge"] = own
    return {
        name: hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
        for name, text in texts.items()
    }
