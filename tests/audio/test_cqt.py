"""The constant-Q transform equals its definition and librosa's, whole and in pieces."""

import dataclasses

import librosa
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from latentstem.audio.cqt import ConstantQ, constant_q, log_magnitude

RATE, HOP = 16000, 160
TIME = np.arange(2 * RATE) / RATE
SMALL = ConstantQ(lowest=220.0, bins=90)  # three octaves, short windows


def chirp():
    """From 20 Hz to 6 kHz."""
    octaves = np.log(300)
    return np.sin(2 * np.pi * 20 * 2 / octaves * np.exp(TIME / 2 * octaves))


def plucked():
    """Decaying notes with partials over bursts of noise."""
    signal = 0.05 * np.random.randn(len(TIME)) * (np.sin(4 * np.pi * TIME) > 0.9)  # noqa: NPY002
    for beat, frequency in enumerate((41.2, 55.0, 82.4, 98.0, 220.0, 329.6, 61.7, 1000.0)):
        since = TIME - beat / 4
        for partial in range(1, int(min(10, 7900 / frequency)) + 1):
            tone = (
                np.exp(-3 * partial * np.maximum(since, 0)) / partial * np.sin(2 * np.pi * frequency * partial * since)
            )
            signal = signal + 0.3 * tone * (since >= 0)
    return signal


SIGNALS = {
    "tones": lambda: sum(np.sin(2 * np.pi * f * TIME + f) for f in (27.5, 55.3, 110, 333, 1000, 4000, 7000)),
    "chirp": chirp,
    "notes": plucked,
    "noise": lambda: np.random.randn(len(TIME)),  # noqa: NPY002
}


