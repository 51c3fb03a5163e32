"""Seeds, hypothesis profiles, a tiny pipeline, a browser, and what CI may not skip: FluidSynth and Chromium."""

import functools
import gc
import importlib.util
import os
import random
import shutil
import signal
import subprocess
import sys
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from filelock import FileLock
from hypothesis import HealthCheck, settings

for profile, examples in (("dev", 20), ("ci", 20), ("thorough", 200)):
    settings.register_profile(
        profile,
        max_examples=examples,
        deadline=None,  # torch warms up on first use
        derandomize=profile == "ci",
        suppress_health_check=[HealthCheck.too_slow],
    )
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if os.environ.get("CI") else "dev"))


@pytest.fixture(autouse=True)
def seeds():
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002 - third parties draw from the global state
    torch.manual_seed(0)


@pytest.fixture
def fresh_accelerator():
    """Accelerate keeps one state a process, with the precision of the first training; the test gets a fresh one."""
    from accelerate.state import AcceleratorState

    AcceleratorState._reset_state(reset_partial_state=True)
    yield
    AcceleratorState._reset_state(reset_partial_state=True)


@pytest.fixture(scope="session")
def has_weights_of():
    """Whether a net has the weights of another, bit for bit.

    What a processor computes with them may depend on where in memory they lie, by rounding.
    """

    def compare(net, other):
        weights = net.state_dict()
        return all(torch.equal(weights[name], weight) for name, weight in other.state_dict().items())

    return compare


@contextmanager
def _serving(program, folder, *words):
    """`latentstem ui` or `latentstem serve`, with its temporary folder within this one; yields its address."""
    command = [sys.executable, "-m", "latentstem", program, "--port", "0", "--device", "cpu", *map(str, words)]
    environment = os.environ | {"TMPDIR": str(folder)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            url = process.stdout.readline().partition(": ")[0]
            assert url.startswith("http://127.0.0.1:")
            yield url
        finally:
            process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 0
    assert not list(folder.glob(f"latentstem-{program}-*"))


@pytest.fixture(scope="session")
def serving():
    return _serving


@pytest.fixture(scope="session")
def make_once(tmp_path_factory):
    """Makes a folder once for all workers: `make_once(name, make)` has the first that asks call `make(folder)`."""
    root = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        root = root.parent

    def once(name, make):
        folder, made = root / name, root / f"{name}.made"
        with FileLock(root / f"{name}.lock"):
            if not made.exists():
                shutil.rmtree(folder, ignore_errors=True)
                folder.mkdir()
                make(folder)
                made.touch()
        return folder

    return once


@pytest.fixture(scope="session")
def build_pipeline():
    """Builds a whole pipeline of the real classes with random weights, small enough to run in a moment."""
    from latentstem import (
        AutoencoderSpectral,
        ContrastiveStemModel,
        CosineDDIMScheduler,
        RescaledClassifierFreeGuidance,
        StemAccompanimentPipeline,
        StemUNet1DModel,
    )

    def build(
        audio_channels=1,
        carriers=0,
        max_signal_rate=0.999,
        with_reranker=False,
        controls=None,
        targets=None,
        **guidance,
    ):
        torch.manual_seed(0)
        autoencoder = AutoencoderSpectral(
            audio_channels=audio_channels,
            latent_channels=4,
            channels=8,
            latent_hidden_channels=8,
            carriers=carriers,
            latents_mean=[0.1, -0.2, 0.3, 0.0],
            latents_std=[0.5, 0.6, 0.4, 0.5],
        )
        unet = StemUNet1DModel(
            latent_channels=4,
            block_out_channels=(8, 16),
            layers_per_block=(1, 1),
            attention_head_dim=8,
            attention_levels=(False, True),
            embedding_dim=16,
            control_conditions=controls,
            global_conditions=None if targets is None else {"target": len(targets)},
        )
        for parameter in unet.conv_out.parameters():  # zero at the start of training: the net would do nothing
            torch.nn.init.normal_(parameter, std=0.3)
        for parameter in unet.parameters() if controls or targets else ():  # and would not hear the conditions
            if parameter.count_nonzero() == 0:
                torch.nn.init.normal_(parameter, std=0.3)
        scheduler = CosineDDIMScheduler(max_signal_rate=max_signal_rate)
        guider = RescaledClassifierFreeGuidance(**guidance)
        reranker = ContrastiveStemModel(latent_channels=4, channels=8, embedding_channels=8, layers=(1, 1)).eval()
        pipe = StemAccompanimentPipeline(
            autoencoder.eval(),
            unet.eval(),
            scheduler,
            guider,
            reranker=reranker if with_reranker else None,
            targets=targets,
        )
        pipe.set_progress_bar_config(disable=True)
        return pipe

    return build


@pytest.fixture(scope="session")
def save_clap():
    """Saves a tiny CLAP of random weights that knows `save_clap.words`."""
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace
    from transformers import ClapConfig, ClapFeatureExtractor, ClapModel, PreTrainedTokenizerFast

    def save(folder, with_tokenizer=True):
        torch.manual_seed(0)
        sound = {"patch_embeds_hidden_size": 4, "hidden_size": 32, "depths": [1] * 4, "num_attention_heads": [1] * 4}
        text = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1, "max_position_embeddings": 10}
        config = ClapConfig(
            text_config={**text, "vocab_size": len(save.words)},
            audio_config=sound,
            projection_dim=16,
            initializer_factor=20.0,
        )
        ClapModel(config).save_pretrained(folder)
        ClapFeatureExtractor(max_length_s=1, truncation="rand_trunc").save_pretrained(folder)
        if with_tokenizer:
            tokenizer = Tokenizer(WordLevel({word: index for index, word in enumerate(save.words)}, unk_token="<unk>"))
            tokenizer.pre_tokenizer = Whitespace()
            fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<pad>", unk_token="<unk>")
            fast.save_pretrained(folder)
        return folder

    save.words = ["<s>", "<pad>", "</s>", "<unk>", "deep", "sub", "bass", "bright"]
    return save


