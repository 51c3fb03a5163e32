"""`torch.compile` of the U-Net: one graph without breaks, for all lengths, alone and in the pipeline; equal results."""

import shutil

import pytest
import torch
from torch._dynamo.utils import counters

from latentstem import StemUNet1DModel

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture(autouse=True)
def nothing_compiled():
    torch.compiler.reset()
    counters.clear()
    yield
    torch.compiler.reset()


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("g++"), reason="compiling for the CPU needs a C++ compiler")
@torch.no_grad()
def test_one_graph_of_machine_code_serves_all_lengths():
    """One resolution, with attention: what the compiler has to write, it writes within ten seconds."""
    unet = StemUNet1DModel(
        latent_channels=4,
        block_out_channels=(8,),
        layers_per_block=(1,),
        attention_head_dim=8,
        attention_levels=(True,),
        embedding_dim=16,
    ).eval()
    for parameter in (*unet.conv_out.parameters(), *unet.position_biases.parameters()):  # zero before training
        torch.nn.init.normal_(parameter, std=0.3)
    compiled = torch.compile(unet, fullgraph=True, dynamic=True)
    for frames in (13, 20, 7, 64, 101):
        noisy, mix = torch.randn(2, 2, 4, frames).unbind()
        timestep, dropped = torch.tensor([500, 20]), torch.tensor([False, True])
        ours, theirs = (net(noisy, timestep, {"mix": mix}, {"mix": dropped}).sample for net in (compiled, unet))
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-4)
        assert counters["stats"]["unique_graphs"] == 1
    assert not counters["graph_break"]


def test_compiled_in_place_it_serves_the_pipeline_at_all_lengths(build_pipeline):
    """As the pipeline calls it, with its tables kept from step to step; backend eager, which takes the same graphs."""
    pipe = build_pipeline()
    pipe.disable_windows()

    def run(samples):
        mix = 0.2 * torch.randn(1, samples, generator=torch.Generator().manual_seed(5))
        options = {"num_inference_steps": 3, "generator": torch.Generator().manual_seed(0), "output_type": "latent"}
        return pipe(mix, sampling_rate=44100, **options).audios

    lengths = (60_000, 90_000, 130_000)
    plain = [run(samples) for samples in lengths]
    pipe.unet.compile(backend="eager", fullgraph=True, dynamic=True)
    for samples, expected in zip(lengths, plain, strict=True):
        torch.testing.assert_close(run(samples), expected, atol=1e-5, rtol=0)
        assert counters["stats"]["unique_graphs"] == 1
    assert not counters["graph_break"]
