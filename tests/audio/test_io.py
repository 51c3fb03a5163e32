"""Audio files: what is written comes back, lengths are exact, and every bad file has its own one-line error."""

import contextlib
import os
import struct

import numpy as np
import pytest
import soundfile
import torch

from latentstem.audio.errors import AudioContentError, AudioError, AudioFileError, AudioLengthError
from latentstem.audio.io import AudioReader, AudioWriter, read_audio, write_audio


def noise(channels=2, samples=22050, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(channels, samples, generator=generator) * 1.6 - 0.8


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".WAV"])
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("sampling_rate", [8000, 44100, 96000])
def test_lossless_files_return_the_samples(tmp_path, suffix, channels, sampling_rate):
    audio = noise(channels, 300_001)  # more than one block
    write_audio(tmp_path / f"a{suffix}", audio, sampling_rate)
    back, rate = read_audio(tmp_path / f"a{suffix}")
    assert rate == sampling_rate
    assert back.dtype == torch.float32
    torch.testing.assert_close(back, audio, rtol=0, atol=2**-23)  # half a step of 24 bits, twice


@pytest.mark.parametrize("suffix", [".mp3", ".ogg"])
def test_lossy_files_keep_length_and_sound(tmp_path, suffix):
    time = torch.arange(44100) / 44100
    audio = 0.5 * torch.sin(2 * torch.pi * 110 * time).expand(2, -1)
    write_audio(tmp_path / f"a{suffix}", audio, 44100)
    back, _ = read_audio(tmp_path / f"a{suffix}")
    assert back.shape == audio.shape
    assert (back - audio)[:, 4410:-4410].abs().max() < 0.02


def test_one_sample_is_a_file(tmp_path):
    write_audio(tmp_path / "one.wav", torch.full((1, 1), 0.25), 44100)
    back, _ = read_audio(tmp_path / "one.wav")
    assert back.tolist() == [[0.25]]


def test_a_reader_gives_the_samples_of_the_whole_again_and_again(tmp_path):
    audio = noise(2, 600_001)
    write_audio(tmp_path / "a.wav", audio, 44100)
    reader = AudioReader(tmp_path / "a.wav")
    assert (reader.channels, reader.sampling_rate) == (2, 44100)
    for _ in range(2):
        blocks = list(reader)
        assert max(block.shape[1] for block in blocks) <= 1 << 18
        assert torch.equal(torch.cat(blocks, dim=1), read_audio(tmp_path / "a.wav")[0])


@pytest.mark.parametrize("suffix", [".wav", ".flac"])
def test_a_file_written_in_pieces_is_the_file_written_at_once(tmp_path, suffix):
    audio = noise(2, 100_000)
    write_audio(tmp_path / f"once{suffix}", audio, 44100)
    with AudioWriter(tmp_path / f"pieces{suffix}", 44100, 2) as writer:
        for piece in audio.split(7001, dim=1):
            writer.write(piece)
    assert torch.equal(read_audio(tmp_path / f"pieces{suffix}")[0], read_audio(tmp_path / f"once{suffix}")[0])


@pytest.mark.parametrize(
    ("piece", "message"),
    [
        (torch.zeros(2, 10), "with 1 channels"),
        (torch.full((1, 10), 1.5), "reaches 1.500"),
        (torch.full((1, 10), float("nan")), "NaN or Inf"),
    ],
)
def test_a_bad_piece_leaves_no_file_behind(tmp_path, piece, message):
    with (
        pytest.raises(AudioContentError, match=message),
        AudioWriter(tmp_path / "a.wav", 44100, 1) as writer,
    ):
        writer.write(torch.zeros(1, 1000))
        writer.write(piece)
    assert not list(tmp_path.iterdir())


def test_a_writer_that_was_given_nothing_leaves_no_file_behind(tmp_path):
    with pytest.raises(AudioContentError, match="no samples"), AudioWriter(tmp_path / "a.wav", 44100, 1):
        pass
    assert not list(tmp_path.iterdir())


def missing(folder):
    return folder / "nothing.wav"


def a_folder(folder):
    (folder / "a.wav").mkdir()
    return folder / "a.wav"


def text(folder):
    (folder / "a.wav").write_text("this is not audio\n" * 200)
    return folder / "a.wav"


def zero_bytes(folder):
    (folder / "a.wav").touch()
    return folder / "a.wav"


def headerless(folder):
    (folder / "a.raw").write_bytes(bytes(1000))
    return folder / "a.raw"


def pipe(folder):
    os.mkfifo(folder / "a.wav")
    return folder / "a.wav"


