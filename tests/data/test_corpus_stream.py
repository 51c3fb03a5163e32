"""Songs streamed into training: aligned, level-matched, shuffled, and the same stream from the same arguments."""

from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from latentstem.audio.level import active_rms
from latentstem.data import corpus_stream
from latentstem.data.corpus_stream import BandStream

SAMPLES = 44100


@pytest.fixture
def composed(monkeypatch):
    """Songs of two seconds: a ramp from the seed up as the bass, with silence in its second half, and two others."""
    monkeypatch.setattr(corpus_stream, "synthesizer_path", lambda: "fluidsynth")
    monkeypatch.setattr(corpus_stream, "soundfont_path", lambda name: name)

    def render(song, soundfont):
        time = np.arange(2 * SAMPLES, dtype=np.float32) / SAMPLES
        bass = np.where(time < 1, np.sin(2 * np.pi * (200 + song.seed) * time), 0).astype(np.float32)
        return {"bass": bass, "low": 0.5 * time, "high": 0.25 * time}

    monkeypatch.setattr(corpus_stream, "render_song", render)

    def compose(seed, duration):
        return SimpleNamespace(seed=seed, duration=duration, names=("bass", "low", "high"))

    def stream(**options):
        options = {"crop_samples": 8192, "seeds": range(50), "duration": 2.0, "compose": compose, **options}
        return BandStream(**options)

    return stream


def take(stream, count):
    crops = iter(stream)
    return [next(crops) for _ in range(count)]


def test_mix_and_stem_are_cut_at_the_same_place_of_the_level_matched_song(composed):
    for mix, stem in take(composed(rest_share=1.0, crops_per_song=1, store=0), 20):
        assert mix.shape == stem.shape == (1, 8192)
        # The mix is a ramp through the origin, whatever its gains: at the reference loudness its slope is known, and
        # so is the place of the crop.
        ramp = torch.arange(2 * SAMPLES) / SAMPLES
        slope = 0.1 / float(active_rms(ramp[None, None]))
        start = round(float(mix[0, 0]) / slope * SAMPLES)
        assert torch.allclose(mix[0], slope * ramp[start : start + 8192], atol=1e-4)
        silent_from = max(0, SAMPLES - start)
        assert not stem[0, silent_from + 1 :].any()
        if silent_from > 4096:
            assert stem[0, :4096].square().mean().sqrt() == pytest.approx(0.1, rel=0.1)


def test_most_crops_hold_bass(composed):
    silent = {
        share: np.mean([not stem.any() for _, stem in take(composed(rest_share=share), 200)]) for share in (0.0, 1.0)
    }
    assert silent[0.0] < 0.03 and silent[1.0] > 0.3


def test_the_stream_is_a_function_of_its_seed(composed):
    first, again, other = (take(composed(seed=seed), 30) for seed in (1, 1, 2))
    assert all(torch.equal(a, b) for one, two in zip(first, again, strict=True) for a, b in zip(one, two, strict=True))
    assert not any(torch.equal(one[0], two[0]) for one, two in zip(first, other, strict=True))
    assert not torch.equal(composed(seed=1).crops(0)[0][0], composed(seed=2).crops(0)[0][0])


def test_neighbours_come_from_different_songs(composed):
    def neighbours_alike(store):
        tones = [round(torch.fft.rfft(stem[0], n=SAMPLES).abs().argmax().item()) for _, stem in crops(store)]
        return np.mean([one == two for one, two in pairwise(tones)])

    def crops(store):
        return take(composed(store=store, rest_share=0.0), 80)

    assert neighbours_alike(0) > 0.7 and neighbours_alike(40) < 0.4


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of Python 3.12: forks beside threads
@pytest.mark.filterwarnings("ignore:This DataLoader will create")  # on one core
def test_workers_render_different_songs_in_one_order(composed):
    stream = composed(store=8)
    streams = []
    for _ in range(2):
        batches = iter(DataLoader(stream, batch_size=4, num_workers=2))
        streams.append([next(batches) for _ in range(6)])
    for one, two in zip(*streams, strict=True):
        assert torch.equal(one[0], two[0]) and torch.equal(one[1], two[1])
    mixes = torch.cat([mix for mix, _ in streams[0]])
    assert len({mix.numpy().tobytes() for mix in mixes}) == len(mixes)


def test_a_short_song_goes_on_with_silence(composed):
    ((mix, stem),) = take(composed(crop_samples=3 * SAMPLES), 1)
    assert mix.shape == (1, 3 * SAMPLES) and not mix[0, 2 * SAMPLES :].any() and not stem[0, SAMPLES:].any()
    assert active_rms(stem[None])[0] == pytest.approx(0.1, rel=1e-3)


def test_wrong_arguments_are_named(composed, monkeypatch):
    with pytest.raises(ValueError, match="crop_samples is 0"):
        composed(crop_samples=0)
    monkeypatch.undo()
    with pytest.raises(ValueError, match="unknown soundfont 'piano'"):
        BandStream(8192, soundfonts=("piano",))


@pytest.mark.fluidsynth
def test_real_songs_come_through():
    stream = BandStream(20_000, duration=3.0, soundfonts=("timgm6mb",), crops_per_song=3, store=0)
    mix, stem = next(iter(stream))
    assert mix.isfinite().all() and mix.any() and not torch.equal(mix, stem)
