"""How each tracker is spoken to. One class per tracker, in its own package's terms."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

from attrs import define, field

from phyrefine.errors import InvalidInputError

Cells = Sequence[Sequence[Any]]


class Service(Protocol):
    """A tracked run of one tracker."""

    def begin(self, name: str, run_id: str, config: Mapping[str, Any]) -> str:
        """Begin a run, or go on with ``run_id`` if it is not empty; gives the run's own name."""
        ...

    def log(
        self,
        step: int,
        metrics: Mapping[str, float],
        clips: Mapping[str, tuple[Path, str]],
        table: tuple[str, Sequence[str], Cells] | None,
    ) -> None:
        """Log one step: numbers, clips as (file, caption), a table as (name, columns, rows)."""
        ...

    def end(self) -> None:
        """Hand over everything that is left, and say that the run has ended."""
        ...


@define
class WandbService:
    """Weights & Biases, and packages that take the same calls, such as Trackio.

    Attributes:
        module: ``wandb`` or ``trackio``.
        project: Its project.
        options: Further arguments of ``init``.
    """

    module: ModuleType
    project: str
    options: Mapping[str, Any] = field(factory=dict)
    _run: Any = field(default=None, init=False)

    def begin(self, name: str, run_id: str, config: Mapping[str, Any]) -> str:
        """Begin or go on: by id with wandb, by name with Trackio, which knows runs by it."""
        asked: dict[str, Any] = {"project": self.project, "config": dict(config), "resume": "allow"}
        if self.module.__name__ == "wandb":
            # The command line, the working copy and the terminal's output are none of ours to send.
            quiet = self.module.Settings(console="off", x_disable_meta=True, disable_git=True,
                                         disable_code=True, disable_job_creation=True)  # fmt: skip
            asked |= {"name": name, "id": run_id or secrets.token_hex(4),
                      "settings": quiet, "reinit": "create_new"}  # fmt: skip
        else:
            asked |= {"name": run_id or _fresh(name), "embed": False}
        self._run = self.module.init(**{**asked, **self.options})
        return str(asked.get("id") or asked["name"])

    def log(
        self,
        step: int,
        metrics: Mapping[str, float],
        clips: Mapping[str, tuple[Path, str]],
        table: tuple[str, Sequence[str], Cells] | None,
    ) -> None:
        """Log one step."""
        whole: dict[str, Any] = dict(metrics)
        for name, (path, caption) in clips.items():
            whole[name] = self.module.Video(str(path), caption=caption, format="mp4")
        if table is not None:
            name, columns, rows = table
            whole[name] = self.module.Table(columns=list(columns), data=[list(row) for row in rows])
        self._run.log(whole, step=step)

    def end(self) -> None:
        """Finish the run."""
        self._run.finish()


@define
class MlflowService:
    """MLflow, through its client: no run of the caller's own is touched.

    Attributes:
        module: ``mlflow``.
        project: Its experiment.
        options: ``tracking_uri`` and ``registry_uri`` of the client.
    """

    module: ModuleType
    project: str
    options: Mapping[str, Any] = field(factory=dict)
    _client: Any = field(default=None, init=False)
    _id: str = field(default="", init=False)

    def begin(self, name: str, run_id: str, config: Mapping[str, Any]) -> str:
        """Create a run, or set an earlier one running again."""
        self._client = self.module.MlflowClient(**self.options)
        if run_id and self._there(run_id):
            self._id = run_id
            self._client.update_run(run_id, status="RUNNING")
            return run_id
        found = self._client.get_experiment_by_name(self.project)
        experiment = found.experiment_id if found else self._client.create_experiment(self.project)
        self._id = self._client.create_run(experiment, run_name=name).info.run_id
        for key, value in config.items():
            self._client.log_param(self._id, _plain_name(key), str(value)[:6000])
        return self._id

    def _there(self, run_id: str) -> bool:
        try:
            return bool(self._client.get_run(run_id).info.lifecycle_stage == "active")
        except self.module.exceptions.MlflowException:
            return False  # deleted, or another server: a new run

    def log(
        self,
        step: int,
        metrics: Mapping[str, float],
        clips: Mapping[str, tuple[Path, str]],
        table: tuple[str, Sequence[str], Cells] | None,
    ) -> None:
        """Log one step: numbers as metrics, clips and tables as artifacts."""
        now = int(time.time() * 1000)
        made = [self.module.entities.Metric(_plain_name(name), value, now, step)
                for name, value in metrics.items()]  # fmt: skip
        self._client.log_batch(self._id, metrics=made)
        for name, (path, caption) in clips.items():
            folder = f"{_plain_name(name)}/step-{step}"
            self._client.log_artifact(self._id, str(path), folder)
            self._client.log_text(self._id, caption, f"{folder}/prompt.txt")
        if table is not None:
            name, columns, rows = table
            data = {column: [row[at] for row in rows] for at, column in enumerate(columns)}
            self._client.log_dict(self._id, data, f"{_plain_name(name)}/step-{step}.json")

    def end(self) -> None:
        """Say that the run has ended."""
        self._client.set_terminated(self._id, status="FINISHED")


