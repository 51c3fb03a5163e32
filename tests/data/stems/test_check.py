"""The check of a folder: silent on sound stems, and one finding for every defect that is planted."""

import os
import tracemalloc

import numpy as np
import pytest
import soundfile

from latentstem.cli import main
from latentstem.data.stems import statistics
from latentstem.data.stems.check import check_folder
from latentstem.data.stems.layouts import StemError
from latentstem.data.stems.statistics import BLOCK_FRAMES, REACH, Correlator, FileMeter, LevelMeter

RATE = 44100
SAMPLES = 150_000  # more than one block
STEMS = ("bass", "drums", "keys")


@pytest.fixture
def band(write_stems, noise):
    """Write a sound track, changed by `change(stems, mixture)` before the mixture is added."""

    def write(track="a", change=lambda stems: None, mixture=None, rate=RATE):
        stems = {name: noise(seed, SAMPLES) / 4 for seed, name in enumerate(STEMS)}
        whole = sum(stems.values()) if mixture is None else mixture(stems)
        change(stems)
        return write_stems(track, {**stems, "mixture": whole}, rate=rate)

    return write


def findings(root, target="bass"):
    return [(p.place, p.finding, p.unusable) for p in check_folder(root, target).problems]


def test_sound_tracks_have_no_findings(band, tmp_path):
    band("a")
    report = check_folder(band("b"))
    assert report.problems == ()
    assert (report.tracks, report.usable, report.rates) == (2, 2, {RATE: 2})
    assert report.seconds == pytest.approx(2 * SAMPLES / RATE)
    assert report.sounding == 1.0


def shift(stem, by):
    def change(stems):
        stems[stem] = np.roll(stems[stem], by, axis=0)

    return change


def set_to(stem, values, where=slice(None)):
    def change(stems):
        stems[stem] = stems[stem].copy()
        stems[stem][where] = values

    return change


def drop(stem):
    return lambda stems: stems.pop(stem)


def copy(source, target):
    return lambda stems: stems.update({target: stems[source]})


PLANTED = {
    "target missing": (
        drop("bass"),
        ["bass: target is missing (found: drums, keys): name its file bass.wav or bass.flac"],
        True,
    ),
    "NaN": (set_to("keys", np.nan, 88_200), ["keys.wav: holds NaN or Inf, first at 2.00 s"], True),
    "Inf": (set_to("bass", -np.inf, 44_100), ["bass.wav: holds NaN or Inf, first at 1.00 s"], True),
    "silent target": (set_to("bass", 0), ["bass: is silent from end to end"], True),
    "silent other": (set_to("keys", 0), ["keys: is silent from end to end"], False),
    "mostly silent target": (set_to("bass", 0, slice(0, 120_000)), ["bass: is silent for 81% of the time"], False),
    "clipping": (
        set_to("drums", 1.0, slice(BLOCK_FRAMES - 2, BLOCK_FRAMES + 4)),
        ["drums.wav: clips: 1 run of samples at full scale, first at 2.23 s"],
        False,
    ),
    "twice": (copy("bass", "keys"), ["keys: is the same audio as bass"], True),
    "twice, not the target": (copy("drums", "keys"), ["keys: is the same audio as drums"], False),
    "late": (
        shift("keys", 100),
        ["keys: is misaligned, 100 samples (2.3 ms) later than in the mixture"],
        True,
    ),
    "early": (
        shift("bass", -5000),
        ["bass: is misaligned, 5000 samples (113.4 ms) earlier than in the mixture"],
        True,
    ),
}


@pytest.mark.parametrize("defect", PLANTED)
def test_planted_defects_are_found(band, defect):
    change, expected, unusable = PLANTED[defect]
    found = findings(band("a", change))
    for line in expected:
        assert any(f"{place}: {finding}".startswith(line) for place, finding, _ in found), found
    assert any(bad for *_, bad in found) == unusable
    # Nothing else, but that the mixture is then another sum.
    assert {place for place, *_ in found} <= {line.partition(":")[0] for line in expected} | {"mixture.wav"}


def test_several_misaligned_stems_are_all_found(band):
    def change(stems):
        shift("bass", 30)(stems)
        shift("keys", -400)(stems)

    found = findings(band("a", change))
    assert {(place, finding.split(" samples")[0]) for place, finding, _ in found} == {
        ("bass", "is misaligned, 30"),
        ("keys", "is misaligned, 400"),
    }