def empty(folder):
    soundfile.write(folder / "a.wav", np.zeros((0, 1)), 44100)
    return folder / "a.wav"


def nan(folder):
    soundfile.write(folder / "a.wav", np.array([0.0, np.nan, 0.0]), 44100, subtype="FLOAT")
    return folder / "a.wav"


def inf(folder):
    soundfile.write(folder / "a.wav", np.array([0.0, 0.0, -np.inf]), 44100, subtype="FLOAT")
    return folder / "a.wav"


def three_channels(folder):
    soundfile.write(folder / "a.wav", np.zeros((100, 3)), 44100)
    return folder / "a.wav"


def strange_rate(folder):
    soundfile.write(folder / "a.wav", np.zeros((100, 1)), 2**31 - 1)
    return folder / "a.wav"


def rate_of_nothing(folder):
    soundfile.write(folder / "a.wav", np.zeros((100, 1)), 8000)
    content = bytearray((folder / "a.wav").read_bytes())
    content[24:28] = bytes(4)
    (folder / "a.wav").write_bytes(content)
    return folder / "a.wav"


def days(folder):
    # The header alone is changed: 36 bits of a length in samples, from byte 21 on (RFC 9639, section 8.2).
    soundfile.write(folder / "a.flac", np.zeros((8000, 1)), 8000)
    content = bytearray((folder / "a.flac").read_bytes())
    content[22:26] = struct.pack(">I", 8000 * 86400 * 2)
    (folder / "a.flac").write_bytes(content)
    return folder / "a.flac"


def no_length(folder):
    soundfile.write(folder / "a.flac", np.zeros((8000, 1)), 8000)
    content = bytearray((folder / "a.flac").read_bytes())
    content[22:26] = bytes(4)
    (folder / "a.flac").write_bytes(content)
    return folder / "a.flac"


BAD_FILES = [
    (missing, AudioFileError, "no such file"),
    (a_folder, AudioFileError, "is a folder"),
    (text, AudioFileError, "cannot be read as audio"),
    (zero_bytes, AudioFileError, "cannot be read as audio"),
    (headerless, AudioFileError, "cannot be opened"),
    (pipe, AudioFileError, "not a regular file"),
    (empty, AudioContentError, "no samples"),
    (nan, AudioContentError, "NaN or Inf, first at 0.000 s"),
    (inf, AudioContentError, "NaN or Inf"),
    (three_channels, AudioContentError, "3 channels"),
    (strange_rate, AudioContentError, "sampling rate of 2147483647"),
    (rate_of_nothing, AudioFileError, "cannot be read as audio"),
    (days, AudioLengthError, "172800 s"),
    (no_length, AudioLengthError, "gives no length"),
]


@pytest.mark.parametrize(("make", "error", "message"), BAD_FILES, ids=[make.__name__ for make, _, _ in BAD_FILES])
def test_bad_files_have_one_line_errors(tmp_path, make, error, message):
    path = make(tmp_path)
    with pytest.raises(error, match=message) as caught:
        read_audio(path)
    assert isinstance(caught.value, AudioError)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


def flac_of(folder, frames, sampling_rate, channels=1):
    """A file whose header states a length, with a moment of samples behind it."""
    soundfile.write(folder / "a.flac", np.zeros((5000, channels)), sampling_rate)
    content = bytearray((folder / "a.flac").read_bytes())
    content[22:26] = struct.pack(">I", frames)
    (folder / "a.flac").write_bytes(content)
    return folder / "a.flac"


@pytest.mark.parametrize(("sampling_rate", "channels"), [(8000, 1), (48000, 2), (96000, 1)])
def test_three_hours_of_48_khz_stereo_are_the_most_that_is_read_unless_told_otherwise(
    tmp_path, sampling_rate, channels
):
    frames = 3 * 3600 * sampling_rate
    assert AudioReader(flac_of(tmp_path, frames, sampling_rate, channels)).duration == 3 * 3600
    with pytest.raises(AudioLengthError, match="over the limit of 10800 s"):
        AudioReader(flac_of(tmp_path, frames + 1, sampling_rate, channels))
    assert AudioReader(flac_of(tmp_path, frames + 1, sampling_rate, channels), max_duration=10801).channels == channels


def test_higher_rates_of_two_channels_are_limited_by_their_values(tmp_path):
    assert AudioReader(flac_of(tmp_path, 3 * 3600 * 48000, 96000, 2)).duration == 1.5 * 3600
    with pytest.raises(AudioLengthError):
        AudioReader(flac_of(tmp_path, 3 * 3600 * 48000 + 1, 96000, 2))


