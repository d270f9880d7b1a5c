import numpy as np
import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from phyrefine.backends.scorers.encoders import TorchEncoder, TransformersEncoder  # noqa: E402
from phyrefine.backends.scorers.vjepa2 import VJEPA2Surprise, windows  # noqa: E402
from phyrefine.errors import InvalidInputError, ModelNotFoundError  # noqa: E402
from phyrefine.select.scorers.kinematics import Kinematics  # noqa: E402
from phyrefine.types import Pool, Scenario  # noqa: E402
from phyrefine.video.clip import Clip  # noqa: E402

RNG = np.random.default_rng(2)


@pytest.fixture(scope="module")
def vjepa2(tmp_path_factory):
    """A saved V-JEPA 2 with small random weights."""
    torch.manual_seed(0)
    config = transformers.VJEPA2Config(
        crop_size=32, frames_per_clip=16, hidden_size=48, num_attention_heads=4,
        num_hidden_layers=2, pred_hidden_size=24, pred_num_attention_heads=2,
        pred_num_hidden_layers=2, pred_num_mask_tokens=2,
    )  # fmt: skip
    folder = tmp_path_factory.mktemp("vjepa2")
    transformers.VJEPA2Model(config).save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="module")
def vit(tmp_path_factory):
    torch.manual_seed(0)
    config = transformers.Dinov2Config(
        hidden_size=32, num_hidden_layers=3, num_attention_heads=2, image_size=28, patch_size=14,
        mlp_ratio=2,
    )  # fmt: skip
    folder = tmp_path_factory.mktemp("dino")
    transformers.Dinov2Model(config).save_pretrained(folder)
    return str(folder)


def frames(count, size=(32, 32)):
    return RNG.integers(0, 255, (count, *size, 3), np.uint8)


def reference(model, video):
    """Surprise of one window, written out token by token."""
    with torch.inference_mode():
        seen = model.encoder(pixel_values_videos=video[None, :8]).last_hidden_state
        whole = model.encoder(pixel_values_videos=video[None]).last_hidden_state[0]
        total, count = len(whole), seen.shape[1]
        guess = model.predictor(
            encoder_hidden_states=seen,
            context_mask=[torch.arange(count)[None]],
            target_mask=[torch.arange(count, total)[None]],
        ).last_hidden_state[0]
    cosines = []
    for one, other in zip(guess, whole[count:], strict=True):
        one, other = ((v - v.mean()) / (v.var(unbiased=False) + 1e-5).sqrt() for v in (one, other))
        cosines.append(float(one @ other / one.norm() / other.norm()))
    return 1.0 - sum(cosines) / len(cosines)


def normalized(clip):
    values = torch.from_numpy(clip).permute(0, 3, 1, 2).float() / 255
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    return (values - torch.tensor(mean).view(3, 1, 1)) / torch.tensor(std).view(3, 1, 1)


def test_surprise_equals_a_plain_reference(vjepa2):
    scorer = VJEPA2Surprise(vjepa2, device="cpu", stride=4)
    clip = frames(22)
    model = transformers.VJEPA2Model.from_pretrained(vjepa2).eval()
    video = normalized(clip)
    by_hand = [reference(model, video[start : start + 16]) for start in (0, 4, 6)]
    assert windows(22, 16, 4) == (0, 4, 6)
    assert scorer.surprise(clip) == pytest.approx(np.mean(by_hand), abs=1e-5)
    assert VJEPA2Surprise(vjepa2, device="cpu", stride=4, batch=1).surprise(clip) == pytest.approx(
        np.mean(by_hand), abs=1e-5
    )


def test_the_future_does_not_leak_into_the_prediction(vjepa2):
    scorer = VJEPA2Surprise(vjepa2, device="cpu")
    model = scorer._loaded()
    guesses = []
    original = model.predictor.forward

    def recording(*args, **kwargs):
        out = original(*args, **kwargs)
        guesses.append(out.last_hidden_state.clone())
        return out

    model.predictor.forward = recording
    video = normalized(frames(16))[None]
    other = video.clone()
    other[:, 8:] = torch.randn_like(other[:, 8:])
    with torch.inference_mode():
        first, second = scorer.cosines(video), scorer.cosines(other)
    assert torch.equal(guesses[0], guesses[1])
    assert not torch.allclose(first, second)
    assert first.shape == (1, 4 * 4)  # 8 frames in pairs, 2 x 2 patches


