"""Adapters of peft on our U-Net, by the methods that diffusers gives its models."""

import pytest
import torch
from peft import LoraConfig
from safetensors.torch import load_file

from latentstem import StemAccompanimentPipeline, StemUNet1DModel
from latentstem.pipelines.lora import AdaptedDenoiser

ATTENTION = ["to_q", "to_k", "to_v", "to_out"]


def unet():
    torch.manual_seed(0)
    net = StemUNet1DModel(
        latent_channels=4,
        block_out_channels=(8, 16),
        layers_per_block=(1, 1),
        attention_head_dim=8,
        attention_levels=(True, True),
        embedding_dim=16,
    )
    for name, parameter in net.named_parameters():
        if "to_out" in name or "conv_out" in name:  # zero at the start of training: no condition would matter
            torch.nn.init.normal_(parameter, std=0.3)
    return net.eval()


def run(net):
    noisy, mix = torch.randn(2, 2, 4, 13, generator=torch.Generator().manual_seed(3)).unbind()
    with torch.no_grad():
        return net(noisy, 500, {"mix": mix}).sample


@pytest.fixture
def adapted(tmp_path):
    """A net with an adapter that changes its output, and the folder it was saved to."""
    net = unet()
    net.add_adapter(LoraConfig(r=2, lora_alpha=4, target_modules=ATTENTION, init_lora_weights=False), "bass")
    net.save_lora_adapter(tmp_path, adapter_name="bass")
    return net, tmp_path


def test_a_saved_adapter_holds_nothing_else_and_loads_into_a_fresh_net(adapted):
    net, folder = adapted
    (file,) = folder.glob("*.safetensors")
    tensors = load_file(file)
    assert tensors and all("lora_" in name for name in tensors)
    fresh = unet()
    plain = run(fresh)
    fresh.load_lora_adapter(folder, adapter_name="bass")
    assert torch.equal(run(fresh), run(net))
    assert not torch.allclose(run(fresh), plain, atol=1e-3)


def test_fused_it_is_the_same_net_without_adapters_and_unfused_the_old_one(adapted):
    net, _ = adapted
    with_adapter = run(net)
    net.disable_adapters()
    plain = run(net)
    torch.testing.assert_close(plain, run(unet()), atol=1e-5, rtol=1e-5)
    net.enable_adapters()
    net.fuse_lora()
    torch.testing.assert_close(run(net), with_adapter, atol=1e-5, rtol=1e-5)
    net.unfuse_lora()
    torch.testing.assert_close(run(net), with_adapter, atol=1e-5, rtol=1e-5)
    net.disable_adapters()
    torch.testing.assert_close(run(net), plain, atol=1e-5, rtol=1e-5)


def test_a_fused_net_is_saved_as_a_plain_one(adapted, tmp_path_factory):
    net, _ = adapted
    with_adapter, folder = run(net), tmp_path_factory.mktemp("fused")
    net.fuse_lora()
    net.unload_lora()
    net.save_pretrained(folder)
    loaded = StemUNet1DModel.from_pretrained(folder)
    assert not any("lora" in name for name in loaded.state_dict())
    torch.testing.assert_close(run(loaded), with_adapter, atol=1e-5, rtol=1e-5)


@pytest.mark.filterwarnings("ignore:Already found a `peft_config` attribute:UserWarning")
@pytest.mark.filterwarnings("ignore:Adapter .* was active which is now deleted:UserWarning")
def test_two_adapters_are_switched_weighed_and_deleted(adapted):
    net, folder = adapted
    net.load_lora_adapter(folder, adapter_name="same")
    alone = run(net)
    assert net.active_adapters() == ["same"]
    net.set_adapters(["bass", "same"], weights=[0.5, 0.5])
    torch.testing.assert_close(run(net), alone, atol=1e-5, rtol=1e-5)
    net.set_adapters("bass", weights=0.0)
    torch.testing.assert_close(run(net), run(unet()), atol=1e-5, rtol=1e-5)
    net.delete_adapters(["bass", "same"])
    torch.testing.assert_close(run(net), run(unet()), atol=1e-5, rtol=1e-5)


@pytest.mark.filterwarnings("ignore:Already found a `peft_config` attribute:UserWarning")
def test_a_pipeline_has_the_methods_that_those_of_diffusers_have(adapted):
    net, folder = adapted
    pipe = AdaptedDenoiser()
    pipe.unet = unet()
    plain = run(pipe.unet)
    pipe.load_lora_weights(folder, adapter_name="bass")
    assert torch.equal(run(pipe.unet), run(net))
    pipe.disable_lora()
    torch.testing.assert_close(run(pipe.unet), plain, atol=1e-5, rtol=1e-5)
    pipe.enable_lora()
    assert torch.equal(run(pipe.unet), run(net))
    pipe.load_lora_weights(folder, adapter_name="same")
    pipe.set_adapters(["bass", "same"], [0.25, 0.75])
    torch.testing.assert_close(run(pipe.unet), run(net), atol=1e-5, rtol=1e-5)
    pipe.unload_lora_weights()
    torch.testing.assert_close(run(pipe.unet), plain, atol=1e-5, rtol=1e-5)
    assert not any("lora" in name for name in pipe.unet.state_dict())
    assert issubclass(StemAccompanimentPipeline, AdaptedDenoiser)
