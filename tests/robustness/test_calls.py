"""Calls of the pipelines with one or two arguments replaced by anything: finite stems, or a refusal that helps."""

import random

import numpy as np
import pytest
import torch

from latentstem import BassNetModel, BassNetPipeline
from latentstem.guidance import StyleGrounding

SAMPLES, FRAMES, CHANNELS = 5000, 2, 4


def odd_tensors():
    """Tensors and arrays of every kind that somebody could pass for audio or latents."""
    audio, latents = 0.1 * torch.randn(1, 1, SAMPLES), torch.randn(1, CHANNELS, FRAMES)
    found = [
        audio,
        audio[0],
        audio[0, 0],
        audio.numpy(),
        audio.double(),
        audio.half(),
        latents,
        latents[0],
        latents[0, :, 0],
    ]
    found += [scale * audio for scale in (1e-30, 1e-7, 1e9, 1e18, 1e30, 3e38)]
    found += [scale * latents for scale in (1e-30, 1e5, 1e18, 1e30)]
    for kind in (audio, latents):
        for value in (torch.nan, torch.inf, -torch.inf):
            found.append(kind.index_fill(-1, torch.tensor([1]), value))
    found += [
        torch.zeros(0),
        torch.zeros(1, 1, 0),
        torch.zeros(1, CHANNELS, 0),
        torch.tensor(1.0),
        torch.zeros(2, 2, 2, 2),
    ]
    found += [
        torch.zeros(1, 3, SAMPLES),
        torch.zeros(3, 1, SAMPLES),
        torch.zeros(SAMPLES, 2),
        torch.zeros(1, 1, SAMPLES),
    ]
    found += [torch.zeros(1, 1, SAMPLES, dtype=torch.int16), torch.zeros(1, 1, SAMPLES, dtype=torch.complex64)]
    found += [torch.zeros(1, CHANNELS, FRAMES + 1), torch.zeros(2, CHANNELS, FRAMES), np.zeros((1, 1, SAMPLES), int)]
    return found


OPTIONS = {
    "mix": 0.1 * torch.ones(1, 1, SAMPLES),
    "sampling_rate": 44100,
    "style": None,
    "style_strength": 1.0,
    "num_inference_steps": 2,
    "guidance_scale": 2.0,
    "guidance_rescale": 0.5,
    "condition_scales": None,
    "num_waveforms_per_prompt": 1,
    "keep_best": None,
    "generator": None,
    "duration": None,
    "mix_latents": None,
    "style_latents": None,
    "conditions": None,
    "latents": None,
    "init_stem": None,
    "strength": None,
    "keep": None,
    "loop": False,
    "denoised_hooks": (),
    "callback_on_step_end": None,
    "callback_on_step_end_tensor_inputs": ("latents",),
    "output_type": "pt",
    "return_dict": True,
    "style_space": False,
    "style_weights": None,
}
STARTS = [
    {},
    {"init_stem": 0.1 * torch.ones(1, 1, SAMPLES), "strength": 0.5},
    {"init_stem": 0.1 * torch.ones(1, 1, SAMPLES), "keep": [(0.0, 0.05)]},
    {"style": 0.1 * torch.randn(1, 1, SAMPLES, generator=torch.Generator().manual_seed(0))},
    {"style": 0.1 * torch.ones(2, 1, SAMPLES), "style_weights": [1.0, 2.0]},
    {"mix": None, "mix_latents": torch.zeros(1, CHANNELS, FRAMES)},
    {"mix": None, "duration": 0.1},
    {"num_waveforms_per_prompt": 2, "keep_best": 1},
]
FUNCTIONS = {
    "denoised_hooks": [
        [lambda x, step: None],
        [lambda x, step: x * torch.nan],
        [lambda x, step: x[..., :1]],
        [lambda x, step: 1e38 * x],
        [StyleGrounding(torch.zeros(CHANNELS + 1))],
        [3],
        lambda x, step: x,
    ],
    "callback_on_step_end": [
        lambda *_: None,
        lambda *_: {"latents": None},
        lambda *_: {},
        lambda p, i, t, given: {"latents": given["latents"] * torch.nan},
        lambda p, i, t, given: {"latents": given["latents"][..., :1]},
    ],
    "callback_on_step_end_tensor_inputs": ["latents", ["noise"], [[]]],
    "generator": [torch.Generator(), [torch.Generator()], [torch.Generator()] * 9, [None], 7],
    "conditions": [{"mix": torch.zeros(1, CHANNELS, FRAMES)}, {"x": torch.zeros(1, 1)}, {"mix": [0.0]}, {"mix": None}],
    "keep": [[(0, 1e30)], [(0.0, None)], [(None, None)], [("a", "b")], (0.0, 0.1), [0.5], {0: 1}, [(0.05, 0.0)]],
    "condition_scales": [{"mix": 3.0}, {"mix": 1e30}, {"mix": "a"}, {1: 1.0}],
    "output_type": ["np", "latent", "pil"],
}


