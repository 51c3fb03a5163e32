"""EnCodec as the pipeline's autoencoder.

python examples/encodec_autoencoder.py

With random weights the result is noise: the net has to be trained on the latents of the codec, by
`accelerate launch -m latentstem.training.unet --autoencoder FOLDER ...` with the folder that the codec was saved to.
"""

import torch
from transformers import EncodecConfig, EncodecModel

from latentstem import (
    CosineDDIMScheduler,
    EncodecCodec,
    RescaledClassifierFreeGuidance,
    StemAccompanimentPipeline,
    StemUNet1DModel,
)


def main() -> None:
    torch.manual_seed(0)
    # Trained: EncodecCodec.from_transformers("facebook/encodec_24khz"), or from a folder; it says if nothing is there.
    codec = EncodecCodec.wrap(EncodecModel(EncodecConfig(num_filters=4, hidden_size=16)))
    unet = StemUNet1DModel(latent_channels=codec.latent_channels, block_out_channels=(32, 32, 32)).eval()
    pipe = StemAccompanimentPipeline(codec, unet, CosineDDIMScheduler(), RescaledClassifierFreeGuidance())
    mix = 0.1 * torch.randn(1, 48_000)
    out = pipe(mix, sampling_rate=24_000, num_inference_steps=4, generator=torch.Generator().manual_seed(0))
    print(f"{out.audios.shape[-1]} samples at {out.sampling_rate} Hz for a mix of {mix.shape[-1]}")


if __name__ == "__main__":
    main()
