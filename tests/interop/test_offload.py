"""Offloading, by diffusers and Accelerate: weights lie elsewhere until they are used, and the stem is the same."""

import pytest
import torch
from accelerate import disk_offload

CPU_WAYS = ["model", "disk"]  # the hooks of sequential offloading, which moves single layers, also serve a disk
GPU_WAYS = [pytest.param(way, marks=pytest.mark.gpu) for way in ("model on cuda", "sequential on cuda")]


@pytest.fixture
def mix():
    return 0.2 * torch.randn(1, 30_000, generator=torch.Generator().manual_seed(5))


@pytest.fixture
def pipe(build_pipeline):
    return build_pipeline(with_reranker=True, carriers=4)


def generate(pipe, mix, **options):
    """With a style and a reranker, so that every component is run."""
    return pipe(
        mix,
        sampling_rate=44100,
        style=mix.flip(-1),
        num_inference_steps=2,
        num_waveforms_per_prompt=2,
        keep_best=1,
        generator=torch.Generator().manual_seed(0),
        **options,
    ).audios.cpu()


def offload(pipe, way, folder):
    """Says where weights lie now while they are not used."""
    if way == "disk":
        for name, net in pipe.components.items():
            if isinstance(net, torch.nn.Module):
                disk_offload(net, folder / name, torch.device("cpu"))
        return "meta"
    way, _, device = way.partition(" on ")
    getattr(pipe, f"enable_{way}_cpu_offload")(device=device or "cpu")
    return {"model": "cpu", "sequential": "meta"}[way]


@pytest.mark.parametrize("way", CPU_WAYS + GPU_WAYS)
def test_offloading_changes_nothing_and_weights_go_back(pipe, mix, way, tmp_path):
    plain = generate(pipe, mix)
    elsewhere = offload(pipe, way, tmp_path)
    for _ in range(2):
        torch.testing.assert_close(generate(pipe, mix), plain, atol=1e-4, rtol=0)
        for net in (pipe.autoencoder, pipe.unet, pipe.reranker):
            assert {parameter.device.type for parameter in net.parameters()} == {elsewhere}


@pytest.mark.parametrize("way", CPU_WAYS + GPU_WAYS)
def test_offloaded_pipelines_vary_stems_and_make_loops(pipe, mix, way, tmp_path):
    calls = [{"init_stem": mix.roll(1, -1), "strength": 0.7, "keep": [(0.0, 0.2)]}, {"loop": True}]
    plain = [generate(pipe, mix, **call) for call in calls]
    offload(pipe, way, tmp_path)
    for call, expected in zip(calls, plain, strict=True):
        torch.testing.assert_close(generate(pipe, mix, **call), expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize("way", GPU_WAYS)
def test_offloading_holds_less_on_the_gpu_between_calls(pipe, mix, way, tmp_path):
    generate(pipe.to("cuda"), mix)
    whole = torch.cuda.memory_allocated()
    offload(pipe.to("cpu"), way, tmp_path)
    generate(pipe, mix)
    assert torch.cuda.memory_allocated() < whole