def librosas(audio, transform, silence=0.0):
    """librosa's magnitude on our frames, of audio between silences."""
    hop = transform.hop_length
    quiet = int(silence * transform.sampling_rate) // hop
    padded = np.pad(audio, (hop - hop // 2 + quiet * hop, -len(audio) % hop + quiet * hop))
    coefficients = librosa.cqt(
        padded,
        sr=transform.sampling_rate,
        hop_length=hop,
        fmin=transform.lowest,
        n_bins=transform.bins,
        bins_per_octave=transform.bins_per_octave,
        filter_scale=transform.filter_scale,
        sparsity=0,
    )
    return np.abs(coefficients)[:, quiet + 1 :][:, : -(-len(audio) // hop)]


def difference(audio, transform, silence):
    expected = librosas(audio.astype(np.float32), transform, silence)
    magnitude = transform(torch.from_numpy(audio).float()).abs().numpy()
    assert magnitude.shape == expected.shape
    return np.abs(magnitude - expected).max() / expected.max()


@pytest.mark.filterwarnings("ignore:n_fft")  # librosa, of audio shorter than its longest window
@pytest.mark.parametrize("name", SIGNALS)
def test_magnitudes_equal_librosas(name):
    audio = SIGNALS[name]()
    assert difference(audio, ConstantQ(), silence=0.2) < 1e-4
    # librosa drops what its filters leave before the beginning and after the end.
    assert difference(audio, ConstantQ(), silence=0.0) < 5e-2


@pytest.mark.filterwarnings("ignore:n_fft")
@pytest.mark.parametrize(
    ("settings", "tolerance"),
    [
        ((44100, 512, 32.7, 84, 12), 1e-4),
        ((22050, 512, 55.0, 72, 12), 1e-4),
        ((16000, 125, 110.0, 180, 36), 1e-4),  # the hop cannot be halved: all octaves at the full rate
        ((16000, 160, 27.5, 264, 36, 0.5), 1e-4),
        # Octaves at another rate than librosa's, where lengths of windows are rounded otherwise.
        ((48000, 480, 27.5, 264, 36), 1e-2),
        ((16000, 150, 55.0, 77, 24), 1e-2),
    ],
)
def test_magnitudes_equal_librosas_at_other_settings(settings, tolerance):
    audio = np.random.randn(settings[0] // 2)  # noqa: NPY002
    assert difference(audio, ConstantQ(*settings), silence=0.2) < tolerance


@given(st.integers(1, 3000))
def test_coefficients_of_any_length_equal_their_definition(samples):
    """Against a sum at the full rate; windows are rounded and moved by half a sample of their octave's rate."""
    audio = torch.randn(samples, dtype=torch.float64)
    found = SMALL(audio)
    assert found.shape == (90, -(-samples // HOP)) and found.dtype == torch.complex64
    quality = 1 / np.tanh(np.log(2) / 36)
    for index, halvings in ((0, 3), (40, 2), (89, 1)):
        frequency = 220 * 2 ** (index / 36)
        length = quality * RATE / frequency
        rounded = (2 * int(length / 2 ** (halvings + 1)) + 1) * 2**halvings
        for frame in range(found.shape[1]):
            time = torch.arange(samples, dtype=torch.float64) - (frame * HOP + HOP // 2)
            turn = (time - 2**halvings / 2) / rounded
            window = torch.where(turn.abs() < 0.5, torch.cos(torch.pi * turn).square(), 0.0)
            phase = torch.exp(-2j * torch.pi * frequency / RATE * time)
            expected = (audio * window * phase).sum() * 2 / rounded * length**0.5
            assert (found[index, frame] - expected).abs() < 2e-5


@pytest.mark.parametrize("index", [0, 40, 133, 263])
def test_a_tone_has_the_scale_and_the_phase_that_are_documented(index):
    cqt = ConstantQ()
    frequency = 27.5 * 2 ** (index / 36)
    tone = 0.3 * torch.cos(2 * torch.pi * frequency * torch.arange(4 * RATE, dtype=torch.float64) / RATE + 1.0)
    found = cqt(tone)[:, 150:250].to(torch.complex128)
    window = 1 / np.tanh(np.log(2) / 36) * RATE / frequency
    centre = (torch.arange(150, 250, dtype=torch.float64) + 0.5) * HOP / RATE
    expected = 0.15 * window**0.5 * torch.exp(1j * (2 * torch.pi * frequency * centre + 1.0))
    assert (found[index] - expected).abs().max() < 1e-3 * 0.15 * window**0.5
    assert (found.abs().argmax(0) == index).all()
    assert cqt.frequencies.shape == (264,) and abs(float(cqt.frequencies[index]) - frequency) < 1e-3


@given(st.integers(1, 4000), st.integers(1, 12), st.lists(st.integers(0, 4000), max_size=4))
def test_pieces_equal_the_whole(samples, tile_frames, places):
    audio = torch.randn(2, samples)
    pieces = torch.tensor_split(audio, sorted(min(place, samples) for place in places), dim=-1)
    tiles = list(SMALL.stream(pieces, tile_frames))
    assert all(tile.shape[-1] == tile_frames for tile in tiles[:-1])
    assert torch.allclose(torch.cat(tiles, dim=-1), SMALL(audio), atol=1e-5)


def test_a_frame_depends_on_its_context_only():
    for cqt in (ConstantQ(), SMALL):
        context = cqt.context_frames
        audio = torch.randn((3 * context + 2) * HOP)
        changed = audio.clone()
        changed[: context * HOP] += 100
        differs = (cqt(audio) != cqt(changed)).any(0)
        assert not differs[2 * context :].any()
        assert differs[: context + context // 2].all()  # and there is not much more context than it takes


def test_batches_devices_and_dtypes_change_nothing():
    audio = torch.randn(2, 3, 1000)
    whole = SMALL(audio)
    assert whole.shape == (2, 3, 90, 7)
    assert torch.allclose(whole[1, 2], SMALL(audio[1, 2]), atol=1e-5)
    assert torch.equal(whole, constant_q(audio, lowest=220.0, bins=90))
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(whole, SMALL(audio))
    assert SMALL(audio.half()).dtype == torch.complex64
    assert SMALL(audio[:0]).shape == (0, 3, 90, 7)


def test_gradients_flow_after_a_call_in_inference_mode():
    cqt = ConstantQ(lowest=221.0, bins=12, bins_per_octave=12)  # kernels that no other test made
    with torch.inference_mode():
        cqt(torch.randn(500))
    audio = torch.randn(400, dtype=torch.float64, requires_grad=True)
    cqt(audio).abs().square().sum().backward()
    step = 1e-3 * torch.randn(400, dtype=torch.float64)
    with torch.no_grad():
        rise = sum(sign * cqt(audio + sign * step).abs().square().double().sum() for sign in (1, -1)) / 2
    assert abs(float(audio.grad @ step) - float(rise)) < 0.02 * audio.grad.norm() * step.norm()


@pytest.mark.gpu
def test_cuda_equals_the_cpu():
    audio = torch.randn(2, 5 * RATE)
    expected = ConstantQ()(audio)
    assert (ConstantQ()(audio.cuda()).cpu() - expected).abs().max() < 1e-5 * expected.abs().max()


def test_logarithms_are_those_of_floored_magnitudes():
    assert torch.allclose(log_magnitude(torch.tensor([0j, 3 + 4j])), torch.tensor([1e-5, 5.0]).log(), atol=1e-5)
    assert torch.allclose(log_magnitude(torch.tensor([1.0]), floor=1.0), torch.tensor([2.0]).log())
    noise = 2**-15 / 12**0.5 * torch.randn(10 * RATE)  # rounding to 16 bits
    assert (log_magnitude(ConstantQ()(noise)).mean(-1) - np.log(2e-5)).abs().max() < 0.3


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"bins": 300}, "at most 294"),
        ({"lowest": 9000.0}, "at most 0"),
        ({"hop_length": 0}, "hop_length=0; expected a positive"),
        ({"lowest": float("nan")}, "lowest=nan"),
        ({"filter_scale": -1.0}, "filter_scale=-1.0"),
    ],
)
def test_bad_settings_are_named(settings, message):
    with pytest.raises(ValueError, match=message):
        ConstantQ(**settings)


def test_the_greatest_number_of_bins_is_accepted_and_no_audio_refused():
    assert ConstantQ(bins=294)(torch.zeros(1)).shape == (294, 1)
    with pytest.raises(ValueError, match="0 samples"):
        ConstantQ()(torch.zeros(1, 0))


@pytest.mark.parametrize(
    ("options", "shape"),
    [({}, (2, 264, 19)), ({"hop_length": 128, "lowest": 110.0, "bins": 50, "bins_per_octave": 24}, (2, 50, 24))],
)
def test_the_function_is_the_transform(options, shape):
    audio = torch.randn(2, 3000)
    assert torch.equal(constant_q(audio, **options), ConstantQ(**options)(audio))
    assert constant_q(audio, **options).shape == (
        2,
        options.get("bins", 264),
        -(-3000 // options.get("hop_length", 160)),
    )


def test_a_transform_is_a_value():
    with pytest.raises(dataclasses.FrozenInstanceError):
        ConstantQ().bins = 5
    assert ConstantQ() == ConstantQ(16000, 160, 27.5, 264, 36, 1.0) and hash(ConstantQ()) == hash(ConstantQ())


def test_pieces_have_2048_frames_unless_told_otherwise():
    tiles = list(ConstantQ(hop_length=2, lowest=2000.0, bins=2).stream([torch.randn(5000)]))
    assert [tile.shape for tile in tiles] == [(2, 2048), (2, 452)]
