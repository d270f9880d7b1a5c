"""What a tracker holds after a run, read back by the tracker's own package.

Each reader gives, for the one run there is: every value of every metric by name, how many clips it
holds, its tables or texts as one string, and its settings as one string.
"""

import json
import time
from pathlib import Path

from attrs import define


@define
class Held:
    runs: int
    metrics: dict
    clips: int
    words: str
    settings: str


def tensorboard(folder):
    from tensorboard.backend.event_processing.event_multiplexer import EventMultiplexer

    logs = EventMultiplexer(size_guidance={"scalars": 0, "tensors": 0, "images": 0})
    logs.AddRunsFromDirectory(str(folder / "logs"))
    logs.Reload()
    (run,) = logs.Runs()
    tags = logs.Runs()[run]
    metrics = {name: [one.value for one in logs.Scalars(run, name)] for name in tags["scalars"]}
    images = [one.encoded_image_string for name in tags["images"] for one in logs.Images(run, name)]
    assert all(data.startswith(b"GIF8") for data in images)
    texts = {
        name: [one.tensor_proto.string_val[0].decode() for one in logs.Tensors(run, name)]
        for name in tags["tensors"]
    }
    settings = texts.pop("settings/text")
    return Held(len(logs.Runs()), metrics, len(images), json.dumps(texts), settings[0])


def mlflow(folder):
    import mlflow

    client = mlflow.MlflowClient(tracking_uri=f"sqlite:///{folder}/mlflow.db")
    experiment = client.get_experiment_by_name("phyrefine")
    runs = client.search_runs([experiment.experiment_id])
    run = runs[0]
    assert run.info.status == "FINISHED"
    metrics = {
        name: [one.value for one in client.get_metric_history(run.info.run_id, name)]
        for name in run.data.metrics
    }
    files = list(_artifacts(client, run.info.run_id, None))
    texts = [
        client.download_artifacts(run.info.run_id, file)
        for file in files
        if file.endswith((".json", ".txt"))
    ]
    words = " ".join(Path(path).read_text("utf-8") for path in texts)
    clips = sum(file.endswith(".mp4") for file in files)
    return Held(len(runs), metrics, clips, words, json.dumps(run.data.params))


def _artifacts(client, run_id, path):
    for one in client.list_artifacts(run_id, path):
        if one.is_dir:
            yield from _artifacts(client, run_id, one.path)
        else:
            yield one.path


def trackio(folder):
    from trackio.sqlite_storage import SQLiteStorage

    runs = SQLiteStorage.get_runs("phyrefine")
    rows = SQLiteStorage.get_logs("phyrefine", runs[0])
    metrics, clips, words = {}, 0, []
    for row in rows:
        for name, value in row.items():
            if isinstance(value, int | float):
                metrics.setdefault(name, []).append(value)
            elif isinstance(value, dict) and "video" in value.get("_type", ""):
                clips += 1
                words.append(json.dumps(value))
            else:
                words.append(json.dumps(value))
    settings = json.dumps(SQLiteStorage.get_run_config("phyrefine", runs[0]))
    return Held(len(runs), metrics, clips, " ".join(words), settings)


def wandb(folder):
    """Every offline file of the run; wandb puts files of one id together when they are synced."""
    metrics, clips, words, settings, ids = {}, 0, [], [], set()
    for path in sorted((folder / "wandb").glob("offline-run-*/*.wandb")):
        for record in _wandb_records(path):
            if record.HasField("run"):
                ids.add(record.run.run_id)
                settings += [item.value_json for item in record.run.config.update]
            if record.HasField("history"):
                for item in record.history.item:
                    value = json.loads(item.value_json)
                    if isinstance(value, int | float):
                        metrics.setdefault("/".join(item.nested_key), []).append(value)
                    else:
                        clips += value == "video-file"
                        words.append(item.value_json)
    words += [table.read_text() for table in (folder / "wandb").rglob("*.table.json")]
    return Held(len(ids), metrics, clips, " ".join(words), " ".join(settings))


def _wandb_records(path):
    """Records of an offline file; wandb's own process may still be writing its end."""
    from wandb.proto import wandb_internal_pb2

    for _ in range(1200):
        records = []
        for data in _log_records(path.read_bytes()):
            records.append(wandb_internal_pb2.Record())
            records[-1].ParseFromString(data)
        if any(record.HasField("exit") for record in records):
            return records
        time.sleep(0.05)
    raise TimeoutError(f"{path} has no end")


def _log_records(data):
    """Records of a file in LevelDB's log format, behind wandb's seven bytes at its beginning."""
    at, block, parts = 7, 32768, []
    while at + 7 <= len(data):
        if block - at % block < 7:  # too little room for a header: the block's end is empty
            at += block - at % block
            continue
        length, kind = int.from_bytes(data[at + 4 : at + 6], "little"), data[at + 6]
        parts.append(data[at + 7 : at + 7 + length])
        at += 7 + length
        if kind in (1, 4):  # whole, or the last part
            yield b"".join(parts)
            parts = []
