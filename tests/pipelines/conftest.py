"""What the tests of the pipeline share: one pipeline and one mix."""

import pytest
import torch


@pytest.fixture
def pipe(build_pipeline):
    return build_pipeline()


@pytest.fixture
def mix():
    return 0.2 * torch.randn(1, 9000, generator=torch.Generator().manual_seed(5))