@define
class TensorBoardService:
    """TensorBoard event files, written by the package ``tensorboard`` itself, without torch.

    Attributes:
        module: ``tensorboard``.
        project: Folder of all runs; a run has a folder of its own in it.
        options: ``logdir``: another folder.
    """

    module: ModuleType
    project: str
    options: Mapping[str, Any] = field(factory=dict)
    _writer: Any = field(default=None, init=False)

    def begin(self, name: str, run_id: str, config: Mapping[str, Any]) -> str:
        """Open the run's folder; event files of an earlier start go on in the same graphs."""
        from tensorboard.summary.writer.event_file_writer import EventFileWriter

        logdir = Path(self.options.get("logdir", self.project)).resolve()
        folder = run_id or str(logdir / _fresh(name))
        self._writer = EventFileWriter(folder)
        if not run_id:
            said = "\n".join(f"- {key}: {value}" for key, value in config.items())
            self._add(0, [self._text("settings", said)])
        return folder

    def log(
        self,
        step: int,
        metrics: Mapping[str, float],
        clips: Mapping[str, tuple[Path, str]],
        table: tuple[str, Sequence[str], Cells] | None,
    ) -> None:
        """Log one step: scalars, clips as animated images, captions and tables as text."""
        from tensorboard.compat.proto.summary_pb2 import Summary

        values = [Summary.Value(tag=name, simple_value=value) for name, value in metrics.items()]
        for name, (path, caption) in clips.items():
            values += [Summary.Value(tag=name, image=_animation(path)), self._text(name, caption)]
        if table is not None:
            name, columns, rows = table
            values.append(self._text(name, _markdown(columns, rows)))
        self._add(step, values)

    def _text(self, tag: str, text: str) -> Any:
        from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
        from tensorboard.compat.proto.tensor_pb2 import TensorProto
        from tensorboard.plugins.text.metadata import PLUGIN_NAME

        plugin = SummaryMetadata.PluginData(plugin_name=PLUGIN_NAME)
        tensor = TensorProto(dtype="DT_STRING", string_val=[text.encode()])
        tensor.tensor_shape.dim.add(size=1)
        return Summary.Value(
            tag=f"{tag}/text", metadata=SummaryMetadata(plugin_data=plugin), tensor=tensor
        )

    def _add(self, step: int, values: Sequence[Any]) -> None:
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary

        self._writer.add_event(
            Event(step=step, wall_time=time.time(), summary=Summary(value=values))
        )
        self._writer.flush()

    def end(self) -> None:
        """Close the file."""
        self._writer.close()


def service_for(module: ModuleType, project: str, options: Mapping[str, Any]) -> Service:
    """The service of a tracker's module.

    Raises:
        InvalidInputError: It is no tracker that is known, nor one that takes wandb's calls.
    """
    name = module.__name__
    if name == "mlflow":
        return MlflowService(module, project, options)
    if name in ("tensorboard", "torch.utils.tensorboard"):
        return TensorBoardService(module, project, options)
    if all(hasattr(module, call) for call in ("init", "Video", "Table")):
        return WandbService(module, project, options)
    raise InvalidInputError(
        f"{name} is no tracker that phyrefine knows: pass the module wandb, trackio, mlflow or "
        "tensorboard, or one with wandb's init, Video and Table."
    )


def _fresh(name: str) -> str:
    """A name that no earlier run has, where the name is all that a tracker knows a run by."""
    return f"{_plain_name(name).replace('/', '-')}-{secrets.token_hex(3)}"


def _plain_name(name: str) -> str:
    """A name of MLflow's: letters, digits and a few signs."""
    return "".join(one if one.isalnum() or one in "_-. /" else "_" for one in name)


def _animation(path: Path) -> Any:
    from tensorboard.compat.proto.summary_pb2 import Summary

    from phyrefine.video.clip import Clip

    clip = Clip.read(path)
    data = clip.to_bytes("gif")
    return Summary.Image(
        height=clip.height, width=clip.width, colorspace=3, encoded_image_string=data
    )


def _markdown(columns: Sequence[str], rows: Cells) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(_cell(cell) for cell in line)} |" for line in lines)


def _cell(cell: object) -> str:
    return "" if cell is None else str(cell).replace("|", "\\|").replace("\n", " ")
