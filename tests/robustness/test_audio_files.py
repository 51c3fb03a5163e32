"""Audio files with bytes changed: read whole and finite, or refused; what is written is whole or not there."""

import io
import random
import struct

import numpy as np
import pytest
import soundfile

from latentstem import AudioError
from latentstem.audio import AudioReader, resample_blocks
from latentstem.audio.io import _partial_path
from latentstem.pipelines import encode_mix_file, write_stem_file

FORMATS = {"wav": "PCM_16", "float.wav": "FLOAT", "flac": "PCM_16", "ogg": "VORBIS", "mp3": "MPEG_LAYER_III"}
COUNTS = [0, 1, 2, 255, 65_535, 2**31 - 1, 2**31, 2**32 - 1]
LONGEST = 3.0  # seconds


@pytest.fixture(scope="module")
def sound_files():
    """Bytes of a short stereo sound in each format, by its suffix."""
    rng = np.random.default_rng(0)
    sound = rng.uniform(-0.5, 0.5, (6000, 2)).astype(np.float32)
    files = {}
    for suffix, subtype in FORMATS.items():
        buffer = io.BytesIO()
        soundfile.write(buffer, sound, 22050, format=suffix.rpartition(".")[2].upper(), subtype=subtype)
        files[suffix] = buffer.getvalue()
    return files


def mutate(rng, content):
    """Return a name of the change and the changed bytes."""
    content = bytearray(content)
    match rng.randrange(7):
        case 0:
            for _ in range(rng.choice([1, 8, 64])):
                content[rng.randrange(len(content))] = rng.randrange(256)
            return "bytes", content
        case 1:
            place = 4 * rng.randrange(16)
            content[place : place + 4] = struct.pack("<I", rng.choice(COUNTS))
            return f"count at {place}", content
        case 2:
            place = 2 * rng.randrange(24)
            content[place : place + 2] = struct.pack("<H", rng.choice([0, 1, 3, 255, 65_535]))
            return f"short count at {place}", content
        case 3:
            return "cut", content[: rng.randrange(len(content))]
        case 4:
            return "twice", content + content
        case 5:
            first, last = sorted(rng.randrange(len(content)) for _ in range(2))
            return "a hole", content[:first] + content[last:]
        case _:
            place = rng.randrange(44, len(content) - 4)
            value = rng.choice([np.nan, np.inf, 1e20, 3e38])
            content[place // 4 * 4 : place // 4 * 4 + 4] = struct.pack("<f", value)
            return f"a sample of {value}", content


def read_blocks(path):
    return list(AudioReader(path, LONGEST))


def read_all(campaign, sound_files, tmp_path, count):
    rng = random.Random(0)
    for case in range(count):
        suffix = list(FORMATS)[case % len(FORMATS)]
        kind, content = mutate(rng, sound_files[suffix])
        path = tmp_path / f"{case}.{suffix}"
        path.write_bytes(content)
        campaign.attempt(f"{suffix}: {kind}", read_blocks, path, errors=AudioError)
        path.unlink()


def test_a_damaged_file_is_read_or_refused(campaign, sound_files, tmp_path):
    read_all(campaign, sound_files, tmp_path, 120)
    campaign.assert_clean()
    assert campaign.refused > 30 and campaign.served > 10


@pytest.mark.slow
def test_many_damaged_files_are_read_or_refused(campaign, sound_files, tmp_path):
    read_all(campaign, sound_files, tmp_path, 3000)
    campaign.assert_clean()


def write_stem(pipe, path, stem):
    mix = encode_mix_file(pipe, path, LONGEST)
    return write_stem_file(pipe, mix, mix.latents, stem), mix.samples


def write_stems(campaign, tiny, sound_files, tmp_path, count):
    """Read a damaged mix, and write its latents as a stem: the file is there and as long as the mix, or not at all."""
    rng = random.Random(1)
    for case in range(count):
        suffix = list(FORMATS)[case % len(FORMATS)]
        kind, content = mutate(rng, sound_files[suffix])
        folder = tmp_path / str(case)
        folder.mkdir()
        path, stem = folder / f"mix.{suffix}", folder / "stem.wav"
        path.write_bytes(content)
        made = campaign.attempt(f"{suffix}: {kind}", write_stem, tiny, path, stem)
        left = {file.name for file in folder.iterdir()} - {path.name}
        whole = made is not None and left == {"stem.wav"} and soundfile.info(stem).frames == made[1]
        if not whole and (made is not None or left):
            campaign.faults["half-written"].append(f"{suffix}: {kind}: {left}")


def test_a_stem_of_a_damaged_mix_is_whole_or_not_there(campaign, tiny, sound_files, tmp_path):
    write_stems(campaign, tiny, sound_files, tmp_path, 15)
    campaign.assert_clean()


@pytest.mark.slow
def test_stems_of_many_damaged_mixes_are_whole_or_not_there(campaign, tiny, sound_files, tmp_path):
    write_stems(campaign, tiny, sound_files, tmp_path, 300)
    campaign.assert_clean()


def test_few_samples_that_become_many_are_resampled_in_pieces(tmp_path):
    path = tmp_path / "slow.wav"  # minutes in a few thousand samples, which one block would make 35 MB of
    soundfile.write(path, np.zeros(20_000, dtype=np.float32), 100)
    lengths = [block.shape[1] for block in resample_blocks(AudioReader(path), 100, 44100)]
    assert sum(lengths) == 200 * 44100 and max(lengths) < 1 << 22


def test_the_name_of_an_unfinished_file_is_no_longer_than_that_of_the_file(tmp_path):
    longest = tmp_path / ("ü" * 125 + ".wav")  # 254 bytes of 255
    assert len(_partial_path(longest).name.encode()) <= 254
    alike = tmp_path / ("ü" * 124 + "u.wav")
    assert _partial_path(longest) != _partial_path(alike)