def test_windows_cover_the_whole_clip():
    assert len(windows(49, 16, 2)) == 17
    assert windows(50, 16, 8) == (0, 8, 16, 24, 32, 34)  # the tail gets a window of its own
    assert len(windows(49, 16, 8)) == 5
    assert windows(16, 16, 8) == (0,)
    assert windows(15, 16, 8) == ()


def test_surprise_as_a_scorer(vjepa2):
    scorer = VJEPA2Surprise(vjepa2, device="cpu", frames=0, stride=8)
    scenario = Scenario("x", Clip(frames(12), 8.0), seconds=2.0)
    long, short = Clip(frames(20), 8.0), Clip(frames(4), 8.0)
    said = scorer.score_pool(Pool.of_clips(scenario, [long, short]))
    assert said.values["0.0"] < 0
    assert np.isnan(said.values["0.1"])
    assert "0.1 shorter than 16 frames" in said.notes[0]
    whole = np.concatenate([scenario.prefix.frames[-8:], long.frames])
    assert said.values["0.0"] == pytest.approx(-scorer.surprise(whole), abs=1e-6)
    model, scorer._model = scorer._model, None
    again = scorer.score(scenario, Clip(long.frames.copy(), 8.0))
    assert again == said.values["0.0"]  # remembered by the clip's digest: nothing was loaded
    assert scorer._model is None
    assert model is not None


def test_settings_that_cannot_work_are_refused(vjepa2, vit):
    with pytest.raises(InvalidInputError, match="even"):
        VJEPA2Surprise(vjepa2, window=15)
    with pytest.raises(InvalidInputError, match="shorter than the window"):
        VJEPA2Surprise(vjepa2, window=8, context=8)
    with pytest.raises(InvalidInputError, match="not a V-JEPA 2 model"):
        VJEPA2Surprise(vit, device="cpu").surprise(frames(16))
    with pytest.raises(ModelNotFoundError, match="No usable model"):
        VJEPA2Surprise(vjepa2 + "/none", device="cpu").surprise(frames(16))


def test_half_precision_runs_and_its_scores_stay_near(vjepa2):
    clip = frames(16)
    full = VJEPA2Surprise(vjepa2, device="cpu").surprise(clip)
    half = VJEPA2Surprise(vjepa2, device="cpu", dtype="bfloat16").surprise(clip)
    assert half == pytest.approx(full, abs=0.05)
    assert half != full


@pytest.mark.parametrize("layer", [None, 2])
def test_an_encoder_of_transformers(vit, layer):
    encoder = TransformersEncoder(vit, layer=layer, device="cpu", batch=4)
    clip = frames(6, (28, 28))
    found = encoder.encode(clip)
    assert found.shape == (6, 32)
    assert found.dtype == np.float32
    model = transformers.Dinov2Model.from_pretrained(vit).eval()
    with torch.inference_mode():
        out = model(pixel_values=normalized(clip), output_hidden_states=True)
    plain = out.pooler_output if layer is None else out.hidden_states[layer].mean(dim=1)
    assert found == pytest.approx(plain.numpy(), abs=1e-5)
    assert f"layer={layer}" in encoder.identity


def test_a_layer_the_model_does_not_have_is_refused(vit):
    with pytest.raises(InvalidInputError, match="layers 0 to 3, not 9"):
        TransformersEncoder(vit, layer=9, device="cpu").encode(frames(2, (28, 28)))


def test_any_torch_callable_is_an_encoder():
    encoder = TorchEncoder(lambda images: images.flatten(2), "channels", size=16, batch=3)
    assert encoder.encode(frames(5)).shape == (5, 256)
    maps = TorchEncoder(lambda images: images, "maps", size=16)
    assert maps.encode(frames(5)).shape == (5, 3)
    assert "size=16" in maps.identity


def test_kinematics_of_an_encoders_features(vit):
    encoder = TransformersEncoder(vit, device="cpu")
    pool = Pool.of_clips(Scenario("x"), [Clip(frames(10, (28, 28)), 8.0) for _ in range(3)])
    values = Kinematics(encoder).score_pool(pool).values
    assert np.isfinite(list(values.values())).all()
