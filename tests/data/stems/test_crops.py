"""Random crops of stem folders, against a plain read of the whole files."""

import itertools

import numpy as np
import pytest
import soundfile
import soxr
import torch

from latentstem.audio.level import REFERENCE_RMS, active_rms
from latentstem.data.stems.crops import StemCrops
from latentstem.data.stems.folder import StemFolder

RATE = 44100
CROP = 4096


def find(whole, part):
    """Where a scaled part comes from: the offset and the factor, by correlation with the whole."""
    whole, part = whole.astype(np.float64), part.astype(np.float64)
    size = 1 << (len(whole) + len(part) - 1).bit_length()
    scores = np.fft.irfft(np.fft.rfft(whole, size) * np.conj(np.fft.rfft(part, size)), size)
    start = int(np.argmax(scores[: len(whole) - len(part) + 1]))
    original = whole[start : start + len(part)]
    return start, float(part @ original / (original @ original))


def test_a_crop_is_a_slice_of_the_whole_file(write_stems, noise):
    bass, drums = noise(0), noise(1)
    root = write_stems("a", {"bass": bass, "drums": drums})
    crops = StemCrops(StemFolder(root), CROP, seed=3)
    gain = REFERENCE_RMS / float(active_rms(torch.from_numpy(bass.T.copy())[None]))
    starts = set()
    for index in range(8):
        mix, stem = crops[index]
        assert mix.shape == stem.shape == (1, CROP) and mix.dtype == stem.dtype == torch.float32
        start, factor = find(bass[:, 0], stem[0].numpy())
        starts.add(start)
        assert stem[0].numpy() == pytest.approx(factor * bass[start : start + CROP, 0], abs=1e-6)
        assert factor == pytest.approx(gain, rel=0.01)
        # The mix is cut at the same place.
        mix_start, mix_factor = find(drums[:, 0], mix[0].numpy())
        assert mix_start == start
        assert mix[0].numpy() == pytest.approx(mix_factor * drums[start : start + CROP, 0], abs=1e-6)
    assert len(starts) > 4


def test_the_mix_is_a_sum_of_other_stems_and_never_holds_the_target(write_stems, noise):
    stems = {name: noise(seed) for seed, name in enumerate(("bass", "drums", "keys", "voice", "mixture"))}
    root = write_stems("a", stems)
    # As long as the track, so that the crop is the track and least squares gives the gains.
    crops = StemCrops(StemFolder(root), 60_000, seed=0, full_mix_share=0.0)
    columns = np.concatenate(list(stems.values()), axis=1)
    counts = set()
    for index in range(24):
        mix = crops[index][0][0].numpy()
        gains, residual, *_ = np.linalg.lstsq(columns, mix, rcond=None)
        assert residual[0] < 1e-6 * np.square(mix).sum()
        assert abs(gains[0]) < 1e-4 and abs(gains[4]) < 1e-4
        used = gains[1:4][np.abs(gains[1:4]) > 1e-4]
        assert used.max() / used.min() <= 2.001
        counts.add(len(used))
    assert counts == {1, 2, 3}


def test_the_full_mix_holds_all_other_stems(write_stems, noise):
    stems = {name: noise(seed) for seed, name in enumerate(("bass", "drums", "keys", "voice"))}
    crops = StemCrops(StemFolder(write_stems("a", stems)), 60_000, full_mix_share=1.0, gain_range=(1.0, 1.0))
    mix, stem = crops[0]
    total = stems["drums"] + stems["keys"] + stems["voice"]
    _, factor = find(total[:, 0], mix[0].numpy())
    assert mix[0].numpy() == pytest.approx(factor * total[:, 0], abs=1e-6)
    for audio in (mix, stem):
        assert float(active_rms(audio[None])) == pytest.approx(REFERENCE_RMS, rel=0.02)


def test_levels_are_those_of_the_track_so_that_quiet_passages_stay_quiet(write_stems, noise):
    bass = noise(0, 20 * RATE)
    bass[10 * RATE :] *= 0.1
    root = write_stems("a", {"bass": bass, "drums": noise(1, 20 * RATE)})
    crops = StemCrops(StemFolder(root), CROP, seed=1)
    levels = [float(crops[index][1].square().mean().sqrt()) for index in range(24)]
    loud, quiet = [level for level in levels if level > 0.05], [level for level in levels if level < 0.05]
    assert loud and quiet
    assert np.mean(loud) / np.mean(quiet) == pytest.approx(10, rel=0.1)


def test_crops_are_a_function_of_seed_and_index(write_stems, noise):
    root = write_stems("a", {"bass": noise(0), "drums": noise(1), "keys": noise(2)})
    write_stems("b", {"bass": noise(3), "drums": noise(4)})
    first, again = StemCrops(StemFolder(root), CROP, seed=5), StemCrops(StemFolder(root), CROP, seed=5)
    other = StemCrops(StemFolder(root), CROP, seed=6)
    backwards = [again[index] for index in range(9, -1, -1)][::-1]
    for index, pair in enumerate(backwards):
        assert all(torch.equal(a, b) for a, b in zip(first[index], pair, strict=True))
        assert not torch.equal(first[index][1], other[index][1])
    assert all(not torch.equal(a[1], b[1]) for a, b in itertools.combinations(backwards, 2))