@pytest.fixture(scope="session")
def build_loop_pipeline():
    """Builds a whole pipeline of loops with random weights, which hears tempo, chords and prompt."""
    from latentstem import (
        AutoencoderSpectral,
        IADBScheduler,
        LoopPipeline,
        PromptEncoder,
        RescaledClassifierFreeGuidance,
        StemUNet1DModel,
    )

    def build(**guidance):
        torch.manual_seed(0)
        autoencoder = AutoencoderSpectral(latent_channels=4, channels=8, latent_hidden_channels=8, carriers=8)
        unet = StemUNet1DModel(
            latent_channels=4,
            block_out_channels=(8,),
            layers_per_block=(1,),
            attention_head_dim=8,
            attention_levels=(False,),
            embedding_dim=16,
            frame_conditions={},
            global_conditions={"prompt": 8},
            control_conditions={"beat": 4, "chords": 25},
        )
        for parameter in unet.parameters():  # zero at the start of training: the net would do nothing
            if parameter.count_nonzero() == 0:
                torch.nn.init.normal_(parameter, std=0.3)
        words = {"techno": [], "drums": ["beat"], "hats": ["hi-hats"], "dark": []}
        encoder = PromptEncoder(words, latent_channels=4, channels=8, code_dim=8, layers=1)
        guider = RescaledClassifierFreeGuidance(**guidance)
        pipe = LoopPipeline(autoencoder.eval(), unet.eval(), IADBScheduler(), guider, encoder.eval())
        pipe.set_progress_bar_config(disable=True)
        return pipe

    return build


@pytest.fixture(scope="session")
def chromium():
    """Path of Debian's Chromium, for Playwright to drive."""
    path = shutil.which("chromium")
    if path is not None and importlib.util.find_spec("playwright") is not None:
        return path
    reason = "needs the Debian package chromium and the Python package playwright"
    if os.environ.get("LATENTSTEM_REQUIRE_CHROMIUM"):
        pytest.fail(f"LATENTSTEM_REQUIRE_CHROMIUM is set, but this {reason}", pytrace=False)
    pytest.skip(reason)


def pytest_xdist_auto_num_workers(config):
    """What `-n auto` takes: a worker needs up to 2.5 GB."""
    return min(4, os.cpu_count())


def pytest_configure(config):
    """Workers, and the processes that they start, share the cores and keep what numba compiles apart.

    librosa has it cached beside its sources, where two processes that write at once can leave what crashes every reader
    (numba/numba#10128).
    """
    if worker := os.environ.get("PYTEST_XDIST_WORKER"):
        threads = max(1, os.cpu_count() // int(os.environ["PYTEST_XDIST_WORKER_COUNT"]))
        torch.set_num_threads(threads)
        os.environ.setdefault("OMP_NUM_THREADS", str(threads))
        os.environ.setdefault("NUMBA_CACHE_DIR", str(config.rootpath / ".pytest_cache" / f"numba-{worker}"))


def pytest_collection(session):
    """Collecting makes a million objects that stay, and the garbage collector would go through them again and again."""
    gc.disable()


def pytest_collection_finish(session):
    gc.freeze()
    gc.enable()


def pytest_runtest_setup(item):
    if item.get_closest_marker("gpu") and not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    if item.get_closest_marker("slow") and "slow" not in item.config.getoption("-m"):
        pytest.skip("slow: run with -m slow")
    if item.get_closest_marker("fluidsynth") and (reason := _missing_synthesizer()):
        if os.environ.get("LATENTSTEM_REQUIRE_FLUIDSYNTH"):
            pytest.fail(f"LATENTSTEM_REQUIRE_FLUIDSYNTH is set, but {reason}", pytrace=False)
        pytest.skip(reason)


@functools.cache
def _missing_synthesizer():
    """Why music cannot be rendered here, or None."""
    from latentstem.data.render.fluidsynth import SOUNDFONTS, SynthesisError, soundfont_path, synthesizer_path

    try:
        synthesizer_path()
        for name in SOUNDFONTS:
            soundfont_path(name)
    except SynthesisError as error:
        return str(error)
    return None
