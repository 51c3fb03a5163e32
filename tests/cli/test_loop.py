"""`latentstem loop`: files of loops, or one line that refuses."""

import json
import shutil

import pytest
import torch

from latentstem import LoopPipeline, read_audio, write_audio
from latentstem.audio.loops import resample_periodic
from latentstem.cli import main
from latentstem.cli.loading import load_loops, load_pipeline


@pytest.fixture(scope="module")
def weights(build_loop_pipeline, tmp_path_factory):
    folder = tmp_path_factory.mktemp("loops")
    build_loop_pipeline().save_pretrained(folder)
    return folder


@pytest.fixture
def loop(weights, tmp_path, capfd):
    """Run `latentstem loop` and return (exit code, text on stdout, lines on stderr)."""

    def run(*arguments, bpm=150):
        words = ["loop", "--bpm", bpm, "--bars", 1, "--weights", weights, "--steps", 2, "--device", "cpu"]
        code = main([str(word) for word in (*words, "-o", tmp_path / "loop.wav", *arguments)])
        printed = capfd.readouterr()
        return code, printed.out, printed.err.splitlines()

    return run


def test_a_loop_is_what_the_pipeline_makes(loop, weights, tmp_path):
    code, out, err = loop("--prompt", "dark techno, no hats", "--seed", 3, "--chords", "| Am |", "--preview")
    assert (code, err) == (0, [])
    assert out.strip() == f"{tmp_path / 'loop.wav'}: seed 3, 1 bars at 150 beats a minute, 1.60 s"
    pipe = LoopPipeline.from_pretrained(weights)
    call = {"prompt": "dark techno, no hats", "chords": "| Am |", "generator": 3, "num_inference_steps": 2}
    audio, rate = read_audio(tmp_path / "loop.wav")
    torch.testing.assert_close(audio, pipe(bpm=150, bars=1, **call).audios[0], atol=1e-4, rtol=0)
    assert rate == 44100 and (tmp_path / "loop.png").exists()


def test_several_loops_are_numbered_and_count_up_the_seed(loop, tmp_path):
    code, out, _ = loop("--count", 2, "--seed", 5, "--json")
    assert code == 0
    names = [str(tmp_path / f"loop-{k}.wav") for k in (1, 2)]
    shared = {"seconds": 1.6, "bpm": 150.0, "bars": 1}
    assert json.loads(out) == [{"loop": name, "seed": 5 + k, **shared} for k, name in enumerate(names)]
    first, second = (read_audio(name)[0] for name in names)
    assert not torch.allclose(first, second, atol=1e-3)


def test_a_loop_of_another_rate_is_varied_and_heard(loop, tmp_path):
    own = tmp_path / "own.wav"
    write_audio(own, torch.rand(2, round(1.6 * 22050) + 3) - 0.5, 22050)
    code, _, err = loop("--init", own, "--strength", 0.5, "--reference", own, "--prompt-scale", 2)
    assert (code, err) == (0, []) and read_audio(tmp_path / "loop.wav")[0].shape == (1, 70560)


@pytest.mark.parametrize("words", [("--redo-bars", 2), ("--redo", "1.6:3.2"), ("--keep", ":1.6", "--keep", "3.2:")])
def test_a_bar_of_a_loop_is_made_anew(loop, tmp_path, words):
    own = tmp_path / "own.wav"
    write_audio(own, 0.2 * torch.rand(1, 3 * 70560 + 40) - 0.1, 44100)  # a millisecond too long
    code, _, err = loop("--bars", 3, "--init", own, *words)
    assert (code, err) == (0, [])
    made, expected = read_audio(tmp_path / "loop.wav")[0], resample_periodic(read_audio(own)[0], 3 * 70560)
    anew = slice(70560, 2 * 70560)
    assert not torch.allclose(made[:, anew], expected[:, anew], atol=0.03)
    made[:, 70560 - 900 : 2 * 70560 + 900] = expected[:, 70560 - 900 : 2 * 70560 + 900] = 0
    torch.testing.assert_close(made, expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--prompt", "funky"), "--prompt: the prompt has the word 'funky', which is not known. Known: dark, drums"),
        (("--chords", "| Xyz |"), "Xyz"),
        (("--strength", 0.5), "--strength says how far to go from --init"),
        (("--keep", "0:1"), "--keep says what stays of --init"),
        (("--redo-bars", 1), "--redo-bars says which part of a stem is made anew; give the stem as --init"),
        (("--redo", "0:1", "--keep", "0:1", "--init", "own.wav"), "got --keep and --redo; give one of them"),
        (("--redo-bars", "2:1", "--init", "own.wav"), "--redo-bars is '2:1'; expected FIRST:LAST"),
        (("--redo-bars", 2, "--init", "own.wav"), "--redo-bars 2: expected a part of own.wav, which lasts 1.600 s"),
        (("--redo-bars", 1, "--init", "own.wav"), "--redo-bars makes all of own.wav anew"),
        (("--prompt-scale", 2), "--prompt-scale says how strongly"),
        (("--reference-strength", 0.5), "--reference-strength says how far the sound moves to that of --reference"),
        (("--reference-strength", 1e4, "--reference", "own.wav"), "--reference-strength"),
        (("--init", "own.wav"), "own.wav: is 0.312 times as long as a loop of --bars at --bpm"),
        (("--init", "loop.wav", "-o", "loop.wav"), "loop.wav: is an input and would be overwritten"),
        (("--init", "loop.png", "-o", "loop.wav", "--preview"), "loop.png: is an input and would be overwritten"),
        (("--max-duration", "0"), "0 is not a finite number above 0"),
        (("-o", "loop.xyz"), "xyz"),
        (("--reference", "missing.wav"), "missing.wav"),
    ],
)
def test_what_cannot_work_is_refused_in_one_line(loop, tmp_path, monkeypatch, words, message):
    monkeypatch.chdir(tmp_path)
    for name in ("own.wav", "loop.wav"):
        write_audio(name, torch.rand(1, 22050) - 0.5, 44100)
    shutil.copy("loop.wav", "loop.png")
    code, _, err = loop(*words)
    assert code == 2 and len(err) == 1 and message in err[0]


def test_a_tempo_is_asked_for(capfd):
    assert main(["loop"]) == 2
    assert "--bpm" in capfd.readouterr().err


def test_weights_of_another_command_are_refused(weights, tmp_path, capfd):
    write_audio(tmp_path / "mix.wav", torch.rand(1, 9000) - 0.5, 44100)
    assert main(["accompany", str(tmp_path / "mix.wav"), "--weights", str(weights)]) == 2
    assert "holds a LoopPipeline; these are weights for `latentstem loop`" in capfd.readouterr().err


def test_a_codec_that_two_weights_share_is_loaded_once(tmp_path):
    pipe = load_pipeline("bass")
    assert load_loops("loops-gm", beside=pipe).autoencoder is pipe.autoencoder
    alone = load_loops("loops-gm")
    assert alone.autoencoder is not pipe.autoencoder
    other = load_pipeline("bass-gm")
    assert load_loops("loops-gm", beside=other).autoencoder is not other.autoencoder
