"""Models of `peers.py`: each function builds a net and returns what is to be timed.

Settings of the other libraries are those closest to this one: the same latents, the same frame rate, a similar number
of parameters; weights are random, which does not change the speed. Where there is a choice, it favours the other
library: EnCodec quantizes at its lowest bandwidth, the transformer attends to a single token of text. Libraries are
imported where they are used, so that a missing one loses only its own rows.
"""

import math
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from types import ModuleType, SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.speed.matmul_floor import floor

RATE, HOP, CHANNELS, STEPS = 44100, 4096, 64, 64


@dataclass(frozen=True)
class Work:
    """Work to time.

    Attributes:
        run: One repetition, under the caller's `no_grad`.
        net: Net whose parameters are counted.
        package: Package whose version is reported.
        audio_seconds: Seconds of audio of a repetition.
        after: Function that returns further results after the timing.
    """

    run: Callable[[], Any]
    net: nn.Module
    package: str
    audio_seconds: float
    after: Callable[[], dict[str, Any]] = dict


def audio(seconds: float, rate: int = RATE, channels: int = 1, multiple: int = 1) -> Tensor:
    """Draw noise at the level of music, `(1, channels, samples)`, of a length that is a multiple."""
    samples = -(-round(seconds * rate) // multiple) * multiple
    return 0.1 * torch.randn(1, channels, samples)


def latents(seconds: float, batch: int = 1, channels: int = CHANNELS, multiple: int = 1) -> Tensor:
    """Draw noise shaped like latents, `(batch, channels, frames)`."""
    frames = math.ceil(seconds * RATE / HOP)
    return torch.randn(batch, channels, -(-frames // multiple) * multiple)


# Autoencoders. Encoding and decoding run in processes of their own. A decoder gets noise shaped like latents: to encode
# first would add the peak memory of the encoder.


def ours_stream(way: str, seconds: float) -> Work:
    """Run the shipped autoencoder as a stream on pieces of one second, without keeping the output."""
    import latentstem

    net = latentstem.AutoencoderSpectral.from_pretrained(latentstem.pretrained_path("bass-gm"), subfolder="autoencoder")
    second, code = audio(1.0), latents(seconds)

    def run() -> None:
        if way == "encode":
            tiles = net.encode_stream(second for _ in range(round(seconds)))
        else:
            tiles = net.decode_stream([code])
        for _ in tiles:
            pass

    return Work(run, net, "diffusers", seconds)


def ours_codec(way: str, seconds: float) -> Work:
    """Run the shipped autoencoder."""
    import latentstem

    net = latentstem.AutoencoderSpectral.from_pretrained(latentstem.pretrained_path("bass-gm"), subfolder="autoencoder")
    sound, code = audio(seconds if way == "encode" else 0.1), latents(seconds)
    samples = round(seconds * RATE)
    return _codec(way, lambda: net.encode(sound), lambda: net.decode(code, num_samples=samples), net, seconds)


def music2latent(way: str, seconds: float) -> Work:
    """Run the inference functions of music2latent on a net with random weights; its class would download weights."""
    from music2latent import inference, models

    net = models.UNet().eval()
    holder, longest = SimpleNamespace(gen=net), RATE * 60
    sound = audio(seconds)[0]
    # As many frames as its encoder makes of so much audio: one more, and 60 s would be decoded in two pieces of 60 s.
    code = torch.randn(1, CHANNELS, (sound.shape[-1] - 3 * 512) // HOP)
    return _codec(
        way,
        lambda: inference.encode_audio_inference(sound, holder, longest, 1, device="cpu"),
        lambda: inference.decode_latent_inference(code, holder, longest, 1, device="cpu"),
        net,
        seconds,
        "music2latent",
    )


def oobleck(way: str, seconds: float) -> Work:
    """Run the autoencoder of Stable Audio, mono: 64 channels at 21.5 Hz."""
    from diffusers import AutoencoderOobleck

    net = AutoencoderOobleck(audio_channels=1).eval()
    sound = audio(seconds, multiple=2048)
    code = torch.randn(1, CHANNELS, sound.shape[-1] // 2048)
    return _codec(way, lambda: net.encode(sound).latent_dist.mode(), lambda: net.decode(code), net, seconds)


def same(way: str, seconds: float) -> Work:
    """Run SAME in its small geometry, which is stereo only: 256 channels at the frame rate of latentstem."""
    from diffusers import AutoencoderSAME

    net = AutoencoderSAME().eval()
    sound = audio(seconds, channels=2, multiple=8192)
    code = torch.randn(1, 256, sound.shape[-1] // HOP)
    return _codec(way, lambda: net.encode(sound), lambda: net.decode(code), net, seconds)


def dac(way: str, seconds: float) -> Work:
    """Run DAC at 44.1 kHz with all codebooks."""
    from transformers import DacConfig, DacModel

    net = DacModel(DacConfig(sampling_rate=RATE)).eval()
    sound = audio(seconds, multiple=512)
    code = torch.randn(1, net.config.hidden_size, sound.shape[-1] // 512)
    return _codec(way, lambda: net.encode(sound), lambda: net.decode(code), net, seconds, "transformers")


def encodec(stereo: bool, way: str, seconds: float) -> Work:
    """Run EnCodec: the causal mono net at 24 kHz, or the stereo one at 48 kHz, which works in pieces of a second."""
    from transformers import EncodecConfig, EncodecModel

    high = {
        "sampling_rate": 48000,
        "audio_channels": 2,
        "target_bandwidths": [3.0, 6.0, 12.0, 24.0],
        "normalize": True,
        "chunk_length_s": 1.0,
        "overlap": 0.01,
        "norm_type": "time_group_norm",
        "use_causal_conv": False,
    }
    net = EncodecModel(EncodecConfig(**high if stereo else {})).eval()
    sound = audio(seconds, net.config.sampling_rate, net.config.audio_channels)
    # Codes come in pieces with scales, so its own encoder makes them, within the peak of memory.
    code = net.encode(sound) if way == "decode" else None
    return _codec(
        way,
        lambda: net.encode(sound),
        lambda: net.decode(code.audio_codes, code.audio_scales, last_frame_pad_length=code.last_frame_pad_length),
        net,
        seconds,
        "transformers",
    )


def _codec(
    way: str, encode: Callable, decode: Callable, net: nn.Module, seconds: float, package: str = "diffusers"
) -> Work:
    run = {"encode": encode, "decode": decode}[way]
    return Work(run, net, package, seconds)


# Denoisers, one forward; all see noisy latents and the mix beside them, but for the transformer of Stable Audio, which
# has no place for a mix.


def ours_forward(seconds: float, batch: int = 1, bfloat16: bool = False) -> Work:
    """Run the shipped U-Net; at batch 2, as in guidance, also count its operations."""
    import latentstem

    net = latentstem.StemUNet1DModel.from_pretrained(latentstem.pretrained_path("bass-gm"), subfolder="unet")
    noisy, mix = latents(seconds, batch), latents(seconds, batch)

    def run():
        return net(noisy, 500, mix).sample

    after = partial(floor, net, run, torch.bfloat16 if bfloat16 else torch.float32) if batch == 2 else dict
    return Work(run, net, "diffusers", seconds, after=after)


def adp_net() -> nn.Module:
    """Build the U-Net of audio-diffusion-pytorch, 71 M parameters."""
    # It imports torchaudio for a front end that is not used here, and torchaudio from the registry does not load
    # beside a CPU-only build of torch: an empty module stands in, in this process alone.
    if "torchaudio" not in sys.modules:
        stub = ModuleType("torchaudio")
        stub.transforms = ModuleType("torchaudio.transforms")
        sys.modules["torchaudio"] = stub
    from audio_diffusion_pytorch import UNetV0

    return UNetV0(
        dim=1,
        in_channels=2 * CHANNELS,
        out_channels=CHANNELS,
        channels=[256, 512, 512, 1024],
        factors=[1, 2, 2, 2],
        items=[2, 2, 2, 2],
        attentions=[0, 1, 1, 1],
        attention_heads=8,
        attention_features=64,
        modulation_features=512,
    ).eval()


def adp_forward(seconds: float) -> Work:
    """Run one forward of audio-diffusion-pytorch, at a number of frames that eight divides."""
    net = adp_net()
    both, time = latents(seconds, channels=2 * CHANNELS, multiple=8), torch.tensor([0.5])
    return Work(lambda: net(both, time), net, "audio-diffusion-pytorch", seconds)


def x_transformers(frames: int, audio_seconds: float, biased: bool = True) -> Work:
    """Run an encoder of x-transformers, with its dynamic position bias or without positions."""
    from x_transformers import ContinuousTransformerWrapper, Encoder

    layers = Encoder(dim=512, depth=12, heads=8, dynamic_pos_bias=biased)
    net = ContinuousTransformerWrapper(
        dim_in=2 * CHANNELS, dim_out=CHANNELS, max_seq_len=8192, use_abs_pos_emb=False, attn_layers=layers
    ).eval()
    both = torch.randn(1, frames, 2 * CHANNELS)
    return Work(lambda: net(both), net, "x-transformers", audio_seconds)


def dit(seconds: float, batch: int) -> tuple[nn.Module, Callable[[Tensor, Tensor], Tensor]]:
    """Build the transformer of Stable Audio at 43.5 M parameters, and a function that calls it."""
    from diffusers import StableAudioDiTModel
    from diffusers.models.embeddings import get_1d_rotary_pos_embed

    width, heads = 512, 8
    net = StableAudioDiTModel(
        in_channels=CHANNELS,
        out_channels=CHANNELS,
        num_layers=8,
        num_attention_heads=heads,
        num_key_value_attention_heads=heads,
        global_states_input_dim=width,
        cross_attention_dim=width,
        cross_attention_input_dim=width,
    ).eval()
    frames = latents(seconds).shape[-1]
    rotary = get_1d_rotary_pos_embed(64 // 2, frames + 1, use_real=True, repeat_interleave_real=False)
    text, timing = torch.randn(batch, 1, width), torch.randn(batch, 1, width)
    return net, lambda noisy, timestep: net(noisy, timestep, text, timing, rotary).sample


def dit_forward(seconds: float) -> Work:
    """Run one forward of the transformer of Stable Audio."""
    net, call = dit(seconds, 1)
    noisy, timestep = latents(seconds), torch.tensor([500])
    return Work(lambda: call(noisy, timestep), net, "diffusers", seconds)


# Whole sampling, 64 steps.


def ours_sampling(seconds: float, guided: bool = True, from_audio: bool = False, quality: str = "best") -> Work:
    """Run the pipeline from latents to latents, as the other libraries do, or from audio to audio."""
    import latentstem

    pipe = latentstem.StemAccompanimentPipeline.from_pretrained(latentstem.pretrained_path("bass-gm"))
    pipe.set_progress_bar_config(disable=True)
    steps = latentstem.Quality(quality).apply_to(pipe)
    mix = {"mix": audio(seconds), "sampling_rate": RATE} if from_audio else {"mix_latents": latents(seconds)}
    call = {"num_inference_steps": steps, "guidance_scale": None if guided else 1.0}
    output_type = "pt" if from_audio else "latent"
    return Work(lambda: pipe(**mix, **call, output_type=output_type), pipe.unet, "diffusers", seconds)


def ours_files(minutes: float) -> Work:
    """Run the pipeline from file to file in the fastest quality, as the command line does."""
    import tempfile

    import latentstem
    from latentstem.audio import AudioWriter
    from latentstem.pipelines import encode_mix_file, write_stem_file

    pipe = latentstem.StemAccompanimentPipeline.from_pretrained(latentstem.pretrained_path("bass-gm"))
    pipe.set_progress_bar_config(disable=True)
    steps = latentstem.Quality.FAST.apply_to(pipe)

    def run() -> None:
        with tempfile.TemporaryDirectory() as folder:
            with AudioWriter(f"{folder}/mix.wav", RATE, channels=2) as writer:
                for _ in range(round(60 * minutes)):
                    writer.write(audio(1.0, channels=2)[0].clamp(-1, 1))
            mix = encode_mix_file(pipe, f"{folder}/mix.wav")
            latents = pipe(mix_latents=mix.latents, num_inference_steps=steps, output_type="latent").audios
            write_stem_file(pipe, mix, latents, f"{folder}/stem.wav")

    return Work(run, pipe.unet, "diffusers", 60 * minutes)


def adp_sampling(seconds: float) -> Work:
    """Run the velocity sampler of audio-diffusion-pytorch, without guidance: one evaluation a step."""
    net = adp_net()
    from audio_diffusion_pytorch import VSampler

    noise, mix = latents(seconds, multiple=8), latents(seconds, multiple=8)
    sampler = VSampler(lambda noisy, time: net(torch.cat([noisy, mix], dim=1), time))
    return Work(lambda: sampler(noise, num_steps=STEPS), net, "audio-diffusion-pytorch", seconds)


def dit_sampling(seconds: float, scale: float = 3.0) -> Work:
    """Run the transformer of Stable Audio with the DDIM of diffusers, both guidance predictions in one batch."""
    from diffusers import DDIMScheduler

    net, call = dit(seconds, 2)
    scheduler = DDIMScheduler(prediction_type="v_prediction", clip_sample=False)
    noise = latents(seconds)

    def run() -> Tensor:
        scheduler.set_timesteps(STEPS)
        sample = noise
        for timestep in scheduler.timesteps:
            conditional, free = call(torch.cat([sample, sample]), timestep.expand(2)).float().chunk(2)
            sample = scheduler.step(free + scale * (conditional - free), timestep, sample).prev_sample
        return sample

    return Work(run, net, "diffusers", seconds)


def ours_attention(frames: int, biased: bool) -> Work:
    """Run attention of 8 heads of 32 alone; the bias table is computed before, as once a call in sampling."""
    from latentstem import DynamicPositionBias
    from latentstem.nn.attention import biased_attention

    bias = DynamicPositionBias(num_heads=8)
    query, key, value = torch.randn(3, 1, 8, frames, 32).unbind()
    table = bias(frames).detach() if biased else None
    return Work(lambda: biased_attention(query, key, value, table), bias, "torch", frames * HOP / RATE)
