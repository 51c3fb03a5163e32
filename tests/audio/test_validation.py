import logging

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from latentstem.audio import validation


def prepare(audio, rate=44100, channels=1):
    return validation.prepare_audio(audio, rate, name="mix", expected_rate=44100, expected_channels=channels)


@given(samples=st.integers(1, 50), batch=st.integers(1, 3))
def test_every_shape_means_the_same(samples, batch):
    audio = torch.randn(samples)
    for given_as in (audio, audio[None], audio[None, None], audio.numpy(), audio.double().numpy()[None]):
        assert torch.equal(prepare(given_as), audio[None, None])
    many = torch.randn(batch, 1, samples)
    assert torch.equal(prepare(many), many)


def test_a_mono_model_takes_the_mean_of_stereo_and_says_so_once(caplog):
    validation._warn_once.cache_clear()
    stereo = torch.randn(2, 2, 100)
    with caplog.at_level(logging.WARNING, logger=validation.__name__):
        for _ in range(3):
            assert torch.allclose(prepare(stereo), (stereo[:, :1] + stereo[:, 1:]) / 2)
    assert [record.getMessage() for record in caplog.records if record.name == validation.__name__] == [
        "stereo input: this mono model takes, and makes, the mean of the two channels"
    ]


def test_nothing_is_said_of_audio_that_has_the_channels_of_the_model(caplog):
    validation._warn_once.cache_clear()
    with caplog.at_level(logging.WARNING, logger=validation.__name__):
        prepare(torch.randn(2, 1, 100))
        prepare(torch.randn(2, 2, 100), channels=2)
    assert not caplog.records


@pytest.mark.parametrize(("share", "cancels"), [(0.9e-4, True), (1.1e-4, False)])
def test_channels_cancel_where_their_mean_is_eighty_decibels_below_them(share, cancels):
    tone = torch.randn(5000, dtype=torch.float64)
    stereo = torch.stack([(1 + share) * tone, (share - 1) * tone])
    assert (stereo.mean(0) / tone).mean().item() == pytest.approx(share)
    batch = torch.stack([torch.randn(2, 5000).double(), stereo])
    if cancels:
        with pytest.raises(ValueError, match="anti-phase"):
            prepare(batch)
    else:
        prepare(batch)


def test_the_loudest_audio_is_taken_and_louder_one_refused():
    assert prepare(torch.full((10,), 1e12)).max() == 1e12
    with pytest.raises(ValueError, match=r"mix reaches 1.1e\+12; expected samples in \[-1, 1\]"):
        prepare(torch.full((10,), -1.1e12))
    for rate in ("44100", True, float("nan")):
        with pytest.raises(ValueError, match="expected a number in Hz"):
            prepare(torch.zeros(10), rate)


def test_a_few_samples_of_many_channels_are_told_from_many_samples_of_a_few():
    for samples, hint in ((2, "transpose it"), (3, "mix it down first")):
        with pytest.raises(ValueError, match=f"mix has 3 channels.*{hint}"):
            prepare(torch.zeros(3, samples))


def test_a_stereo_model_takes_both_channels():
    stereo = torch.randn(2, 100)
    assert torch.equal(prepare(stereo, channels=2)[0], stereo)


@given(samples=st.integers(3, 50), channels=st.integers(1, 2), found=st.integers(1, 2), cut=st.integers(0, 50))
def test_blocks_are_matched_as_the_whole_is(samples, channels, found, cut):
    audio = torch.randn(found, samples)
    if found < channels:
        with pytest.raises(ValueError, match="mix is mono and the weights are stereo"):
            validation.match_channels(audio, channels, "mix")
        return
    blocks = [validation.match_channels(block, channels, "mix") for block in audio.split(max(1, cut), dim=-1)]
    assert torch.equal(torch.cat(blocks, dim=-1), prepare(audio, channels=channels)[0])


def test_silence_is_no_error_and_read_only_arrays_are_taken():
    silence = np.zeros((2, 100), dtype=np.float32)
    silence.setflags(write=False)
    assert prepare(silence).abs().max() == 0


TONE = torch.randn(1, 5000)


@pytest.mark.parametrize(
    ("audio", "rate", "channels", "message"),
    [
        (TONE, 48000, 1, "48000 Hz .* 44100 Hz; resample"),
        (TONE, None, 1, "without its sampling_rate"),
        (torch.cat([TONE, -TONE]), 44100, 1, "anti-phase"),
        (torch.cat([TONE, TONE, TONE]), 44100, 1, "3 channels, .* mix it down"),
        (torch.randn(5000, 2), 44100, 1, "5000 channels, .* transpose"),
        (torch.zeros(1, 0), 44100, 1, "empty"),
        (torch.zeros(1, 1, 1, 9), 44100, 1, r"got \(1, 1, 1, 9\)"),
        (torch.tensor(0.5), 44100, 1, r"got \(\)"),
        (torch.tensor([0.0, float("nan")]), 44100, 1, "NaN"),
        (torch.tensor([0.0, float("inf")]), 44100, 1, "infinite"),
        (TONE, 44100, 2, "mono and the weights are stereo"),
    ],
)
def test_refuses_audio_it_cannot_use(audio, rate, channels, message):
    with pytest.raises(ValueError, match=message):
        prepare(audio, rate, channels)


@pytest.mark.parametrize("audio", [torch.zeros(9, dtype=torch.int16), np.zeros(9, dtype=np.int16), [0.0, 0.1], "a.wav"])
def test_refuses_what_is_not_floating_point_audio(audio):
    with pytest.raises(TypeError, match="floats in"):
        prepare(audio)