def test_length_ends_the_data_set(write_stems, noise):
    crops = StemCrops(StemFolder(write_stems("a", {"bass": noise(0), "keys": noise(1)})), CROP, length=3)
    assert len(crops) == 3 and len(list(crops)) == 3
    with pytest.raises(IndexError):
        crops[3]


def test_files_are_not_decoded_whole_once_levels_are_known(write_stems, noise, monkeypatch):
    root = write_stems("a", {"bass": noise(0, 500_000), "drums": noise(1, 500_000)})
    crops = StemCrops(StemFolder(root), CROP)
    crops[0]
    frames = []
    read = soundfile.SoundFile.read
    monkeypatch.setattr(
        soundfile.SoundFile, "read", lambda self, count=-1, **kw: frames.append(count) or read(self, count, **kw)
    )
    crops[1]
    assert frames == [CROP, CROP]


def test_short_tracks_and_short_stems_continue_with_silence(write_stems, noise):
    bass = noise(0, 1000)
    root = write_stems("a", {"bass": bass, "drums": noise(1, 3000)})
    folder = StemFolder(root)
    assert folder.tracks[0].length() == 3000
    mix, stem = StemCrops(folder, CROP)[0]
    assert stem[0, :1000].abs().amax() > 0 and not stem[0, 1000:].any()
    assert mix[0, :3000].abs().amax() > 0 and not mix[0, 3000:].any()
    assert not folder.tracks[0].read("bass", 2000, 50).any()


def test_a_silent_mix_stays_silent_and_finite(write_stems, noise):
    silence = np.zeros((10_000, 1), dtype=np.float32)
    mix, stem = StemCrops(StemFolder(write_stems("a", {"bass": noise(0), "drums": silence})), CROP)[0]
    assert not mix.any() and stem.isfinite().all() and stem.any()


def resting(noise, rate=RATE):
    """Twenty seconds, of which the bass plays the last two."""
    bass = noise(0, 20 * rate)
    bass[: 18 * rate] = 0
    return {"bass": bass, "drums": noise(1, 20 * rate)}


@pytest.mark.parametrize("rate", [RATE, 48000])
def test_crops_without_the_target_are_drawn_again_but_for_a_share(write_stems, noise, rate):
    folder = StemFolder(write_stems("a", resting(noise, rate), rate=rate))

    def silent_share(rest_share, count=60):
        crops = StemCrops(folder, CROP, seed=1, rest_share=rest_share)
        return sum(not crops[index][1].abs().amax() > 1e-3 for index in range(count)) / count

    # A tenth of the places sounds, so nine draws all miss it with probability 0.39.
    assert silent_share(1.0) == pytest.approx(0.9, abs=0.13)
    assert silent_share(0.0) == pytest.approx(0.39, abs=0.19)


def test_redrawn_crops_are_a_function_of_seed_and_index(write_stems, noise):
    folder = StemFolder(write_stems("a", resting(noise)))
    first, again = StemCrops(folder, CROP, seed=5), StemCrops(folder, CROP, seed=5)
    for index in (7, 2, 0):
        again[index]
    for index in range(8):
        assert all(torch.equal(a, b) for a, b in zip(first[index], again[index], strict=True))


def test_the_mix_holds_only_the_stems_asked_for(write_stems, noise):
    stems = {name: noise(seed) for seed, name in enumerate(("bass", "drums", "keys", "voice"))}
    root = write_stems("a", stems)
    write_stems("b", {"bass": noise(8), "voice": noise(9)})
    folder = StemFolder(root, mix_stems=["drums", "keys"])
    assert [track.name for track in folder.tracks] == ["a"] and folder.skipped == ("b",)
    crops = StemCrops(folder, 60_000, full_mix_share=0.5)
    columns = np.concatenate(list(stems.values()), axis=1)
    used = [np.abs(np.linalg.lstsq(columns, crops[index][0][0].numpy())[0]) > 1e-4 for index in range(12)]
    assert np.any(used, axis=0).tolist() == [False, True, True, False]


@pytest.mark.parametrize("rate", [16_000, 24_000, 48_000])
def test_crops_at_another_rate_are_of_the_resampled_track(write_stems, noise, rate):
    bass, drums = noise(0, 30_000), noise(1, 30_000)
    crops = StemCrops(StemFolder(write_stems("a", {"bass": bass, "drums": drums}), sampling_rate=rate), 1500, seed=1)
    whole = [soxr.resample(audio[:, 0], RATE, rate) for audio in (drums, bass)]
    for index in range(4):
        starts = set()
        for original, part in zip(whole, crops[index], strict=True):
            start, factor = find(original, part[0].numpy())
            inner = slice(200, 1300)
            assert part[0, inner].numpy() == pytest.approx(factor * original[start : start + 1500][inner], abs=1e-3)
            starts.add(start)
        assert len(starts) == 1


def test_a_crop_has_at_least_one_sample(write_stems, noise):
    folder = StemFolder(write_stems("a", {"bass": noise(0), "drums": noise(1)}))
    with pytest.raises(ValueError, match="expected at least 1"):
        StemCrops(folder, 0)
