"""Published layouts of stems, each read back against sums of the arrays that were written."""

import json

import numpy as np
import pytest
import soundfile

from latentstem.data.stems.folder import StemFolder
from latentstem.data.stems.layouts import StemError, track_files

RATE = 44100

# As Slakh2100's own program writes it, with what is not used here.
STEM = """\
  {name}:
    audio_rendered: {rendered}
    inst_class: {kind}
    integrated_loudness: -12.82074180245363
    is_drum: {drum}
    midi_program_name: Electric Bass (pick)
    midi_saved: true
    plugin_name: classic_bass.nkm
    program_num: 34
"""
METADATA = """\
UUID: 1a81ae092884234f3264e2f45927f00a
audio_dir: stems
normalized: true
overall_gain: 0.18270259567062658
stems:
{stems}target_peak: -1.0
"""


def write(path, audio, subtype="FLOAT"):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, audio, RATE, subtype=subtype)


def assert_reads(root, target, expected):
    """Every stem of the only track is what it was written as."""
    (track,) = StemFolder(root, target).tracks
    assert list(track.files) == sorted(expected)
    for name, audio in expected.items():
        assert track.read(name)[0].numpy() == pytest.approx(audio.mean(axis=1), abs=2e-6), name


def test_musdb(tmp_path, noise):
    stems = {name: noise(seed, 5000, channels=2) for seed, name in enumerate(("bass", "drums", "other", "vocals"))}
    for name, audio in stems.items():
        write(tmp_path / "A - B" / f"{name}.wav", audio)
    write(tmp_path / "A - B" / "mixture.wav", sum(stems.values()))
    (tmp_path / "A - B" / "._bass.wav").write_bytes(b"\0\5\26\7")
    for target in stems:
        assert_reads(tmp_path, target, stems)
    assert track_files(tmp_path / "A - B").mixture == tmp_path / "A - B" / "mixture.wav"


def test_moisesdb(tmp_path, noise):
    track = tmp_path / "0a1b"
    parts = {"bass": [noise(0, 5000)], "drums": [noise(1, 5000), noise(2, 3000), noise(3, 5000)]}
    parts["other keys"] = [noise(4, 4000), noise(5, 5000)]
    for name, audios in parts.items():
        for index, audio in enumerate(audios):
            write(track / name / f"{name}-{index}.wav", audio)
    (track / "vocals").mkdir()
    (track / "data.json").write_text(json.dumps({"song": "x", "stems": [{"stemName": "bass", "tracks": []}]}))
    expected = {name: np.zeros((5000, 1)) for name in parts}
    for name, audios in parts.items():
        for audio in audios:
            expected[name][: len(audio)] += audio
    assert_reads(tmp_path, "drums", expected)
    assert track_files(track).mixture is None


def slakh(tmp_path, classes, rendered=None):
    """A track of Slakh with one flac a stem; `classes` maps S00 to (class, is it a drum)."""
    track, audios = tmp_path / "Track00001", {}
    block = ""
    for seed, (name, (kind, drum)) in enumerate(classes.items()):
        is_rendered = rendered is None or name in rendered
        block += STEM.format(name=name, kind=kind, drum=str(drum).lower(), rendered=str(is_rendered).lower())
        if is_rendered:
            audios[name] = np.random.default_rng(seed).uniform(-0.2, 0.2, (5000, 1))
            write(track / "stems" / f"{name}.flac", audios[name], "PCM_24")
    (track / "metadata.yaml").write_text(METADATA.format(stems=block))
    write(track / "mix.flac", sum(audios.values()), "PCM_24")
    (track / "MIDI").mkdir()
    return track, audios


def test_slakh(tmp_path):
    classes = {
        "S00": ("Guitar", False),
        "S01": ("Bass", False),
        "S02": ("Guitar", False),
        "S03": ("Strings (continued)", False),
        "S05": ("Drums", True),
        "S06": ("Piano", True),  # what is a drum is drums, whatever its class says
        "S10": ("Piano", False),
        "S11": ("'Bass'", False),
    }
    track, audios = slakh(tmp_path, classes, rendered=set(classes) - {"S10"})
    expected = {
        "bass": audios["S01"] + audios["S11"],
        "guitar": audios["S00"] + audios["S02"],
        "strings (continued)": audios["S03"],
        "drums": audios["S05"] + audios["S06"],
    }
    assert_reads(tmp_path, "bass", expected)
    assert_reads(tmp_path, "guitar", expected)
    assert track_files(track).mixture == track / "mix.flac"


def test_slakh_files_that_the_metadata_do_not_know_are_named(tmp_path):
    track, _ = slakh(tmp_path, {"S00": ("Bass", False), "S01": ("Guitar", False)})
    write(track / "stems" / "S07.flac", np.zeros(10), "PCM_24")
    with pytest.raises(StemError, match=r"\A(?=.*gives no inst_class for S07.flac)[^\n]*\Z"):
        track_files(track)


def test_layouts_may_be_mixed_under_one_folder(tmp_path, noise):
    slakh(tmp_path, {"S00": ("Bass", False), "S01": ("Guitar", False)})
    for name in ("bass", "drums"):
        write(tmp_path / "musdb" / f"{name}.wav", noise(0))
        write(tmp_path / "moises" / name / "take.wav", noise(0))
    (tmp_path / "nothing").mkdir()
    folder = StemFolder(tmp_path)
    assert [track.name for track in folder.tracks] == ["Track00001", "moises", "musdb"]
    assert folder.skipped == ("nothing",)


def test_only_the_mixture_beside_folders_of_stems_is_a_mixture(tmp_path, noise):
    for path in ("mixture.wav", "bass/1.wav", "drums/1.wav"):
        write(tmp_path / path, noise(0))
    files = track_files(tmp_path)
    assert list(files.stems) == ["bass", "drums"] and files.mixture == tmp_path / "mixture.wav"
