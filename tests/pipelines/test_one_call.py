"""One call from file to file: the stem of the pipeline, and the pipeline as it was."""

import pytest
import torch

import latentstem
from latentstem import AudioError, Quality, accompany, read_audio, write_audio
from latentstem.pipelines import encode_mix_file, write_stem_file


@pytest.fixture
def pipe(build_pipeline):
    return build_pipeline(carriers=8)


@pytest.fixture
def mix(tmp_path):
    write_audio(tmp_path / "mix.wav", 0.5 * torch.rand(2, 30_000) - 0.25, 44100)
    return tmp_path / "mix.wav"


def test_the_file_is_the_stem_of_the_pipeline(pipe, mix, tmp_path):
    scheduler = pipe.scheduler
    made = accompany(
        mix, tmp_path / "bass.wav", seed=3, pipe=pipe, num_inference_steps=4, with_mix=tmp_path / "both.wav"
    )
    assert made == tmp_path / "bass.wav" and pipe.scheduler is scheduler
    Quality.STANDARD.apply_to(pipe)
    expected = pipe(read_audio(mix)[0], 44100, num_inference_steps=4, generator=3).audios[0]
    torch.testing.assert_close(read_audio(made)[0], expected, rtol=0, atol=2**-20)
    both = read_audio(mix)[0] + expected
    expected = both / both.abs().max().clamp(min=1)
    torch.testing.assert_close(read_audio(tmp_path / "both.wav")[0], expected, rtol=0, atol=2**-20)


def test_a_gain_changes_the_level_of_the_stem(pipe, mix, tmp_path):
    encoded = encode_mix_file(pipe, mix)
    latents = pipe(mix_latents=encoded.latents, num_inference_steps=2, output_type="latent", generator=0).audios
    stems = []
    for gain in (0.0, -6.0):
        write_stem_file(pipe, encoded, latents, tmp_path / "bass.wav", gain=gain)
        stems.append(read_audio(tmp_path / "bass.wav")[0])
    torch.testing.assert_close(stems[1], 10**-0.3 * stems[0], rtol=0, atol=2**-21)


@pytest.mark.parametrize("option", ["mix_latents", "init_stem", "output_type"])
def test_what_it_reads_itself_is_refused(pipe, mix, tmp_path, option):
    with pytest.raises(ValueError, match=option):
        accompany(mix, tmp_path / "bass.wav", pipe=pipe, **{option: None})
    assert not (tmp_path / "bass.wav").exists()


def test_a_silent_mix_is_refused_and_nothing_written(pipe, tmp_path):
    write_audio(tmp_path / "silence.wav", torch.zeros(1, 20_000), 44100)
    for loop in (False, True):
        with pytest.raises(AudioError, match="silence"):
            accompany(tmp_path / "silence.wav", tmp_path / "bass.wav", pipe=pipe, loop=loop)
    with pytest.raises(ValueError, match="splendid"):
        latentstem.accompany(tmp_path / "silence.wav", tmp_path / "bass.wav", pipe=pipe, quality="splendid")
    assert [path.name for path in tmp_path.iterdir()] == ["silence.wav"]