def call_all(campaign, pipe, odd_values, count, options=OPTIONS, starts=STARTS):
    rng, tensors = random.Random(0), odd_tensors()
    for case in range(count):
        start = rng.choice(starts)
        call = {**options, **start}
        changed = {}
        for name in rng.sample(list(options), rng.choice([1, 1, 2])):
            pools = [odd_values, tensors, *([FUNCTIONS[name]] * 3 if name in FUNCTIONS else [])]
            changed[name] = rng.choice(rng.choice(pools))
        shown = {name: f"{value!r:.60}" for name, value in changed.items()}
        campaign.attempt(f"{case}: {shown} from {sorted(start)}", stems, pipe, {**call, **changed})


def stems(pipe, call):
    """The tensors of a call's output, a tuple or an object."""
    output = pipe(**call)
    return list(output) if isinstance(output, tuple) else [output.audios, output.scores]


def test_a_call_gives_finite_stems_or_is_refused(campaign, tiny, odd_values):
    call_all(campaign, tiny, odd_values, 120)
    campaign.assert_clean()
    assert campaign.refused > 15 and campaign.served > 2


@pytest.mark.slow
def test_many_calls_give_finite_stems_or_are_refused(campaign, tiny, odd_values):
    call_all(campaign, tiny, odd_values, 1500)
    campaign.assert_clean()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"guidance_scale": 1e30}, "guidance_scale must be a finite number from 0 to 1000, got 1e[+]30"),
        ({"guidance_scale": -1.0}, "guidance_scale must be a finite number from 0 to 1000, got -1"),
        ({"guidance_scale": "3"}, "guidance_scale must be a finite number"),
        ({"style_strength": 1e30}, "style_strength must be a finite number from -1000 to 1000"),
        ({"mix": torch.full((1, SAMPLES), 1e20)}, "mix reaches 1e[+]20; expected samples in"),
        ({"mix": torch.full((1, 1, SAMPLES), 1e20).numpy()}, "mix reaches 1e[+]20"),
        ({"init_stem": torch.full((1, SAMPLES), torch.nan)}, "init_stem holds NaN"),
        ({"init_stem": torch.full((1, SAMPLES), 1e30)}, "init_stem reaches 1e[+]30"),
        ({"latents": torch.full((1, CHANNELS, FRAMES), torch.inf)}, "latents reaches inf; expected finite numbers"),
        ({"latents": torch.full((1, CHANNELS, FRAMES), torch.nan)}, "latents reaches nan; expected finite numbers"),
        ({"mix": None, "mix_latents": torch.full((1, CHANNELS, FRAMES), torch.nan)}, "mix_latents reaches nan"),
        ({"mix": None, "mix_latents": [[0.0]]}, "mix_latents must be a tensor of floats, got list"),
        (
            {"mix": None, "mix_latents": torch.zeros(CHANNELS)},
            r"mix_latents must be of shape \(batch, channels, frames\)",
        ),
        ({"style_latents": torch.full((CHANNELS,), torch.inf)}, "style_latents reaches inf"),
        ({"style_latents": torch.full((1, CHANNELS, FRAMES), 1e30)}, "style_latents reaches 1e[+]30"),
        ({"conditions": {"mix": torch.full((1, CHANNELS, FRAMES), torch.nan)}}, "conditions reaches nan"),
        ({"mix": None, "duration": 1e12}, "duration must be a positive number of seconds, at most 10800"),
        ({"mix": None, "duration": "1"}, "duration must be a positive number of seconds"),
        ({"num_waveforms_per_prompt": 10**9}, "num_waveforms_per_prompt must be a whole number"),
        ({"generator": -7}, "generator must be a torch.Generator"),
        ({"callback_on_step_end": lambda *_: None}, "callback_on_step_end must return a dictionary"),
        ({"callback_on_step_end_tensor_inputs": "latents"}, "must be a list of names"),
        ({"denoised_hooks": [lambda x, step: None]}, "returned None; expected the clean sample"),
        ({"denoised_hooks": [lambda x, step: x * torch.nan]}, "the edited sample is not finite"),
        ({"denoised_hooks": 3}, "denoised_hooks must be a list of functions"),
        ({"keep": 5, "init_stem": torch.zeros(1, SAMPLES)}, "keep is empty or no list"),
    ],
)
def test_a_refusal_says_what_was_got(tiny, options, message):
    with pytest.raises(ValueError, match=message):
        tiny(**{**OPTIONS, **options})


