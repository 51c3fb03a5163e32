"""BassNet as a pipeline: its windows, its control, and lines in pieces and in files."""

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from latentstem import BassNetModel, BassNetPipeline, read_audio, write_audio
from latentstem.audio.level import reference_gain
from latentstem.data.line import PitchLine
from latentstem.models import bassnet_spectrogram
from latentstem.pipelines import ControlPath, ControlPattern
from latentstem.pipelines.bassnet import join_lines
from latentstem.pipelines.bassnet_files import (
    LineOfFile,
    generate_line_file,
    infer_control_file,
    write_line_audio,
    write_line_midi,
)

PATH = ControlPath([0.0, 0.5, 2.0], [[0.0, 0.0], [2.0, -2.0], [-1.0, 3.0]])

IDENTITY = [[1.0, 0.0], [0.0, 1.0]]
PATTERNS = {
    "walking": {"mean": [1.5, -0.5], "covariance": IDENTITY, "share": 0.75},
    "deep": {"mean": [-1.0, 0.0], "covariance": IDENTITY, "share": 0.25},
}


def small_pipeline(resolutions=2):
    torch.manual_seed(0)
    model = BassNetModel(resolutions=resolutions, steps=10, channels=8, blocks=2, control_blocks=1)
    for layer in model.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            torch.nn.init.normal_(layer.bias)
    return BassNetPipeline(model.eval(), PATTERNS)


@pytest.fixture(scope="module")
def pipe():
    return small_pipeline()


def noise(samples, seed=1):
    return 0.1 * torch.randn(samples, generator=torch.Generator().manual_seed(seed))


def assert_equal_lines(one, other, atol=1e-4):
    for name in ("frequency", "level", "onset"):
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), rtol=1e-4, atol=atol)


