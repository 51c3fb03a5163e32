"""What the form offers besides files: a part of the mix, styles that need no upload, adapters."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

pytest.importorskip("gradio")

from latentstem import read_audio, write_audio
from latentstem.conditioning import Controls
from latentstem.ui.excerpts import cut_file
from latentstem.ui.generator import Generator
from latentstem.ui.history import Take
from latentstem.ui.requests import GenerationRequest
from latentstem.ui.results import Result, Sound
from latentstem.ui.styles import style_file, style_names
from latentstem.ui.take_actions import begin_with


@pytest.fixture
def song(tmp_path):
    """Four seconds of stereo noise that reaches 1.5."""
    audio = 1.5 * (2 * torch.rand(2, 32_000) - 1)
    write_audio(tmp_path / "song.flac", audio / audio.abs().max(), 8000)
    return tmp_path / "song.flac"


def take(style=None, **settings):
    sound = Sound(Path("/tmp/a.wav"), Path("/tmp/a.png"), np.zeros((2, 4)))
    return Take(Result(GenerationRequest(Path("mix.wav"), style, **settings), 20.0, None, sound, sound, sound))


def test_a_part_of_a_mix_is_cut_to_the_sample(song, tmp_path):
    whole, rate = read_audio(song)
    part = cut_file(song, (1.25, 3.5), tmp_path, 900.0)
    assert part.name == "song from 1.25 to 3.5 s.wav"
    assert torch.allclose(read_audio(part)[0], whole[:, 10_000:28_000], atol=2**-23)
    rest = cut_file(song, (2.0, None), tmp_path, 900.0)
    assert read_audio(rest)[0].shape == (2, 2 * rate)


@pytest.mark.parametrize("part", [(3.5, None), (2.0, 2.5), (5.0, 9.0), (-1.0, 2.0), (3.0, 1.0)])
def test_a_part_outside_of_the_mix_is_refused_and_leaves_nothing(song, tmp_path, part):
    with pytest.raises(ValueError, match=r"expected one of at least 1 s within its 4\.0 s"):
        cut_file(song, part, tmp_path, 900.0)
    assert [*tmp_path.iterdir()] == [song]


def test_new_takes_of_a_take_keep_its_part_of_the_song():
    request = GenerationRequest(Path("song.wav"), part=None, controls=Controls(bpm=120.0, downbeat=4.25))
    changed = begin_with(take(part=(4.0, None)), request, {"action": "vary"})
    assert changed.part == (4.0, None) and changed.controls_of_part.downbeat == 0.25
    assert replace(changed, part=None).controls_of_part == request.controls


def test_our_styles_sound_differently_and_are_played_once(tmp_path):
    means = []
    for name in style_names([]):
        file = style_file(name, [], tmp_path)
        audio, rate = read_audio(file)
        assert audio.shape[-1] == 8 * rate and 0.05 < audio.abs().max() <= 1
        power = torch.stft(audio[0], 2048, window=torch.hann_window(2048), return_complex=True).abs().square().mean(1)
        means.append(power.log10())
        written = file.stat().st_mtime_ns
        assert style_file(name, [], tmp_path).stat().st_mtime_ns == written
    distances = torch.cdist(torch.stack(means), torch.stack(means)) + 100 * torch.eye(len(means))
    assert distances.min() > 5  # two renderings of one instrument differ by less


def test_the_recordings_of_the_last_takes_come_first_and_only_while_they_are_there(tmp_path):
    files = [tmp_path / "mine.wav", tmp_path / "theirs.wav", tmp_path / "gone.wav"]
    for file in files[:2]:
        file.write_bytes(b"")
    takes = [take(file) for file in files] + [take()]
    assert style_names(takes)[:2] == ["theirs", "mine"] and "gone" not in style_names(takes)
    assert style_file("mine", takes, tmp_path) == files[0]
    for name in ("gone", "../song", str(files[0])):  # only what is offered, never a path
        with pytest.raises(ValueError, match="expected one of theirs, mine, finger bass"):
            style_file(name, takes, tmp_path)


@pytest.mark.filterwarnings("ignore:Already found a `peft_config`")
def test_a_request_puts_its_adapter_to_work(build_pipeline, tmp_path, song):
    peft = pytest.importorskip("peft")
    pipe = build_pipeline(carriers=8)
    for name in ("upright", "slap"):
        pipe.unet.add_adapter(peft.LoraConfig(r=2, target_modules=["to_q", "to_v", "taps"]), name)
        for key, weight in pipe.unet.named_parameters():
            if f"lora_B.{name}" in key:
                torch.nn.init.normal_(weight, std=0.3)
    generator = Generator(pipe, previews=False, adapters=["upright", "slap"])

    def stem(adapter):
        (tmp_path / str(adapter)).mkdir(exist_ok=True)
        *_, made = generator.generate(GenerationRequest(song, adapter=adapter), tmp_path / str(adapter))
        return read_audio(made.stem.file)[0]

    none, upright, slap, again = map(stem, (None, "upright", "slap", None))
    assert torch.equal(none, again)
    assert min((none - upright).abs().max(), (none - slap).abs().max(), (slap - upright).abs().max()) > 1e-4
    with pytest.raises(ValueError, match="got the adapter 'fretless'; expected upright, slap"):
        stem("fretless")


def test_a_request_gives_the_stem_that_it_names(build_pipeline, tmp_path, song):
    generator = Generator(build_pipeline(carriers=8, targets=["bass", "drums"]), previews=False)
    stems = {}
    for target in (None, "bass", "drums"):
        (tmp_path / str(target)).mkdir()
        *_, made = generator.generate(GenerationRequest(song, target=target), tmp_path / str(target))
        assert made.stem.file.name == f"song-{target or 'bass'}-0.wav"
        stems[target] = read_audio(made.stem.file)[0]
    assert torch.equal(stems[None], stems["bass"])
    assert (stems["bass"] - stems["drums"]).abs().max() > 1e-4
