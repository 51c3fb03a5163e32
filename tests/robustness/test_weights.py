"""Weight files with bytes, tensors or names changed: loaded and finite, or refused in one line."""

import json
import random
import shutil
import struct

import pytest
import torch
from safetensors.torch import load_file, save_file

from latentstem.cli.errors import UsageError
from latentstem.cli.loading import load_pipeline

WEIGHTS = "diffusion_pytorch_model.safetensors"
COMPONENTS = ("unet", "autoencoder", "reranker")


@pytest.fixture(scope="module")
def saved(tiny, tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved")
    tiny.save_pretrained(folder)
    return folder


def mutate_bytes(rng, file):
    """Change bytes of the header, or of all, or cut the file."""
    content = bytearray(file.read_bytes())
    (header,) = struct.unpack("<Q", content[:8])
    kind = rng.choice(["header", "length", "cut", "anywhere", "offsets", "names"])
    match kind:
        case "header":
            content[8 + rng.randrange(header)] = rng.randrange(256)
        case "length":
            content[:8] = struct.pack("<Q", rng.choice([0, 1, header - 1, header + 1, 2**31, 2**63, 2**64 - 1]))
        case "cut":
            del content[rng.randrange(len(content)) :]
        case "anywhere":
            content[rng.randrange(len(content))] ^= 0x7F
        case _:
            table = json.loads(content[8 : 8 + header])
            name = rng.choice([name for name in table if name != "__metadata__"])
            if kind == "names":
                table[rng.choice(["", "x", "../" * 40, "x" * 5000])] = table.pop(name)
            else:
                places = [[], [0, 2**63], [2**40], [-1, 5], [0, 0]]
                table[name][rng.choice(["shape", "data_offsets"])] = rng.choice(places)
            text = json.dumps(table).encode()
            content[: 8 + header] = struct.pack("<Q", len(text)) + text
    file.write_bytes(content)
    return kind


def mutate_tensors(rng, file):
    """Change one tensor in a file that stays whole."""
    tensors = load_file(file)
    name = rng.choice(sorted(tensors))
    kind = rng.choice(["NaN", "Inf", "huge", "zero", "missing", "longer", "of integers", "more"])
    match kind:
        case "NaN" | "Inf" | "huge":
            tensors[name] = torch.full_like(tensors[name], {"NaN": torch.nan, "Inf": torch.inf, "huge": 3e38}[kind])
        case "zero":
            tensors[name] = torch.zeros_like(tensors[name])
        case "missing":
            del tensors[name]
        case "longer":
            tensors[name] = torch.cat([tensors[name].flatten()] * 2)
        case "of integers":
            tensors[name] = tensors[name].to(torch.int32)
        case _:
            tensors["more"] = torch.zeros(3)
    save_file(tensors, file, metadata={"format": "pt"})
    return f"{kind} {name}"


def load_and_call(folder):
    pipe = load_pipeline(str(folder))
    pipe.set_progress_bar_config(disable=True)
    call = {"sampling_rate": pipe.sampling_rate, "num_inference_steps": 1, "num_waveforms_per_prompt": 2}
    return pipe(0.1 * torch.randn(1, 1, 5000), keep_best=1, **call).audios


def load_all(campaign, saved, tmp_path, count):
    rng = random.Random(0)
    for case in range(count):
        folder = tmp_path / str(case)
        shutil.copytree(saved, folder)
        component = COMPONENTS[case % len(COMPONENTS)]
        kind = rng.choice([mutate_bytes, mutate_tensors])(rng, folder / component / WEIGHTS)
        campaign.attempt(f"{component}: {kind}", load_and_call, folder, errors=(UsageError, ValueError))
        shutil.rmtree(folder)


def test_damaged_weights_are_loaded_or_refused(campaign, saved, tmp_path):
    load_all(campaign, saved, tmp_path, 12)
    campaign.assert_clean()


@pytest.mark.slow
def test_many_damaged_weights_are_loaded_or_refused(campaign, saved, tmp_path):
    load_all(campaign, saved, tmp_path, 300)
    campaign.assert_clean()
