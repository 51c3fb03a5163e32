"""Saves a tiny pipeline as this version saves it, for every later version to load.

python tests/saved/save.py writes tests/saved/VERSION: the folder as `save_pretrained` leaves it, and what it made of
`mix()`, as `output.json`. Run it once for each version that is released, on the commit that is, and never again for a
version that is there: what counts is the code that saved it.
"""

import json
from pathlib import Path

import torch

import latentstem
from latentstem import (
    AutoencoderSpectral,
    ContrastiveStemModel,
    CosineDDIMScheduler,
    RescaledClassifierFreeGuidance,
    StemAccompanimentPipeline,
    StemUNet1DModel,
)

FOLDER = Path(__file__).parent


def build() -> StemAccompanimentPipeline:
    """Every kind of layer, as few numbers as possible."""
    torch.manual_seed(0)
    autoencoder = AutoencoderSpectral(
        sampling_rate=8000,
        latent_channels=4,
        hop_length=256,
        window_length=128,
        encoder_window_length=128,
        low_window_length=256,
        stft_hop_length=64,
        channels=8,
        latent_hidden_channels=8,
        encoder_layers=1,
        decoder_layers=1,
        latent_layers=2,
        carriers=4,
        latents_mean=[0.1, -0.2, 0.3, 0.0],
        latents_std=[0.5, 0.6, 0.4, 0.5],
    )
    unet = StemUNet1DModel(
        latent_channels=4,
        block_out_channels=(8, 8),
        layers_per_block=(1, 1),
        attention_head_dim=4,
        attention_levels=(False, True),
        embedding_dim=8,
        position_hidden_dim=4,
    )
    reranker = ContrastiveStemModel(latent_channels=4, channels=8, embedding_channels=4, layers=(1, 1))
    for net in (unet, reranker):
        for parameter in net.parameters():
            if not parameter.any():  # zero at the start of training: nothing would be heard
                torch.nn.init.normal_(parameter, std=0.3)
    guider = RescaledClassifierFreeGuidance(2.0, guidance_rescale=0.5, per_channel=True)
    scheduler = CosineDDIMScheduler(num_train_timesteps=64, max_signal_rate=0.99)
    return StemAccompanimentPipeline(autoencoder.eval(), unet.eval(), scheduler, guider, reranker=reranker.eval())


def mix() -> torch.Tensor:
    """A second of a rising tone, by a formula: no generator of random numbers has to stay as it is."""
    time = torch.arange(8000, dtype=torch.float64) / 8000
    return (0.2 * torch.sin(2 * torch.pi * (200 * time + 300 * time**2))).float()[None]


def output(pipe: StemAccompanimentPipeline) -> dict[str, list]:
    """What the pipeline makes of the mix from given noise: latents, every 100th sample, and the reranker's score."""
    pipe.set_progress_bar_config(disable=True)
    frames = pipe.count_frames(8000)
    noise = torch.sin(torch.arange(4 * frames, dtype=torch.float64).square()).float().reshape(1, 4, frames)
    call = {"sampling_rate": 8000, "latents": noise, "num_inference_steps": 4}
    latents = pipe(mix(), style=mix().flip(-1), output_type="latent", **call).audios
    audio = pipe(mix(), **call)
    scores = pipe.score(pipe.encode_mix(mix()[None])[0], latents)
    return {
        "latents": latents[0].double().tolist(),
        "audio": audio.audios[0, 0, ::100].double().tolist(),
        "score": scores.double().tolist(),
    }


def main() -> None:
    folder = FOLDER / latentstem.__version__
    if folder.exists():
        raise SystemExit(f"{folder} is there, saved by the code of that version; raise the version first")
    pipe = build().to(torch.float16)
    pipe.save_pretrained(folder)
    loaded = StemAccompanimentPipeline.from_pretrained(folder)
    rounded = {
        name: json.loads(json.dumps(values), parse_float=lambda digits: float(f"{float(digits):.7g}"))
        for name, values in output(loaded).items()
    }
    (folder / "output.json").write_text(json.dumps(rounded) + "\n")


if __name__ == "__main__":
    with torch.no_grad():
        main()