@pytest.mark.parametrize("max_duration", [0, -1.0, float("nan")])
def test_a_limit_that_is_none_is_refused(tmp_path, max_duration):
    with pytest.raises(ValueError, match="expected a positive number of seconds"):
        AudioReader(tmp_path / "a.wav", max_duration)


def test_the_highest_rate_is_read_and_a_higher_one_refused(tmp_path):
    for rate in (1, 768_000):
        soundfile.write(tmp_path / "a.wav", np.zeros((100, 1)), rate)
        assert read_audio(tmp_path / "a.wav", max_duration=200)[1] == rate
    soundfile.write(tmp_path / "a.wav", np.zeros((100, 1)), 768_001)
    with pytest.raises(AudioContentError, match="sampling rate of 768001 Hz, expected 1 to 768000"):
        read_audio(tmp_path / "a.wav")


def test_the_loudest_samples_are_read_and_the_first_that_cannot_be_is_named(tmp_path):
    samples = np.full((300_000, 2), 1e12)
    soundfile.write(tmp_path / "a.wav", samples, 1000, subtype="FLOAT")
    assert read_audio(tmp_path / "a.wav")[0].max() == np.float32(1e12)
    samples[280_000, 1], samples[290_000, 0] = -1.1e12, np.nan
    soundfile.write(tmp_path / "a.wav", samples, 1000, subtype="FLOAT")
    with pytest.raises(AudioContentError, match=r"reaches 1.1e\+12, first at 280.000 s"):
        read_audio(tmp_path / "a.wav")


@pytest.mark.parametrize(("stated", "is_cut"), [(0x7FFFEFFF, True), (0x7FFFF000, False), (0xFFFFFFFF, False)])
def test_a_stated_length_of_two_gibibytes_or_more_is_that_of_a_stream(tmp_path, stated, is_cut):
    write_audio(tmp_path / "a.wav", noise(), 44100)
    content = bytearray((tmp_path / "a.wav").read_bytes())
    start = content.find(b"data")
    content[start + 4 : start + 8] = struct.pack("<I", stated)
    (tmp_path / "a.wav").write_bytes(content)
    if is_cut:
        with pytest.raises(AudioFileError, match="is cut short"):
            read_audio(tmp_path / "a.wav")
    else:
        assert read_audio(tmp_path / "a.wav")[0].shape == (2, 22050)


def test_a_long_ogg_is_read_whole_and_one_without_its_last_page_refused(tmp_path):
    write_audio(tmp_path / "a.ogg", noise(samples=600_000), 44100)
    assert (tmp_path / "a.ogg").stat().st_size > 0x20000
    assert read_audio(tmp_path / "a.ogg")[0].shape == (2, 600_000)
    write_audio(tmp_path / "a.ogg", noise(samples=60_000), 44100)
    content = (tmp_path / "a.ogg").read_bytes()
    last = content.rfind(b"OggS")
    header = last + 27 + content[last + 26]
    for stop in (last, last + 4, last + 5, last + 6, last + 26, last + 27, header - 1, header, len(content) - 1):
        (tmp_path / "a.ogg").write_bytes(content[:stop])
        with pytest.raises(AudioFileError):
            read_audio(tmp_path / "a.ogg")


def test_a_writer_is_used_within_its_context_and_takes_silence_of_no_length(tmp_path):
    writer = AudioWriter(tmp_path / "a.wav", 44100, 2)
    with pytest.raises(ValueError, match="is not open; write inside the context"):
        writer.write(torch.zeros(2, 5))
    with writer:
        for piece in (torch.zeros(2, 0), torch.ones(2, 5), -torch.ones(2, 3)):
            writer.write(piece)
        with pytest.raises(AudioContentError, match=r"expected \(channels, samples\) with 2 channels"):
            writer.write(torch.zeros(5))
    assert read_audio(tmp_path / "a.wav")[0].shape == (2, 8)
    for channels in (0, 3):
        with pytest.raises(AudioContentError, match=f"got {channels} channels to write, expected one or two"):
            AudioWriter(tmp_path / "a.wav", 44100, channels)


def test_an_unfinished_file_has_a_name_of_its_own_which_a_system_takes(tmp_path):
    names = ["b" * 250 + ".wav", "b" * 249 + "c.wav", "b.flac"]
    writers = [AudioWriter(tmp_path / name, 44100, 1) for name in names]
    with contextlib.ExitStack() as stack:
        for writer in writers:
            stack.enter_context(writer).write(torch.zeros(1, 9))
        unfinished = [path.name for path in tmp_path.iterdir()]
        assert len(set(unfinished)) == 3 and all(name.startswith(".b") and len(name) < 100 for name in unfinished)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names)


