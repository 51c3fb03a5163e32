"""Pipelines from audio to audio, and from file to file."""

from latentstem.pipelines.output import StemPipelineOutput
from latentstem.pipelines.stem_accompaniment import StemAccompanimentPipeline

__all__ = ["StemAccompanimentPipeline", "StemPipelineOutput"]
