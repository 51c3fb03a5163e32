"""Bits and tags: what is asked for is what other programs read in the file."""

import pytest
import soundfile
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from latentstem import write_audio
from latentstem.audio import AudioFileError, AudioReader, AudioWriter, check_writable

TAGS = {
    "title": "Süße Töne 🎸",
    "artist": "Somebody",
    "album": "Something",
    "date": "2024-05-06",
    "genre": "Jazz",
    "tracknumber": "7",
    "comment": "first line\nsecond line",
    "copyright": "Somebody else",
    "license": "CC0",
    "software": "latentstem",
}
# What libsndfile has no place for in a file of the kind; software comes back with its own name behind it.
LOST = {".wav": {"license"}, ".flac": set(), ".ogg": set(), ".mp3": {"copyright", "license", "software"}}
NOISE = torch.rand(2, 5000, generator=torch.Generator().manual_seed(0)) - 0.5


@pytest.mark.parametrize(
    ("suffix", "bits", "subtype", "step"),
    [
        (".wav", None, "PCM_24", 2**-23),
        (".wav", "16", "PCM_16", 2**-15),
        (".wav", "24", "PCM_24", 2**-23),
        (".wav", "32f", "FLOAT", 0),
        (".flac", None, "PCM_24", 2**-23),
        (".flac", "16", "PCM_16", 2**-15),
        (".ogg", None, "VORBIS", None),
        (".mp3", None, "MPEG_LAYER_III", None),
    ],
)
def test_the_header_says_how_samples_are_stored(tmp_path, suffix, bits, subtype, step):
    write_audio(tmp_path / f"a{suffix}", NOISE, 44100, bits)
    assert soundfile.info(tmp_path / f"a{suffix}").subtype == subtype
    if step is not None:
        back, _ = soundfile.read(tmp_path / f"a{suffix}", dtype="float32", always_2d=True)
        torch.testing.assert_close(torch.from_numpy(back).T, NOISE, rtol=0, atol=step)


@pytest.mark.parametrize(("name", "bits"), [("a.flac", "32f"), ("a.ogg", "16"), ("a.mp3", "24"), ("a.wav", "8")])
def test_bits_that_a_file_cannot_have_are_refused_beforehand(tmp_path, name, bits):
    for refuse in (check_writable, lambda path, bits: write_audio(path, NOISE, 44100, bits)):
        with pytest.raises(AudioFileError, match=f"cannot hold samples of {bits} bits"):
            refuse(tmp_path / name, bits)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("suffix", LOST)
def test_tags_come_back_as_far_as_the_file_can_hold_them(tmp_path, suffix):
    with AudioWriter(tmp_path / f"a{suffix}", 44100, 2, tags=TAGS) as writer:
        writer.write(NOISE)
    found = AudioReader(tmp_path / f"a{suffix}").tags
    assert set(found) == set(TAGS) - LOST[suffix]
    assert found.pop("software", "latentstem").startswith("latentstem")
    date = {"date": "2024"} if suffix == ".mp3" else {}  # an mp3 has the year alone
    assert found == {name: TAGS[name] for name in found} | date


@pytest.mark.parametrize("suffix", LOST)
def test_without_tags_there_are_none(tmp_path, suffix):
    write_audio(tmp_path / f"a{suffix}", NOISE, 44100)
    assert AudioReader(tmp_path / f"a{suffix}").tags == {}


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    suffix=st.sampled_from(sorted(LOST)),
    title=st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
    | st.integers(1, 100_000).map(lambda length: "x" * length),
)
def test_no_tag_harms_the_audio_or_the_other_tags(tmp_path, suffix, title):
    path = tmp_path / f"a{suffix}"
    with AudioWriter(path, 44100, 2, tags={"artist": "Somebody", "title": title}) as writer:
        writer.write(NOISE)
    reader = AudioReader(path)
    assert reader.tags["artist"] == "Somebody"
    assert sum(block.shape[1] for block in reader) == NOISE.shape[1]
