"""Whole chains from audio to audio."""

from latentstem.pipelines.output import StemPipelineOutput
from latentstem.pipelines.stem_accompaniment import StemAccompanimentPipeline

__all__ = ["StemAccompanimentPipeline", "StemPipelineOutput"]