@settings(max_examples=8)
@given(st.integers(1, 60_000), st.integers(1, 3))
def test_a_line_has_a_value_every_hundredth_of_a_second(samples, resolutions):
    out = small_pipeline(resolutions)(noise(samples), 16000, control=(1.0, 0.0))
    assert len(out.lines[0]) == -(-samples // 160)
    assert out.controls.shape[1] == -(-len(out.lines[0]) // (10 * 2 ** (resolutions - 1) // 2)) + 1


def test_a_line_is_the_overlap_add_of_all_windows_at_once(pipe):
    mix, windows = noise(50_000), pipe.windows
    out = pipe(mix, 16000, control=PATH)
    spectrum = bassnet_spectrogram(mix[None])[0]
    with torch.no_grad():
        decoded = pipe.model.decode(windows.compress(windows.cut(spectrum)).transpose(-1, -2), out.controls[0])
    level = windows.overlap_add(windows.expand(decoded.level.sigmoid()[:, :, None]), spectrum.shape[-1])[0]
    np.testing.assert_allclose(out.lines[0].level, 80 * level.numpy() - 80, atol=1e-3)


def test_a_mix_in_pieces_gives_the_same_line(pipe):
    mix = noise(400_000)
    pieces = pipe.stream(mix.split(7777), float(reference_gain(mix[None, None])), PATH)
    assert_equal_lines(join_lines(list(pieces)), pipe(mix, 16000, control=PATH).lines[0])


def test_the_level_of_a_mix_does_not_matter_and_a_batch_is_its_mixes(pipe):
    mixes = torch.stack([noise(20_000, seed) for seed in (1, 2)])[:, None]
    lines = pipe(mixes, 16000, control=(0.5, 0.5)).lines
    for line, mix in zip(lines, mixes, strict=True):
        assert_equal_lines(line, pipe(7 * mix[0], 16000, control=(0.5, 0.5)).lines[0], atol=1e-3)


def test_a_path_is_followed_where_it_goes(pipe):
    """A line under a path equals that of the point, where the path rests on it long enough."""
    mix = noise(64_000)
    here, there = [0.0, 0.0], [3.0, -3.0]
    moved = pipe(mix, 16000, control=ControlPath([2.0, 2.1], [here, there])).lines[0]
    for point, steps in ((here, slice(0, 190)), (there, slice(220, 400))):
        rest = pipe(mix, 16000, control=point).lines[0]
        np.testing.assert_allclose(moved.level[steps], rest.level[steps], atol=1e-3)
        assert np.abs(moved.level - rest.level).max() > 0.1


@given(st.lists(st.floats(0, 9), min_size=1, max_size=5, unique=True), st.floats(-2, 12))
def test_a_path_goes_in_straight_lines_between_its_points(times, time):
    times = sorted(times)
    points = [[3.0 * at - 1.0, 5.0] for at in times]
    expected = [3.0 * min(max(time, times[0]), times[-1]) - 1.0, 5.0]
    np.testing.assert_allclose(ControlPath(times, points).at([time]), [expected], atol=1e-6)


def test_the_control_of_a_bass_is_inferred_and_used(pipe):
    mix, bass = noise(20_000), noise(20_000, 2)
    controls = pipe.infer_control(mix, bass, 16000)
    out = pipe(mix, 16000, like=bass)
    torch.testing.assert_close(out.controls, controls)
    expected = pipe(mix, 16000, control=ControlPath(pipe.window_times(controls.shape[1]), controls[0].numpy()))
    assert_equal_lines(out.lines[0], expected.lines[0])
    assert not torch.allclose(controls, pipe.infer_control(mix, noise(20_000, 3), 16000))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        ({"control": [0.0]}, "expected 2 finite numbers"),
        ({"control": [0.0, float("nan")]}, "expected 2 finite numbers"),
        ({"control": "polka"}, "'polka'; expected one of: deep, walking"),
        ({"control": ControlPath([0.0], [[1.0, 2.0, 3.0]])}, "points of 3 numbers; expected 2"),
        ({"control": [0.0, 0.0], "like": torch.zeros(16000)}, "both control and like"),
        ({"like": torch.zeros(8000)}, "as long as it"),
        ({"sampling_rate": 44100}, "resample it first"),
        ({"mix": torch.full((16000,), torch.nan)}, "NaN"),
        ({"mix": torch.zeros(0)}, "at least one sample"),
    ],
)
def test_calls_that_cannot_work_say_why(pipe, call, words):
    with pytest.raises(ValueError, match=words):
        pipe(**{"mix": noise(16000), "sampling_rate": 16000, **call})


@pytest.mark.parametrize(
    ("times", "points"),
    [([], []), ([0.0, 0.0], [[0.0], [1.0]]), ([0.0], [[float("inf")]]), ([0.0, 1.0], [[0.0, 0.0]]), ([0.0], [0.0])],
)
def test_paths_that_are_none_are_refused(times, points):
    with pytest.raises(ValueError, match="got"):
        ControlPath(times, points)


def test_a_saved_pipeline_generates_the_same_line(pipe, tmp_path):
    pipe.save_pretrained(tmp_path)
    again = BassNetPipeline.from_pretrained(tmp_path)
    assert_equal_lines(again(noise(9000), 16000).lines[0], pipe(noise(9000), 16000).lines[0])
    assert again.patterns == pipe.patterns


def test_a_pattern_is_a_control_by_its_name(pipe):
    named, given = (pipe(noise(9000), 16000, control=control) for control in ("walking", (1.5, -0.5)))
    assert_equal_lines(named.lines[0], given.lines[0])
    assert not torch.allclose(named.controls, pipe(noise(9000), 16000, control="deep").controls)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"mean": [0.0]}, "a row of as many for each"),
        ({"mean": [0.0], "covariance": [[1.0]]}, "1 numbers for pattern 'deep'; expected 2"),
        ({"covariance": [[float("inf"), 0.0], [0.0, 1.0]]}, "finite"),
        ({"middle": [0.0, 0.0]}, "other fields than"),
    ],
)
def test_patterns_that_are_none_are_refused(pipe, changed, words):
    with pytest.raises(ValueError, match=words):
        BassNetPipeline(pipe.model, {"deep": {**PATTERNS["deep"], **changed}})


