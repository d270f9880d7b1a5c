"""The autoencoder against stored latents and pixels of the original. float32 unless said."""

import attrs
import numpy as np
import pytest
import torch
from diffusers import ConfigMixin, ModelMixin

from magi.goldens import DATA, error, read_json, read_tensors
from phyrefine.errors import InvalidInputError
from phyrefine.magi.media import decode_frames, encode_prefix, to_frames, to_pixels
from phyrefine.magi.vae.autoencoder import AutoencoderKLMagi
from phyrefine.magi.vae.blocks import VaeShape
from phyrefine.magi.vae.tiling import Tiling
from phyrefine.magi.weights.autoencoder import load_vae

LIMIT = 1e-5  # on max |a - g| / max |g|
WHOLE = ("exact", "interp", "image", "image_interp", "short")
TILED = ("tiled", "tiled_tail1", "tiled_image")
OTHER_PIXELS = 1e-4  # share of uint8 values that may differ, by one


@pytest.fixture(scope="module")
def vae():
    return load_vae(DATA / "vae", dtype=torch.float32)


@pytest.fixture
def tiled(vae):
    """The same autoencoder in the goldens' tiles."""
    args = read_json("vae_golden")["tiled"]["args"]
    vae.enable_tiling(
        Tiling(
            args["tile_sample_min_height"],
            args["tile_sample_min_length"],
            args["spatial_tile_overlap_factor"],
        )
    )
    yield vae
    vae.disable_tiling()


def golden(case, name):
    return read_tensors("vae_golden")[f"{case}/{name}"]


def pixels(case):
    return to_pixels(golden(case, "video_u8").numpy())


def latent(vae, video):
    return vae.encode(video).latent_dist.mode()


@pytest.mark.parametrize("case", WHOLE)
def test_latents_and_pixels(vae, case):
    assert error(latent(vae, pixels(case)), golden(case, "latent")) < LIMIT
    assert error(vae.decode(golden(case, "latent")).sample, golden(case, "decoded")) < LIMIT


@pytest.mark.parametrize("case", ["exact", "image"])
def test_moments(vae, case):
    """A still image is four equal frames to the encoder."""
    video = pixels(case)
    moments = torch.cat(list(vae.encode_pieces(video)), dim=2)
    assert error(moments, golden(case, "moments")[:, :, : moments.shape[2]]) < LIMIT


def test_two_videos_at_once(vae):
    videos = golden("batch2", "video_u8").numpy()
    both = torch.cat([to_pixels(video) for video in videos])
    assert error(latent(vae, both), golden("batch2", "latent")) < LIMIT


@pytest.mark.parametrize("case", TILED)
def test_tiles(tiled, case):
    assert error(latent(tiled, pixels(case)), golden(case, "latent")) < LIMIT
    assert error(tiled.decode(golden(case, "latent")).sample, golden(case, "decoded")) < LIMIT


@pytest.mark.parametrize("case", TILED)
def test_tiles_in_time_alone(tiled, case):
    tiled.enable_tiling(attrs.evolve(tiled.tiling, size=None))
    assert error(latent(tiled, pixels(case)), golden(case, "latent_nospatial")) < LIMIT


def test_frames_in_and_frames_out(tiled):
    spec = read_json("vae_golden")["pipeline"]
    assert tiled.tiling.size == spec["tile"]
    frames, scale = golden("pipeline", "video_u8").numpy(), spec["scale_factor"]
    scaled = golden("pipeline", "scaled_latent")
    assert error(encode_prefix(tiled, frames, scale), scaled) < LIMIT
    made = np.concatenate(list(decode_frames(tiled, scaled, scale, short_tail=True)))
    wanted = golden("pipeline", "decoded_u8").permute(0, 2, 3, 1).numpy()
    difference = np.abs(made.astype(int) - wanted)
    assert difference.max() <= 1
    assert (difference > 0).mean() <= OTHER_PIXELS


def test_uint8_is_truncated_not_rounded():
    values = torch.tensor([-2.0, -1.0, 0.0, 0.999, 1.0, 3.0])
    frames = to_frames(values.expand(1, 3, 1, 1, -1))
    assert frames[0, 0, :, 0].tolist() == [0, 0, 127, 254, 255, 255]


def test_pixels_and_back_lose_nothing():
    frames = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1).repeat(3, 3)
    # 127.5 (x / 127.5 - 1) + 127.5 may fall short of x by rounding, and is cut then.
    assert np.abs(to_frames(to_pixels(frames)).astype(int) - frames).max() <= 1


def test_a_lone_latent_gives_one_frame_or_four(vae):
    one = golden("short", "latent")
    assert [next(vae.decode_pieces(one, trim_single=trim)).shape[2] for trim in (True, False)] == [
        1,
        4,
    ]
    whole = next(vae.decode_pieces(one, trim_single=False))
    torch.testing.assert_close(whole[:, :, :1], vae.decode(one).sample)


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        ((1, 3, 4, 15, 16), "multiples of 2"),
        ((1, 3, 2, 16, 16), "2 frames are left for a tile"),
        ((1, 3, 3, 16, 16), "3 frames are left for a tile"),
    ],
)
def test_what_cannot_be_encoded(vae, shape, words):
    with pytest.raises(InvalidInputError, match=words):
        vae.encode(torch.zeros(shape))


def test_a_tail_of_two_frames_in_a_tile_is_refused(tiled):
    with pytest.raises(InvalidInputError, match="2 frames are left for a tile"):
        tiled.encode(torch.zeros(1, 3, 14, 16, 16))


def test_bfloat16_stays_within_its_rounding(vae):
    half = load_vae(DATA / "vae")
    assert {p.dtype for p in half.parameters()} == {torch.bfloat16}
    made = latent(half, pixels("exact")).float()
    assert 1e-4 < error(made, golden("exact", "latent")) < 0.05
    shown = half.decode(golden("exact", "latent")).sample.float()
    assert 1e-4 < error(shown, golden("exact", "decoded")) < 0.05


def test_saved_and_read_again(vae, tmp_path):
    vae.save_pretrained(tmp_path)
    again = AutoencoderKLMagi.from_pretrained(
        tmp_path, torch_dtype=torch.float32, local_files_only=True
    )
    assert isinstance(again, ModelMixin)
    assert isinstance(again, ConfigMixin)
    assert again.shape == vae.shape
    for name, value in vae.state_dict().items():
        assert torch.equal(again.state_dict()[name], value), name


def test_the_releases_size_is_the_default():
    """Parameter counts of the published autoencoder."""
    with torch.device("meta"):
        vae = AutoencoderKLMagi()
    counts = [sum(p.numel() for p in half.parameters()) for half in (vae.encoder, vae.decoder)]
    assert counts == [307_278_880, 306_476_359]
    assert vae.shape == VaeShape()


MISTAKES = {
    "a larger epsilon": lambda vae: [setattr(b.norm2, "eps", 1e-2) for b in vae.encoder.blocks],
    "no class token": lambda vae: vae.encoder.cls_token.data.zero_(),
    "channels of a patch turned": lambda vae: vae.encoder.last_layer.weight.data.copy_(
        vae.encoder.last_layer.weight.flip(0)
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_show(mistake):
    vae = load_vae(DATA / "vae", dtype=torch.float32)
    MISTAKES[mistake](vae)
    assert error(latent(vae, pixels("exact")), golden("exact", "latent")) > 10 * LIMIT