LOOP = {
    "bpm": 480.0,
    "bars": 1,
    "beats_per_bar": 1,
    "prompt": None,
    "reference": None,
    "sampling_rate": 44100,
    "chords": None,
    "num_inference_steps": 2,
    **{
        name: OPTIONS[name]
        for name in (
            "guidance_scale guidance_rescale condition_scales num_waveforms_per_prompt generator conditions latents "
            "strength keep denoised_hooks callback_on_step_end callback_on_step_end_tensor_inputs output_type "
            "return_dict"
        ).split()
    },
    "init_loop": None,
}
LOOP_SAMPLES = 5512  # an eighth of a second, as long as the beat
LOOP_STARTS = [
    {},
    {"prompt": "dark techno, no hats", "chords": "| C |"},
    {"reference": 0.1 * torch.randn(1, 1, 9000, generator=torch.Generator().manual_seed(0))},
    {"init_loop": 0.1 * torch.ones(1, 1, LOOP_SAMPLES), "strength": 0.5},
    {"init_loop": 0.1 * torch.ones(1, 1, LOOP_SAMPLES), "keep": [(0.0, 0.05)]},
    {"num_waveforms_per_prompt": 2, "generator": 3},
]


@pytest.mark.parametrize("count", [60, pytest.param(1500, marks=pytest.mark.slow)])
def test_a_call_for_loops_gives_finite_ones_or_is_refused(campaign, build_loop_pipeline, odd_values, count):
    call_all(campaign, build_loop_pipeline(), odd_values, count, LOOP, LOOP_STARTS)
    campaign.assert_clean()
    assert campaign.refused > 15 and campaign.served > 2


@pytest.fixture(scope="module")
def bassnet():
    torch.manual_seed(0)
    return BassNetPipeline(BassNetModel(steps=4, channels=4, blocks=2, control_blocks=1).eval())


def test_a_call_of_bassnet_gives_finite_lines_or_is_refused(campaign, bassnet, odd_values):
    rng, tensors = random.Random(0), odd_tensors()
    for case in range(25):
        call = {"mix": 0.1 * torch.randn(1, 3000), "sampling_rate": 16000, "control": (0.3, -1.0), "like": None}
        name = rng.choice(list(call))
        call[name] = rng.choice(rng.choice([odd_values, tensors]))
        campaign.attempt(f"{case}: {name}={call[name]!r:.60}", lines, bassnet, call)
    campaign.assert_clean()


def lines(pipe, call):
    """The numbers of a call's output, a tuple or an object."""
    output = pipe(**call)
    made, controls = output if isinstance(output, tuple) else (output.lines, output.controls)
    return [controls, *(getattr(line, name) for line in made for name in ("frequency", "level", "onset"))]