def test_names_of_patterns_are_words(pipe):
    with pytest.raises(ValueError, match="letters, digits"):
        BassNetPipeline(pipe.model, {"<img src=x>": PATTERNS["deep"]})


def test_weights_without_patterns_say_so(pipe):
    with pytest.raises(ValueError, match="'deep'; expected numbers: these weights name no pattern"):
        BassNetPipeline(pipe.model)(noise(9000), 16000, control="deep")


@given(st.integers(2, 5), st.integers(0, 1000))
def test_a_pattern_has_the_moments_of_its_points(dimensions, seed):
    rng = np.random.default_rng(seed)
    mixing, centre = rng.normal(size=(dimensions, dimensions)), rng.normal(size=dimensions)
    points = rng.normal(size=(300, dimensions)) @ mixing + centre
    pattern = ControlPattern.of(points, 0.5)
    centred = points - np.sum(points, axis=0) / 300
    np.testing.assert_allclose(pattern.mean, points.sum(0) / 300, atol=1e-4)
    np.testing.assert_allclose(pattern.covariance, centred.T @ centred / 299, atol=1e-4)


@pytest.mark.parametrize(("rate", "channels"), [(44100, 2), (8000, 1)])
def test_a_file_gives_the_line_of_its_samples_at_its_own_length(pipe, tmp_path, rate, channels):
    mix, file = tmp_path / "mix.wav", tmp_path / "line.flac"
    audio = torch.stack([noise(2 * rate, seed) for seed in range(channels)])
    write_audio(mix, audio, rate, bits="32f")
    made = generate_line_file(pipe, mix, (1.0, 1.0))
    assert len(made.line) == 200 and made.mix.samples == 2 * rate
    write_line_audio(made, file)
    sound, written = read_audio(file)
    assert written == rate and sound.shape == (1, 2 * rate)
    controls = infer_control_file(pipe, mix, file)
    assert controls.shape == (len(pipe.window_times(len(controls))), 2)


def test_a_line_is_as_loud_in_the_mix_as_it_is_beside_the_reference(pipe, tmp_path):
    line = PitchLine(np.full(200, 220.0), np.full(200, -20.0), np.eye(1, 200)[0])
    write_audio(tmp_path / "mix.wav", noise(88200)[None], 44100)
    made = generate_line_file(pipe, tmp_path / "mix.wav")
    peaks = []
    for gain in (1.0, 4.0):
        write_line_audio(LineOfFile(line, dataclasses.replace(made.mix, gain=gain)), tmp_path / "line.wav")
        peaks.append(read_audio(tmp_path / "line.wav")[0].abs().max())
    assert float(peaks[0] / peaks[1]) == pytest.approx(4.0, rel=1e-3)


def test_midi_holds_the_notes_of_the_line(tmp_path):
    pretty_midi = pytest.importorskip("pretty_midi")
    frequency = np.repeat([55.0, 82.41], 100)
    onset = np.zeros(200)
    onset[[0, 100]] = 1.0
    line = PitchLine(frequency, np.full(200, -12.0), onset)
    write_line_midi(line, tmp_path / "line.mid")
    notes = pretty_midi.PrettyMIDI(str(tmp_path / "line.mid")).instruments[0].notes
    assert [(note.pitch, round(note.start, 2)) for note in notes] == [(33, 0.0), (40, 1.0)]


def test_a_bass_of_another_length_is_refused(pipe, tmp_path):
    for name, seconds in (("mix", 2), ("bass", 1)):
        write_audio(tmp_path / f"{name}.wav", noise(seconds * 16000)[None], 16000)
    with pytest.raises(ValueError, match="from end to end"):
        infer_control_file(pipe, tmp_path / "mix.wav", tmp_path / "bass.wav")
