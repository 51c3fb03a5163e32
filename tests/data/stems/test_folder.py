"""Stem folders and their tracks, against a plain read of the whole files."""

import math
from fractions import Fraction

import numpy as np
import pytest
import soundfile
import soxr
import torch
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from latentstem.audio.level import REFERENCE_RMS, active_rms
from latentstem.data.stems.crops import StemCrops
from latentstem.data.stems.folder import StemFolder
from latentstem.data.stems.layouts import StemError

RATE = 44100
CROP = 4096


def test_channels_are_averaged(write_stems, noise):
    bass = noise(0, channels=2)
    track = StemFolder(write_stems("a", {"bass": bass, "drums": noise(1)}, suffix=".flac")).tracks[0]
    assert track.read("bass")[0].numpy() == pytest.approx(bass.mean(axis=1), abs=1e-6)


def test_tracks_with_a_silent_target_are_left_out_and_named(write_stems, noise):
    dither = 5e-5 * np.sign(noise(1))
    root = write_stems("a", {"bass": noise(0), "drums": noise(1)})
    for track, bass in (("b", np.zeros((200_000, 1), dtype=np.float32)), ("c", dither)):
        write_stems(track, {"bass": bass, "drums": noise(2)})
    late = np.zeros((300_000, 1), dtype=np.float32)
    late[-10:] = 0.1
    write_stems("d", {"bass": late, "drums": noise(2)})
    with pytest.warns(UserWarning, match=one_line("bass is silent: b, c")):
        folder = StemFolder(root)
    assert [track.name for track in folder.tracks] == ["a", "d"]
    assert folder.silent == ("b", "c") and folder.skipped == ()
    for track in ("a", "d"):
        write_stems(track, {"bass": dither})
    with pytest.raises(StemError, match=one_line("bass is silent in every track")):
        StemFolder(root)


def test_a_stem_of_several_files_is_their_sum(tmp_path, noise):
    parts = [noise(0), noise(1, 40_000), noise(2)]
    (tmp_path / "a" / "bass").mkdir(parents=True)
    (tmp_path / "a" / "drums").mkdir()
    for index, part in enumerate(parts):
        soundfile.write(tmp_path / "a" / "bass" / f"{index}.wav", part, RATE, subtype="FLOAT")
    soundfile.write(tmp_path / "a" / "drums" / "kit.wav", noise(3), RATE, subtype="FLOAT")
    expected = parts[0] + parts[2]
    expected[:40_000] += parts[1]
    folder = StemFolder(tmp_path)
    assert folder.tracks[0].read("bass", 30_000, 20_000)[0].numpy() == pytest.approx(
        expected[30_000:50_000, 0], abs=1e-6
    )
    # Two thirds of the track hold three parts, one third two: the level is measured on the sum.
    stem = StemCrops(folder, 60_000)[0][1][0].numpy()
    factor = float(stem @ expected[:, 0]) / float(np.square(expected).sum())
    assert stem == pytest.approx(factor * expected[:, 0], abs=1e-6)
    assert factor == pytest.approx(REFERENCE_RMS / float(active_rms(torch.from_numpy(expected.T)[None])), rel=0.01)


RATES = st.sampled_from([8000, 16000, 22050, 24000, 44100, 44101, 48000, 96000, 192_000])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    file_rate=RATES,
    rate=RATES,
    file_samples=st.integers(1, 60_000),
    channels=st.integers(1, 2),
    thousandths=st.integers(0, 1100),
    samples=st.integers(1, 20_000),
)
@example(file_rate=48_000, rate=44_100, file_samples=60_000, channels=1, thousandths=777, samples=9000)
@example(file_rate=44_101, rate=24_000, file_samples=60_000, channels=2, thousandths=501, samples=9000)
@example(file_rate=192_000, rate=16_000, file_samples=60_000, channels=1, thousandths=401, samples=1000)
def test_a_part_is_that_part_of_the_whole_resampled_file(
    write_stems, noise, file_rate, rate, file_samples, channels, thousandths, samples
):
    """To 1e-5 of full scale, and to the sample; soxr of the whole file is what it is held against."""
    bass = noise(file_samples, file_samples, channels=2)
    track = StemFolder(write_stems("a", {"bass": bass, "drums": bass[:1]}, rate=file_rate)).tracks[0]
    assert track.length(rate) == math.ceil(Fraction(file_samples * rate, file_rate))
    expected = bass if channels == 2 else bass.mean(axis=1, keepdims=True)
    if rate != file_rate:
        beyond = np.zeros((file_rate, channels), dtype=np.float32)  # the file goes on with silence
        expected = soxr.resample(np.concatenate([expected, beyond]), file_rate, rate)
    first = thousandths * track.length(rate) // 1000
    part = track.read("bass", first, samples, channels, rate)
    assert part.shape == (channels, samples) and part.dtype == torch.float32
    expected = np.concatenate([expected, np.zeros((first + samples, channels), np.float32)])[first : first + samples]
    ringing = slice(0, max(0, track.length(rate) - first))  # where the file has ended its filter still rings
    assert np.abs(part.numpy().T[ringing] - expected[ringing]).max(initial=0) < 1e-5
    assert track.read("bass", channels=channels, sampling_rate=rate).shape == (channels, track.length(rate))