def test_a_file_is_left_as_it_was_where_its_writer_fails(tmp_path):
    write_audio(tmp_path / "a.wav", noise(), 44100)
    before = (tmp_path / "a.wav").read_bytes()
    with pytest.raises(RuntimeError, match="elsewhere"), AudioWriter(tmp_path / "a.wav", 44100, 1) as writer:
        writer.write(torch.zeros(1, 9))
        raise RuntimeError("elsewhere")
    assert (tmp_path / "a.wav").read_bytes() == before and len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".ogg", ".mp3"])
@pytest.mark.parametrize("kept", [0.3, 0.9])
def test_a_cut_file_is_refused(tmp_path, suffix, kept):
    write_audio(tmp_path / f"a{suffix}", noise(samples=200_000), 44100)
    content = (tmp_path / f"a{suffix}").read_bytes()
    (tmp_path / f"a{suffix}").write_bytes(content[: int(kept * len(content))])
    with pytest.raises(AudioFileError):
        read_audio(tmp_path / f"a{suffix}")


def test_a_wav_streamed_to_a_pipe_is_read(tmp_path):
    write_audio(tmp_path / "a.wav", noise(), 44100)
    content = bytearray((tmp_path / "a.wav").read_bytes())
    start = content.find(b"data")
    content[start + 4 : start + 8] = struct.pack("<I", 0xFFFFFFFF)
    (tmp_path / "a.wav").write_bytes(content)
    back, _ = read_audio(tmp_path / "a.wav")
    assert back.shape == (2, 22050)


def test_the_limit_holds_to_the_sample_and_before_reading(tmp_path, monkeypatch):
    write_audio(tmp_path / "a.wav", noise(samples=8000), 8000)
    read_audio(tmp_path / "a.wav", max_duration=1.0)
    monkeypatch.setattr(soundfile.SoundFile, "read", lambda *args, **kwargs: pytest.fail("it was read"))
    with pytest.raises(AudioLengthError):
        read_audio(tmp_path / "a.wav", max_duration=0.999)


def test_a_high_rate_does_not_pass_the_limit_of_values(tmp_path):
    write_audio(tmp_path / "a.wav", noise(samples=192_000), 192_000)
    with pytest.raises(AudioLengthError):
        read_audio(tmp_path / "a.wav", max_duration=1.5)
    assert read_audio(tmp_path / "a.wav", max_duration=4.0)[0].shape == (2, 192_000)


@pytest.mark.parametrize(
    ("audio", "message"),
    [
        (torch.zeros(480), "shape"),
        (torch.zeros(3, 480), "shape"),
        (torch.zeros(1, 0), "shape"),
        (torch.full((1, 480), torch.nan), "NaN or Inf"),
        (torch.full((1, 480), 1.5), "reaches 1.500"),
    ],
)
def test_audio_that_cannot_be_written_leaves_no_file(tmp_path, audio, message):
    with pytest.raises(AudioContentError, match=message):
        write_audio(tmp_path / "a.wav", audio, 44100)
    assert list(tmp_path.iterdir()) == []


def test_a_missing_folder_and_an_unknown_suffix_are_named(tmp_path):
    with pytest.raises(AudioFileError, match="does not exist; create it"):
        write_audio(tmp_path / "no" / "a.wav", noise(), 44100)
    with pytest.raises(AudioFileError, match=r"suffix '\.aiff' is not known"):
        write_audio(tmp_path / "a.aiff", noise(), 44100)
    with pytest.raises(AudioFileError, match="is a folder"):
        write_audio(a_folder(tmp_path), noise(), 44100)


@pytest.mark.parametrize("failure", [OSError("disk full"), KeyboardInterrupt()])
def test_an_interrupted_write_leaves_the_old_file_whole(tmp_path, monkeypatch, failure):
    write_audio(tmp_path / "a.wav", noise(seed=1), 44100)
    before = (tmp_path / "a.wav").read_bytes()
    write = soundfile.SoundFile.write

    def write_half(file, samples):
        write(file, samples[: len(samples) // 2])
        raise failure

    monkeypatch.setattr(soundfile.SoundFile, "write", write_half)
    with pytest.raises((AudioFileError, KeyboardInterrupt)):
        write_audio(tmp_path / "a.wav", noise(seed=2), 44100)
    assert (tmp_path / "a.wav").read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.wav"]
