"""Names of the package for type checkers and editors: what `__init__.py` imports when it is first used."""

from diffusers.guiders.guider_utils import BaseGuidance as BaseGuidance
from diffusers.models.modeling_utils import ModelMixin as ModelMixin
from diffusers.pipelines.pipeline_utils import DiffusionPipeline as DiffusionPipeline
from diffusers.schedulers.scheduling_utils import SchedulerMixin as SchedulerMixin

from latentstem.audio.io import AudioContentError as AudioContentError
from latentstem.audio.io import AudioError as AudioError
from latentstem.audio.io import AudioFileError as AudioFileError
from latentstem.audio.io import AudioLengthError as AudioLengthError
from latentstem.audio.io import check_writable as check_writable
from latentstem.audio.io import read_audio as read_audio
from latentstem.audio.io import resample as resample
from latentstem.audio.io import write_audio as write_audio
from latentstem.audio.level import REFERENCE_RMS as REFERENCE_RMS
from latentstem.audio.level import sounding_rms as sounding_rms
from latentstem.audio.stft import istft as istft
from latentstem.audio.stft import overlap_add as overlap_add
from latentstem.audio.stft import stft as stft
from latentstem.audio.tiling import tiled as tiled
from latentstem.guidance.functional import classifier_free_guidance as classifier_free_guidance
from latentstem.guidance.functional import rescale_std as rescale_std
from latentstem.guidance.grounding import StyleGrounding as StyleGrounding
from latentstem.guidance.rescaled_cfg import RescaledClassifierFreeGuidance as RescaledClassifierFreeGuidance
from latentstem.losses.adversarial import hinge_discriminator_loss as hinge_discriminator_loss
from latentstem.losses.adversarial import hinge_generator_loss as hinge_generator_loss
from latentstem.losses.adversarial import r1_penalty as r1_penalty
from latentstem.losses.spectral import MultiScaleSpectralDistance as MultiScaleSpectralDistance
from latentstem.losses.spectral import log_frequency_bands as log_frequency_bands
from latentstem.losses.spectral import log_magnitude_distance as log_magnitude_distance
from latentstem.losses.spectral import multi_scale_spectral_distance as multi_scale_spectral_distance
from latentstem.models.autoencoder_spectral import AutoencoderSpectral as AutoencoderSpectral
from latentstem.models.autoencoder_spectral import AutoencoderSpectralDecoderOutput as AutoencoderSpectralDecoderOutput
from latentstem.models.autoencoder_spectral import AutoencoderSpectralEncoderOutput as AutoencoderSpectralEncoderOutput
from latentstem.models.discriminator import SpectralDiscriminator as SpectralDiscriminator
from latentstem.models.unet_stem import StemUNet1DModel as StemUNet1DModel
from latentstem.models.unet_stem import StemUNet1DOutput as StemUNet1DOutput
from latentstem.models.unet_stem import StemUNetStage as StemUNetStage
from latentstem.nn.attention import SelfAttention1D as SelfAttention1D
from latentstem.nn.attention import biased_attention as biased_attention
from latentstem.nn.carriers import CarrierBank as CarrierBank
from latentstem.nn.convnext import ConvNeXtBlock1D as ConvNeXtBlock1D
from latentstem.nn.embeddings import TimestepEmbedding as TimestepEmbedding
from latentstem.nn.embeddings import sinusoidal_embedding as sinusoidal_embedding
from latentstem.nn.position import DynamicPositionBias as DynamicPositionBias
from latentstem.nn.position import reuse_position_tables as reuse_position_tables
from latentstem.nn.resnet import ChannelNorm as ChannelNorm
from latentstem.nn.resnet import Downsample1D as Downsample1D
from latentstem.nn.resnet import FrameConv1d as FrameConv1d
from latentstem.nn.resnet import ResnetBlock1D as ResnetBlock1D
from latentstem.nn.resnet import Upsample1D as Upsample1D
from latentstem.pipelines.inputs import prepare_audio as prepare_audio
from latentstem.pipelines.output import StemPipelineOutput as StemPipelineOutput
from latentstem.pipelines.stem_accompaniment import StemAccompanimentPipeline as StemAccompanimentPipeline
from latentstem.sampling.denoised import DenoisedCoefficients as DenoisedCoefficients
from latentstem.sampling.denoised import denoised_coefficients as denoised_coefficients
from latentstem.sampling.hooks import DenoisedHook as DenoisedHook
from latentstem.sampling.hooks import DenoisedStep as DenoisedStep
from latentstem.sampling.hooks import on_denoised as on_denoised
from latentstem.sampling.latents import denormalize_latents as denormalize_latents
from latentstem.sampling.latents import normalize_latents as normalize_latents
from latentstem.schedulers.cosine_ddim import CosineDDIMScheduler as CosineDDIMScheduler
from latentstem.schedulers.cosine_ddim import CosineDDIMSchedulerOutput as CosineDDIMSchedulerOutput

__version__: str

def pretrained_path(name: str) -> str: ...
