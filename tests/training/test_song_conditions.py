"""Controls in the training of a denoiser: what they say of a song, what is dropped, and nets that learn them."""

import dataclasses

import numpy as np
import pytest
import torch

from latentstem import AutoencoderSpectral, StemAccompanimentPipeline, StemUNet1DModel
from latentstem.data.corpus import read_annotation
from latentstem.data.stems.folder import StemFolder
from latentstem.training import annotated_controls, draw_dropped, with_conditions
from latentstem.training.engine.arguments import parse_settings
from latentstem.training.unet import UNetTraining, train

SECONDS = 6.0
RATE = 44100 / 4096
FRAMES = round(SECONDS * RATE)
UNET = {
    "block_out_channels": (8, 16),
    "layers_per_block": (1, 1),
    "attention_levels": (False, True),
    "attention_head_dim": 8,
    "embedding_dim": 16,
}
NAMES = ("beat", "chords", "density", "register", "level")


def trained_net(**kinds) -> StemUNet1DModel:
    torch.manual_seed(0)
    unet = StemUNet1DModel(latent_channels=4, **UNET, **kinds)
    for parameter in unet.parameters():
        if parameter.count_nonzero() == 0:
            torch.nn.init.normal_(parameter, std=0.3)
    return unet.eval()


def test_controls_say_what_the_song_says(songs, autoencoder):
    codec = AutoencoderSpectral.from_pretrained(autoencoder)
    conditions = annotated_controls(NAMES, "bass", codec)
    for track in StemFolder(songs).tracks:
        song = read_annotation(songs / track.name)
        values = {name: condition(track, FRAMES).numpy() for name, condition in conditions.items()}
        assert {name: value.shape for name, value in values.items()} == {
            "beat": (4, FRAMES),
            "chords": (25, FRAMES),
            "density": (2, FRAMES),
            "register": (2, FRAMES),
            "level": (2, FRAMES),
        }
        for beat, after in zip(song.beats, song.beats[1:], strict=False):
            frame = int((beat + after) / 2 * RATE)  # half way, the cosine of the beat is near -1
            assert values["beat"][1, frame] < -0.5
        middles = (np.arange(FRAMES) + 0.5) / RATE
        for chord in song.chords:
            inside = (middles - 0.5 / RATE > chord.start) & (middles + 0.5 / RATE < chord.end)
            tones = values["chords"][:12, inside].astype(bool)
            assert (tones == np.isin(np.arange(12), chord.pitch_classes)[:, None]).all()
            assert (values["chords"][12:24, inside].argmax(axis=0) == chord.bass).all()
        notes = song.part("bass").notes
        around = [note for note in notes if 1.0 < note.start < 5.0]
        density = (4 + 4 * values["density"][0, FRAMES // 2]) if around else 0
        assert density == pytest.approx(len(around) / 4, abs=1.5)
        pitch = 40 + 12 * values["register"][0, FRAMES // 2]
        assert values["register"][1].all() and min(n.pitch for n in notes) <= pitch <= max(n.pitch for n in notes)
        steps = np.diff(values["level"][0, 25:-25]) * 12 * RATE
        np.testing.assert_allclose(steps, 20 * np.log10(1.5), atol=0.2)  # dB a second


def test_controls_without_an_annotation_are_refused_but_the_level(songs, autoencoder, tmp_path):
    codec = AutoencoderSpectral.from_pretrained(autoencoder)
    (tmp_path / "songs").mkdir()
    (tmp_path / "songs" / "one").symlink_to(songs / "song 0", target_is_directory=True)
    bare = tmp_path / "bare" / "one"
    bare.mkdir(parents=True)
    for stem in ("bass", "chords1"):
        (bare / f"{stem}.wav").symlink_to(songs / "song 0" / f"{stem}.wav")
    (track,) = StemFolder(tmp_path / "bare").tracks
    conditions = annotated_controls(NAMES, "bass", codec)
    assert conditions["level"](track, 10)[1].all()
    with pytest.raises(ValueError, match=r"one has no song\.json to read controls from"):
        conditions["density"](track, 10)
    with pytest.raises(ValueError, match="got the controls tempo, expected some of: beat, sawtooth, chords"):
        annotated_controls(["beat", "tempo"], "bass", codec)


def test_each_control_is_dropped_by_itself_whole_or_over_one_part():
    torch.manual_seed(0)
    batch, frames = 20_000, 40
    shapes = {"mix": (batch, 4, frames), "beat": (batch, 4, frames), "chords": (batch, 25, frames), "tempo": (batch, 1)}
    dropped = draw_dropped({name: torch.empty(shape) for name, shape in shapes.items()}, 0.3, 0.2)
    assert dropped["mix"].shape == dropped["tempo"].shape == (batch,)
    assert dropped["mix"].float().mean() == pytest.approx(0.3, abs=0.02)
    beat, chords = dropped["beat"][:, 0], dropped["chords"][:, 0]
    for mask in (beat, chords):
        edges = torch.diff(torch.nn.functional.pad(mask.int(), (1, 1)), dim=1).abs().sum(dim=1)
        assert set(edges.tolist()) == {0, 2}  # nothing, or one stretch
        whole, partly = mask.all(dim=1), mask.any(dim=1) & ~mask.all(dim=1)
        assert whole.float().mean() == pytest.approx(0.2, abs=0.02)
        assert partly.float().mean() == pytest.approx(0.8 * 0.2, abs=0.02)
        assert mask[partly].float().mean() == pytest.approx(1 / 3, abs=0.03)
        by_frame = mask[~whole].float().mean(dim=0)
        assert by_frame[0] > 0 and by_frame[-1] > 0 and by_frame[20] > by_frame[0]
    both = (beat.any(dim=1) & chords.any(dim=1)).float().mean()
    assert both == pytest.approx(0.36**2, abs=0.02)
    nothing = draw_dropped({"mix": torch.empty(8, 4, 9), "beat": torch.empty(8, 4, 9)}, 0.0, 0.0)
    assert not any(mask.any() for mask in nothing.values())


def test_controls_are_dropped_together_and_neither_the_mix_nor_global_conditions_with_them():
    torch.manual_seed(0)
    batch, frames = 20_000, 8
    shapes = {"mix": (batch, 4, frames), "beat": (batch, 4, frames), "chords": (batch, 25, frames), "tempo": (batch, 1)}
    dropped = draw_dropped({name: torch.empty(shape) for name, shape in shapes.items()}, 0.0, 0.0, 0.4)
    assert not dropped["mix"].any() and not dropped["tempo"].any()
    assert torch.equal(dropped["beat"], dropped["chords"])
    assert dropped["beat"].all(dim=2).float().mean() == pytest.approx(0.4, abs=0.02)
    assert torch.equal(dropped["beat"].all(dim=2), dropped["beat"].any(dim=2))


def test_the_mix_is_hidden_from_a_random_moment_on():
    torch.manual_seed(0)
    batch, frames = 20_000, 10
    values = {"mix": torch.empty(batch, 4, frames), "beat": torch.empty(batch, 4, frames)}
    dropped = draw_dropped(values, mix_dropout=0.1, condition_dropout=0.0, future_dropout=0.5)
    mask = dropped["mix"][:, 0]
    assert (torch.diff(mask.int(), dim=1) >= 0).all()  # what is hidden stays hidden
    # The first of ten frames is hidden where the mix is dropped, or the moment falls before its middle.
    assert mask[:, 0].float().mean() == pytest.approx(1 - 0.9 * (1 - 0.5 / 20), abs=0.01)
    assert mask[:, -1].float().mean() == pytest.approx(1 - 0.9 * (1 - 0.5 * 19 / 20), abs=0.01)
    assert not dropped["beat"].any()
    # A net takes the mask: what is hidden of the mix cannot change what it predicts.
    net = trained_net()
    noisy, (mix, other) = torch.randn(2, 4, frames), torch.randn(2, 2, 4, frames)
    hidden = {"mix": torch.arange(frames).expand(2, 1, frames) >= 6}
    with torch.no_grad():
        known, changed = (
            net(noisy, 500, {"mix": torch.cat([mix[..., :6], future[..., 6:]], dim=-1)}, hidden).sample
            for future in (mix, other)
        )
    torch.testing.assert_close(changed, known)


@pytest.mark.parametrize(
    "kinds", [{"control_conditions": {"beat": 4, "density": 2}, "global_conditions": {"style": 3}}]
)
@torch.no_grad()
def test_a_net_that_is_given_conditions_predicts_as_before_and_names_them(kinds, tmp_path, has_weights_of):
    before = trained_net()
    before.save_pretrained(tmp_path / "before")
    after = with_conditions(StemUNet1DModel.from_pretrained(tmp_path / "before"), kinds)
    after.save_pretrained(tmp_path / "after")
    after = StemUNet1DModel.from_pretrained(tmp_path / "after").eval()
    assert after.config.control_conditions == kinds["control_conditions"]
    assert after.config.global_conditions == kinds["global_conditions"]
    sample, mix = torch.randn(2, 2, 4, 9)
    given = {"mix": mix, "beat": torch.randn(2, 4, 9), "style": torch.randn(2, 3)}
    assert has_weights_of(after, before)
    torch.testing.assert_close(after(sample, 7, given).sample, before(sample, 7, {"mix": mix}).sample)
    assert with_conditions(after, kinds) is after
    assert with_conditions(after, {"control_conditions": {"beat": 4}}) is after


@pytest.mark.parametrize("more", [{"chords": 25}, {"beat": 5}])
def test_controls_beside_others_that_are_trained_are_refused(more):
    with pytest.raises(ValueError, match=r"has the conditions .*'beat': 4.*give all its controls at once"):
        with_conditions(trained_net(control_conditions={"beat": 4}), {"control_conditions": more})


@pytest.fixture
def settings(songs, autoencoder, tmp_path):
    return UNetTraining(
        songs,
        tmp_path / "run",
        autoencoder,
        latents=autoencoder / "latents",
        steps=30,
        batch_frames=64,
        crop_frames=(8, 16),
        submixes=2,
        production=0.0,
        learning_rate=3e-3,
        mixed_precision="no",
        model=UNET,
        controls=("beat", "chords", "density", "register"),
    )


@pytest.mark.parametrize("from_weights", [False, True])
def test_a_training_with_controls_publishes_a_net_that_knows_them(settings, tmp_path, from_weights):
    if from_weights:
        trained_net().save_pretrained(tmp_path / "unet")
        settings = dataclasses.replace(settings, init_from=tmp_path / "unet", model=None)
    pipe = StemAccompanimentPipeline.from_pretrained(train(settings))
    pipe.set_progress_bar_config(disable=True)
    assert pipe.unet.config.control_conditions == {"beat": 4, "chords": 25, "density": 2, "register": 2}
    mix_latents, noise = torch.randn(2, 1, 4, 9)
    call = {"mix_latents": mix_latents, "latents": noise, "num_inference_steps": 2, "output_type": "latent"}
    dense, sparse, unsaid = (
        pipe(conditions=conditions, sampling_rate=44100, **call).audios
        for conditions in ({"density": torch.ones(1, 2, 9)}, {"density": -torch.ones(1, 2, 9)}, None)
    )
    for one, other in ((dense, sparse), (dense, unsaid), (sparse, unsaid)):
        assert (one - other).abs().max() > 1e-4


def test_an_adapter_brings_no_new_controls(settings, tmp_path):
    pytest.importorskip("peft")
    trained_net().save_pretrained(tmp_path / "unet")
    with pytest.raises(ValueError, match="an adapter holds no layers for new ones"):
        train(dataclasses.replace(settings, init_from=tmp_path / "unet", lora_rank=2))


def test_the_command_line_takes_the_controls(capsys):
    words = ["--data", "songs", "--output", "run", "--autoencoder", "codec"]
    assert parse_settings(UNetTraining, [*words, "--controls", "beat", "chords"]).controls == ("beat", "chords")
    assert parse_settings(UNetTraining, words).controls == ()
    with pytest.raises(SystemExit):
        parse_settings(UNetTraining, ["--help"])
    printed = " ".join(capsys.readouterr().out.split())
    assert "The level is measured in the audio. --" in printed and "0 trains the U-Net. Default: 0." in printed


@torch.no_grad()
def test_a_saved_net_reads_its_controls_in_the_order_in_which_it_was_trained(tmp_path, has_weights_of):
    torch.manual_seed(0)
    channels = {"register": 2, "beat": 4, "level": 2}
    options = {"block_out_channels": (8,), "layers_per_block": (1,), "attention_levels": (False,)}
    net = StemUNet1DModel(latent_channels=4, control_conditions=channels, **options).eval()
    for parameter in net.parameters():  # control layers start at zero
        parameter.add_(0.1 * torch.randn_like(parameter))
    net.save_pretrained(tmp_path)
    loaded = StemUNet1DModel.from_pretrained(tmp_path).eval()
    assert has_weights_of(loaded, net)
    conditions = {name: torch.randn(2, count, 12) for name, count in channels.items()}
    inputs = torch.randn(2, 4, 12), torch.tensor([100, 900]), {"mix": torch.randn(2, 4, 12)} | conditions
    torch.testing.assert_close(loaded(*inputs).sample, net(*inputs).sample)
