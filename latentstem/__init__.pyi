"""Names of the package, for type checkers and editors and for `__init__.py`, which imports each at its first use."""

from latentstem.audio.errors import AudioError as AudioError
from latentstem.audio.io import read_audio as read_audio
from latentstem.audio.io import write_audio as write_audio
from latentstem.audio.loops import circular_pad as circular_pad
from latentstem.audio.loops import crossfade_seam as crossfade_seam
from latentstem.audio.loops import resample_periodic as resample_periodic
from latentstem.audio.resampling import resample as resample
from latentstem.guidance.functional import classifier_free_guidance as classifier_free_guidance
from latentstem.guidance.functional import rescale_std as rescale_std
from latentstem.guidance.inpainting import InpaintRegions as InpaintRegions
from latentstem.guidance.rescaled_cfg import RescaledClassifierFreeGuidance as RescaledClassifierFreeGuidance
from latentstem.guidance.style_grounding import StyleGrounding as StyleGrounding
from latentstem.guidance.style_space import StyleSpace as StyleSpace
from latentstem.losses.spectral import multi_scale_spectral_distance as multi_scale_spectral_distance
from latentstem.models.autoencoder_spectral import AutoencoderSpectral as AutoencoderSpectral
from latentstem.models.bassnet import BassNetModel as BassNetModel
from latentstem.models.codec import Codec as Codec
from latentstem.models.contrastive import ContrastiveStemModel as ContrastiveStemModel
from latentstem.models.encodec import EncodecCodec as EncodecCodec
from latentstem.models.prompt_encoder import PromptEncoder as PromptEncoder
from latentstem.models.style_encoder import StyleEncoder as StyleEncoder
from latentstem.models.unet_stem import StemUNet1DModel as StemUNet1DModel
from latentstem.nn.attention import SelfAttention1D as SelfAttention1D
from latentstem.nn.attention import biased_attention as biased_attention
from latentstem.nn.oscillators import OscillatorBank as OscillatorBank
from latentstem.nn.position import DynamicPositionBias as DynamicPositionBias
from latentstem.pipelines.bassnet import BassNetPipeline as BassNetPipeline
from latentstem.pipelines.loop import LoopPipeline as LoopPipeline
from latentstem.pipelines.one_call import accompany as accompany
from latentstem.pipelines.output import StemPipelineOutput as StemPipelineOutput
from latentstem.pipelines.quality import Quality as Quality
from latentstem.pipelines.stem_accompaniment import StemAccompanimentPipeline as StemAccompanimentPipeline
from latentstem.sampling.denoised import denoised_coefficients as denoised_coefficients
from latentstem.sampling.hooks import on_denoised as on_denoised
from latentstem.sampling.objectives import Objective as Objective
from latentstem.sampling.overlapping import OverlappingWindows as OverlappingWindows
from latentstem.schedulers.cosine_ddim import CosineDDIMScheduler as CosineDDIMScheduler
from latentstem.schedulers.iadb import IADBScheduler as IADBScheduler

__version__: str

def pretrained_path(name: str) -> str: ...
