"""EnCodec with tiny random weights: whole and in chunks, quantized or not, and principal components of its latents."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import EncodecConfig, EncodecModel

from latentstem import EncodecCodec
from latentstem.models.encodec_chunks import Chunks

pytestmark = pytest.mark.filterwarnings("ignore:`torch.nn.utils.weight_norm` is deprecated:FutureWarning")

SIZE = {"num_filters": 4, "hidden_size": 6, "codebook_size": 16, "codebook_dim": 6, "upsampling_ratios": [4, 2]}
WHOLE = EncodecConfig(**SIZE, sampling_rate=800, target_bandwidths=[0.4, 0.8])
# As the model at 48 kHz: chunks of a second, here of 100 frames, that overlap by a hundredth, here one frame.
CHUNKED = EncodecConfig(
    **SIZE,
    sampling_rate=800,
    target_bandwidths=[0.4, 0.8],
    audio_channels=2,
    normalize=True,
    chunk_length_s=1.0,
    overlap=0.01,
    norm_type="time_group_norm",
    use_causal_conv=False,
)


def random_net(config):
    torch.manual_seed(0)
    net = EncodecModel(config).eval()
    for layer in net.quantizer.layers:  # zero at first
        layer.codebook.embed.normal_()
    return net


@pytest.fixture(scope="module")
def whole():
    return random_net(WHOLE)


@pytest.fixture(scope="module")
def chunked():
    return random_net(CHUNKED)


@given(frames=st.integers(1, 60), chunk=st.integers(2, 20), overlap=st.integers(0, 9), hop=st.integers(1, 3))
def test_chunks_that_are_left_as_they_are_join_to_what_was_cut(frames, chunk, overlap, hop):
    chunks = Chunks(chunk, min(overlap, chunk // 2))
    audio = torch.randn(2, frames * hop)
    pieces = chunks.split(audio, hop)
    assert all(piece.shape[-1] <= chunk * hop for piece in pieces)
    assert torch.allclose(chunks.cross_fade(pieces, hop), audio, atol=1e-6)
    latents = torch.arange(frames)[None]
    assert torch.equal(chunks.join_frames(chunks.split(latents)), latents)


def test_frames_come_from_the_chunk_that_holds_them_best():
    chunks = Chunks(frames=6, overlap=2)
    marked = [torch.full((piece.shape[-1],), index) for index, piece in enumerate(chunks.split(torch.zeros(14)))]
    assert chunks.join_frames(marked).tolist() == [0] * 5 + [1] * 4 + [2] * 5


@torch.no_grad()
def test_chunks_are_encoded_and_decoded_as_transformers_does_it(chunked):
    codec = EncodecCodec.wrap(chunked, bandwidth=0.8)
    audio = torch.randn(2, 2, 2 * 792 + 400) * torch.linspace(0.1, 1, 2 * 792 + 400)
    codes, scales, _ = chunked.encode(audio, bandwidth=0.8, return_dict=False)
    latents = codec.encode(audio).latents
    assert latents.shape == (2, 7, 248) and codec.latent_channels == 7
    starts = (0, 99, 198)
    for start, code, scale in zip(starts, codes, scales, strict=True):
        own = min(99, 248 - start)  # the last frame of a chunk is the first of the next
        expected = chunked.quantizer.decode(code.transpose(0, 1))
        torch.testing.assert_close(latents[:, :-1, start : start + own], expected[..., :own], atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(latents[:, -1, start : start + own].exp(), scale.expand(2, own))
    decoded = codec.decode(latents).sample
    assert decoded.shape == audio.shape
    pieces = [
        chunked.decoder(latents[:, :-1, start : start + 100]) * scales[i][..., None] for i, start in enumerate(starts)
    ]
    torch.testing.assert_close(decoded[..., 8:792], pieces[0][..., 8:792], atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(decoded[..., 800:1584], pieces[1][..., 8:792], atol=1e-5, rtol=1e-4)
    rise = (torch.arange(8) + 0.5) / 8
    seam = pieces[0][..., 792:] * (1 - rise) + pieces[1][..., :8] * rise
    torch.testing.assert_close(decoded[..., 792:800], seam, atol=1e-5, rtol=1e-4)


@given(samples=st.integers(1, 2500))
def test_frames_and_samples_of_any_length(chunked, samples):
    codec = EncodecCodec.wrap(chunked)
    with torch.no_grad():
        latents = codec.encode(torch.randn(1, 2, samples)).latents
        assert latents.shape == (1, 7, -(-samples // 8)) and latents.isfinite().all()
        assert codec.decode(latents).sample.shape == (1, 2, 8 * latents.shape[-1])


@torch.no_grad()
def test_the_level_is_in_the_last_channel_alone(chunked):
    codec = EncodecCodec.wrap(chunked)
    audio = torch.randn(1, 2, 1600)
    loud, quiet = codec.encode(audio).latents, codec.encode(0.1 * audio).latents
    torch.testing.assert_close(loud[:, :-1], quiet[:, :-1], atol=1e-4, rtol=1e-3)
    torch.testing.assert_close(loud[:, -1] - quiet[:, -1], torch.full((1, 200), 2.302585), atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(codec.decode(quiet).sample, 0.1 * codec.decode(loud).sample, atol=1e-4, rtol=1e-3)
    silence = codec.encode(torch.zeros(1, 2, 1600)).latents
    assert silence.isfinite().all() and codec.decode(silence).sample.abs().max() < 1e-3


@torch.no_grad()
@pytest.mark.parametrize("bandwidth", [0.4, 0.8])
def test_quantized_latents_are_sums_of_the_vectors_of_codebooks(whole, bandwidth, tmp_path):
    codec = EncodecCodec.wrap(whole, bandwidth=bandwidth)
    codec.save_pretrained(tmp_path)
    loaded = EncodecCodec.from_pretrained(tmp_path)
    audio = torch.randn(2, 1, 400)
    codes = whole.encode(audio, bandwidth=bandwidth).audio_codes[0]
    assert codes.shape[1] == round(bandwidth / 0.4)
    latents = loaded.encode(audio).latents
    expected = sum(whole.quantizer.layers[index].codebook.embed[codes[:, index]] for index in range(codes.shape[1]))
    torch.testing.assert_close(latents, expected.transpose(1, 2))
    torch.testing.assert_close(loaded.decode(latents).sample, whole.decode(codes[None], [None]).audio_values)
    assert not torch.allclose(latents, EncodecCodec.wrap(whole).encode(audio).latents, atol=0.1)


def test_the_bandwidth_is_told_by_the_weights_by_which_caches_are_keyed(whole):
    names = [{*EncodecCodec.wrap(whole, bandwidth=bandwidth).state_dict()} for bandwidth in (None, 0.4, 0.8)]
    assert names[0] < names[1] < names[2]


@torch.no_grad()
@pytest.mark.parametrize("config", [WHOLE, CHUNKED], ids=["whole", "chunked"])
def test_principal_components_are_uncorrelated_normalized_and_give_back_what_they_hold(config, tmp_path):
    codec = EncodecCodec.wrap(random_net(config))
    recordings = [torch.randn(2, config.audio_channels, 2000).cumsum(-1) / 30 for _ in range(3)]
    latents = torch.cat([codec.encode(audio).latents for audio in recordings])
    frames = latents[:, :6].movedim(1, 0).flatten(1).T
    expected = torch.linalg.svdvals(frames - frames.mean(dim=0)) / len(frames) ** 0.5
    for channels in (2, 6):
        codec.fit_pca(recordings, channels).save_pretrained(tmp_path / str(channels))
        fitted = EncodecCodec.from_pretrained(tmp_path / str(channels))
        reduced = torch.cat([fitted.encode(audio).latents for audio in recordings])
        assert fitted.latent_channels == reduced.shape[1] == channels + config.normalize
        torch.testing.assert_close(
            torch.tensor(fitted.config.latents_std)[:channels], expected[:channels], rtol=1e-3, atol=1e-4
        )
        mean, spread = (torch.tensor(fitted.config[name])[:, None] for name in ("latents_mean", "latents_std"))
        normalized = ((reduced - mean) / spread).movedim(1, 0).flatten(1)[:channels]
        covariance = normalized @ normalized.T / normalized.shape[1]
        torch.testing.assert_close(covariance, torch.eye(channels), atol=5e-3, rtol=0)
    torch.testing.assert_close(fitted.decode(reduced).sample, codec.decode(latents).sample, atol=1e-3, rtol=1e-2)
    with pytest.raises(ValueError, match="principal components already"):
        fitted.fit_pca(recordings, 2)


def test_weights_come_from_a_folder_and_from_nowhere_unasked(whole, tmp_path, has_weights_of):
    whole.save_pretrained(tmp_path)
    codec = EncodecCodec.from_transformers(tmp_path, latents_std=[2.0] * 6, bandwidth=0.4)
    assert codec.config.latents_std == [2.0] * 6 and not codec.training
    audio = torch.randn(1, 1, 80)
    own = EncodecCodec.wrap(whole, bandwidth=0.4)
    assert has_weights_of(codec, own)
    torch.testing.assert_close(codec.encode(audio).latents, own.encode(audio).latents)
    with pytest.raises(OSError, match=r"found no EncodecModel .* under 'nobody/nothing'.* local_files_only=False"):
        EncodecCodec.from_transformers("nobody/nothing")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"bandwidth": 7.0}, r"got bandwidth=7\.0, expected one of \[1\.5, 3\.0"),
        ({"pca_channels": 200}, "got pca_channels=200, expected 1 to 128"),
        ({"encodec": {"chunk_length_s": 0.9999}}, "chunks of 23997 samples that overlap by 0, expected a multiple"),
    ],
)
def test_refuses_settings_that_cannot_work(options, message):
    with pytest.raises(ValueError, match=message):
        EncodecCodec(**{"encodec": {"num_filters": 4}, **options})