def test_stereo_keeps_its_sides_and_a_mono_file_sounds_in_both(write_stems, noise):
    bass, drums = noise(0, channels=2), noise(1)
    folder = StemFolder(write_stems("a", {"bass": bass, "drums": drums}), channels=2)
    track = folder.tracks[0]
    assert np.array_equal(track.read("bass", 7, 5000, channels=2).numpy().T, bass[7:5007])
    assert np.array_equal(track.read("drums", 7, 5000, channels=2).numpy().T, drums[7:5007].repeat(2, axis=1))
    mix, stem = StemCrops(folder, 60_000)[0]
    assert mix.shape == stem.shape == (2, 60_000)
    left = bass[:, 0].astype(np.float64)  # sums of this many float32 differ between processors
    factor = float(stem[0].numpy().astype(np.float64) @ left) / float(left @ left)
    assert pytest.approx(factor * bass, abs=1e-6) == stem.numpy().T
    assert float(active_rms(stem[None])) == pytest.approx(REFERENCE_RMS, rel=0.02)


def test_anti_phase_stereo_is_silent_to_a_mono_net_alone_and_named(write_stems, noise):
    side = noise(0)
    root = write_stems("a", {"bass": np.concatenate([side, -side], axis=1), "drums": noise(1)})
    assert len(StemFolder(root, channels=2).tracks) == 1
    with pytest.raises(StemError, match=one_line(r"silent in every track .*a \(anti-phase: its channels cancel\)")):
        StemFolder(root)
    write_stems("b", {"bass": noise(0), "drums": noise(1)})
    with pytest.warns(UserWarning, match=one_line("bass is silent: a .anti-phase")):
        assert [track.name for track in StemFolder(root).tracks] == ["b"]


def test_more_than_two_channels_are_refused(write_stems, noise):
    root = write_stems("a", {"bass": noise(0), "drums": noise(1, channels=6)})
    with pytest.raises(StemError, match=one_line("drums.wav has 6 channels, expected 1 or 2")):
        StemFolder(root)
    with pytest.raises(ValueError, match="channels is 6, expected 1"):
        StemFolder(root, channels=6)


def test_tracks_without_target_or_company_are_left_out(write_stems, noise):
    root = write_stems("a", {"bass": noise(0), "drums": noise(1)})
    write_stems("b", {"drums": noise(2)})
    write_stems("c", {"bass": noise(3), "mixture": noise(4)})
    write_stems(".d", {"bass": noise(5), "drums": noise(6)})
    folder = StemFolder(root)
    assert [track.name for track in folder.tracks] == ["a"]
    assert folder.skipped == ("b", "c")
    assert set(folder.tracks[0].files) == {"bass", "drums"}


def one_line(match):
    return rf"\A(?=.*{match})[^\n]*\Z"


def test_what_cannot_be_used_is_named(write_stems, noise, tmp_path):
    with pytest.raises(StemError, match=one_line("is not a folder")):
        StemFolder(tmp_path / "nowhere")
    with pytest.raises(StemError, match=one_line("no tracks in")):
        StemFolder(tmp_path)
    root = write_stems("a", {"bass": noise(0)})
    with pytest.raises(StemError, match=one_line("has a stem beside 'bass'")):
        StemFolder(root)
    write_stems("a", {"drums": noise(0)})
    with pytest.raises(StemError, match=one_line("none of the 1 folders .* holds guitar.wav")):
        StemFolder(root, target="guitar")
    write_stems("b", {"bass": noise(0)})
    write_stems("b", {"drums": noise(1)}, rate=48000)
    with pytest.raises(StemError, match=one_line("track b differ in sampling rate")):
        StemFolder(root)
    (tmp_path / "b" / "drums.wav").write_text("not audio")
    with pytest.raises(StemError, match=one_line("drums.wav is not a readable audio file")):
        StemFolder(root)


def test_mix_stems_that_no_track_can_have_are_refused(write_stems, noise):
    root = write_stems("a", {name: noise(seed) for seed, name in enumerate(("bass", "drums", "keys"))})
    with pytest.raises(StemError, match=one_line("expected names other than 'bass'")):
        StemFolder(root, mix_stems=["bass", "keys"])
    with pytest.raises(StemError, match=one_line("has a stem beside 'bass' among horns")):
        StemFolder(root, mix_stems=["horns"])
    assert [*StemFolder(root, mix_stems=[]).tracks[0].files] == ["bass"]


def test_empty_stems_and_nan_are_named(write_stems, noise):
    empty = np.zeros((0, 1), dtype=np.float32)
    root = write_stems("a", {"bass": empty, "drums": empty})
    with pytest.raises(StemError, match=one_line("stems of track a are empty")):
        StemFolder(root)
    bad = noise(0)
    bad[-1] = np.nan
    write_stems("a", {"bass": bad, "drums": noise(1)})
    with pytest.raises(StemError, match=one_line("bass.wav holds NaN or Inf")):
        StemCrops(StemFolder(root), CROP)[0]