def test_a_lag_that_explains_little_is_said_to_be_doubtful(write_stems, noise):
    """Music that repeats fits in part within the reach of the check, though it stands further off."""
    stems = {
        "bass": (np.tile(noise(0, SAMPLES // 15), (15, 1)) + noise(1, SAMPLES)) / 4,
        "drums": noise(2, SAMPLES) / 4,
    }
    mixture = sum(stems.values())
    root = write_stems("a", {**stems, "bass": np.roll(stems["bass"], 25_000, axis=0), "mixture": mixture}, rate=RATE)
    (finding,) = (finding for place, finding, _ in findings(root) if place == "bass")
    assert REACH < 25_000 and finding.endswith("perhaps it is further off, more than 372 ms are not looked for)")


def test_a_lag_that_explains_all_is_not_doubted(band):
    assert not any("perhaps" in finding for _, finding, _ in findings(band("a", shift("bass", 5000))))


@pytest.mark.parametrize("lag", [1, 777, -1234])
def test_a_mixture_that_is_moved_as_a_whole_is_found(band, lag):
    ((place, finding, unusable),) = findings(
        band("a", mixture=lambda stems: 0.5 * np.roll(sum(stems.values()), lag, 0))
    )
    assert place == "mixture.wav" and not unusable
    assert finding.startswith(f"the mixture is {abs(lag)} samples") and ("later" in finding) == (lag > 0)


def test_a_mixture_at_another_gain_is_sound_and_one_of_other_music_is_not(band, noise):
    assert findings(band("a", mixture=lambda stems: 0.3 * sum(stems.values()))) == []
    ((place, finding, unusable),) = findings(
        band("a", mixture=lambda stems: sum(stems.values()) + noise(9, SAMPLES) / 8)
    )
    assert (place, unusable) == ("mixture.wav", False) and finding.startswith(
        "is not the sum of the stems: residual -1"
    )


def test_tonal_stems_are_not_taken_for_misaligned(write_stems):
    """A tone fits itself after every period: only a move that explains the residual counts."""
    time = np.arange(SAMPLES)[:, None] / RATE
    stems = {"bass": 0.2 * np.sin(2 * np.pi * 50 * time), "keys": 0.2 * np.sin(2 * np.pi * 441 * time)}
    root = write_stems("a", {**stems, "mixture": np.tanh(3 * sum(stems.values()))})
    assert [place for place, *_ in findings(root)] in ([], ["mixture.wav"])


def test_a_mixture_that_equals_a_stem_is_found_unless_the_stem_is_alone(band):
    found = findings(band("a", mixture=lambda stems: stems["keys"]))
    assert found == [("keys", "is the same audio as the mixture", True)]

    def alone(stems):
        stems["drums"] = stems["keys"] = np.zeros_like(stems["bass"])

    found = findings(band("a", alone, mixture=lambda stems: stems["bass"]))
    assert found == [(name, "is silent from end to end", False) for name in ("drums", "keys")]


def test_headers_are_compared(band, write_stems, noise, tmp_path):
    root = band("a", lambda stems: stems.update(keys=stems["keys"][:-RATE]))
    write_stems("a", {"drums": noise(1, SAMPLES)}, rate=48000)
    band("b", rate=48000)
    found = findings(root)
    assert ("", "files differ in sampling rate (bass.wav 44100 Hz, drums.wav 48000 Hz, keys.wav 44100 Hz, "
            "mixture.wav 44100 Hz): convert them to one", True) in found  # fmt: skip
    assert any(finding.startswith("files differ in length (keys.wav 2.40 s, ") for _, finding, _ in found)
    assert found[-1][1].startswith("tracks differ in sampling rate (44100 Hz in 1, 48000 Hz in 2)")


def test_files_that_cannot_be_read_are_found(band, write_stems, tmp_path):
    root = band("a")
    (root / "a" / "keys.wav").write_text("not audio")
    write_stems("a", {"drums": np.zeros((0, 1), dtype=np.float32)})
    found = findings(root)
    assert ("keys.wav", "is not a readable audio file", True) in found
    assert ("drums.wav", "is empty", True) in found
    # Cut in the middle, a flac still states its whole length.
    soundfile.write(root / "a" / "horns.flac", np.random.default_rng(0).uniform(-0.5, 0.5, SAMPLES), RATE)
    content = (root / "a" / "horns.flac").read_bytes()
    (root / "a" / "horns.flac").write_bytes(content[: len(content) // 2])
    assert ("horns.flac", "is damaged: it cannot be decoded to its end", True) in findings(root)


def test_a_stem_without_company_and_an_empty_folder_are_found(band, tmp_path):
    root = band("a", lambda stems: [stems.pop(name) for name in ("drums", "keys")])
    (root / "b").mkdir()
    found = findings(root)
    assert ("bass", "has no other stem beside it to make a mix of", True) in found
    assert ("bass", "target is missing (found: no audio): name its file bass.wav or bass.flac", True) in found
    for folder in (tmp_path / "nowhere", tmp_path / "b"):
        with pytest.raises(StemError):
            check_folder(folder)


@pytest.mark.parametrize("step", [1, 7, 1000])
def test_clipped_runs_do_not_depend_on_blocks(tmp_path, step):
    rng = np.random.default_rng(0)
    audio = np.where(rng.random((1000, 2)) < 0.6, rng.choice([-1.0, 1.0], (1000, 2)), 0.3)
    soundfile.write(tmp_path / "a.wav", audio, RATE, subtype="FLOAT")
    expected, first = 0, 1000
    for channel in audio.T:
        run = 0
        for n, sample in enumerate(channel):
            run = run + 1 if abs(sample) == 1 else 0
            if run == 3:
                expected, first = expected + 1, min(first, n - 2)
    meter = FileMeter(tmp_path / "a.wav")
    while len(meter.read(step)):
        pass
    assert (meter.clipped, meter.first_clipped) == (expected, first)


def test_the_sounding_share_is_that_of_the_blocks_within_40_decibels():
    levels = np.array([0.5, 0.1, 0.0, 0.006, 0.004, 1e-9, 0.3])
    meter = LevelMeter(100)
    for part in np.array_split(np.repeat(levels, 100), 9):
        meter.add(part)
    assert meter.sounding_share == pytest.approx(4 / 7)  # 0.5 / 0.006 is 38 dB, 0.5 / 0.004 is 42
    assert meter.peak == 0.5


def test_correlation_by_blocks_is_that_of_the_whole(monkeypatch):
    monkeypatch.setattr(statistics, "REACH", 8)
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((2, 3, 100))
    correlator = Correlator(3)
    for part in np.split(np.arange(100), [20, 23, 60]):
        correlator.add(x[:, part], y[:, part])
    for lag in range(-8, 9):
        n = np.arange(max(0, -lag), min(100, 100 - lag))
        assert correlator.values[:, 8 + lag] == pytest.approx((x[:, n] * y[:, n + lag]).sum(1), abs=1e-9)
    assert REACH > 8


def test_memory_does_not_grow_with_the_length(tmp_path):
    peaks = []
    for blocks in (2, 8):
        folder = tmp_path / str(blocks) / "a"
        folder.mkdir(parents=True)
        for seed, name in enumerate(("bass", "drums")):
            audio = np.random.default_rng(seed).uniform(-0.5, 0.5, blocks * BLOCK_FRAMES)
            soundfile.write(folder / f"{name}.wav", audio, RATE)
        tracemalloc.start()
        check_folder(folder.parent)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.2 * peaks[0]


def test_the_command_prints_a_table_and_tells_by_its_exit_code(band, tmp_path, capfd):
    root = band("sound")
    assert main(["data", "check", str(root)]) == 0
    out = capfd.readouterr().out.splitlines()
    assert out == ["1 of 1 tracks usable, 0.1 min, 44100 Hz; bass sounds for 100% of the time"]
    band("bad [one]", set_to("keys", np.nan, 100))
    assert main(["data", "check", str(root)]) == 1
    out = capfd.readouterr().out
    assert "bad [one]" in out and "holds NaN or Inf" in out and "unusable" in out and "1 of 2 tracks usable" in out
    assert main(["data", "check", str(root), "--target", "guitar"]) == 1
    assert "0 of 2 tracks usable" in capfd.readouterr().out


def test_no_folder_is_one_line_and_exit_code_2(tmp_path, capfd):
    for folder in (tmp_path / "nowhere", tmp_path):
        assert main(["data", "check", str(folder)]) == 2
        (line,) = capfd.readouterr().err.splitlines()
        assert line.startswith("error: ") and os.fspath(folder) in line
