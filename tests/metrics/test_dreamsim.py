"""DreamSim against its package, on small random checkpoints in the layout of its release."""

import json
import shutil
import warnings
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from checkpoints import assert_same_distances, photo_pairs, randomise, weights_folder
from torch import nn

from perceptbench.core.errors import UserError
from perceptbench.core.fetch import hashes
from perceptbench.core.noise import forked_rng
from perceptbench.core.ref import Ref
from perceptbench.metrics.base import metric
from perceptbench.metrics.embeddings import archive
from perceptbench.metrics.embeddings.dreamsim import DreamSim
from perceptbench.metrics.embeddings.lora import Adapter
from perceptbench.testing.samples import generator, random_images

WIDTH, PROJECTED, RANK = 64, 40, 4
# What the package calls each, and the checkpoints it wants beside the adapters.
NAMES = {
    "dreamsim": ("ensemble", ("clip_vitb16", "open_clip_vitb16")),
    "dreamsim-dino": ("dino_vitb16", ()),
    "dreamsim-clip": ("clip_vitb32", ("clip_vitb32",)),
    "dreamsim-openclip": ("open_clip_vitb32", ("open_clip_vitb32",)),
}


@pytest.fixture(scope="module")
def package() -> ModuleType:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pytest.importorskip("dreamsim")
        import dreamsim.model
    return dreamsim.model


class Release:
    """A release of one kind: its folder as the package unpacks it, and the zip."""

    def __init__(self, package: ModuleType, name: str, folder: Path, patch: pytest.MonkeyPatch) -> None:
        from dreamsim.feature_extraction import load_clip_as_dino, load_open_clip_as_dino, vision_transformer

        norm = partial(nn.LayerNorm, eps=1e-6)
        sizes = {"embed_dim": WIDTH, "depth": 12, "num_heads": 1, "qkv_bias": True, "norm_layer": norm}
        self.vit: Callable[..., nn.Module] = partial(vision_transformer.VisionTransformer, **sizes)
        self.package, self.kind, self.cache = package, NAMES[name][0], folder / "unpacked"
        self.cache.mkdir()
        for module in (load_clip_as_dino, load_open_clip_as_dino):
            patch.setattr(module, "vit_base", self.vit)
        dino = randomise(self._made(patch_size=16), seed=1)
        patch.setattr(torch.hub, "load", lambda *_: self._copy(dino))
        patch.setattr(torch.hub, "set_dir", lambda _: None)
        torch.save(dino.state_dict(), folder / "dino_vitbase16_pretrain.pth")
        self._write_heads()
        for seed, file in enumerate(NAMES[name][1]):
            self._write_clip(file, seed=2 + seed)
        self._write_adapter()
        weights = next(w for w in metric.card(name).about.weights if w.file.endswith(".zip"))  # type: ignore[union-attr]
        self.zip = folder / weights.file
        self.pack()

    def pack(self) -> None:
        """Make the zip of what is unpacked, as if it were the first that is ever seen."""
        self.zip.unlink(missing_ok=True)
        hashes.store().unlink(missing_ok=True)
        shutil.make_archive(str(self.zip.with_suffix("")), "zip", self.cache)

    def theirs(self) -> nn.Module:
        """The model as the package loads it."""
        with forked_rng(0), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            made, _ = self.package.dreamsim(device="cpu", cache_dir=str(self.cache), dreamsim_type=self.kind)
        return made  # type: ignore[no-any-return]

    @property
    def adapter(self) -> Path:
        """The folder of adapters."""
        return next(self.cache.glob("*_lora"))

    def _made(self, **sizes: int) -> nn.Module:
        with forked_rng(0):
            return self.vit(**sizes)

    def _copy(self, net: nn.Module) -> nn.Module:
        made = self._made(patch_size=16)
        made.load_state_dict(net.state_dict())
        return made

    def _write_heads(self) -> None:
        """DINO's head: the package reads it, and does not use it for `cls`."""
        layers = ("mlp.0.weight", "mlp.0.bias", "mlp.2.weight", "mlp.2.bias", "mlp.4.weight", "mlp.4.bias")
        head = {f"module.head.{layer}": torch.zeros(2, 2) for layer in (*layers, "last_layer.weight")}
        torch.save({"student": head}, self.cache / "dino_vitb16_pretrain.pth")

    def _write_clip(self, name: str, seed: int) -> None:
        net = self._made(patch_size=int(name[-2:]))
        net.pos_drop = nn.LayerNorm(WIDTH)
        state = randomise(net, seed).state_dict()
        state["proj"] = torch.randn(WIDTH, PROJECTED, generator=generator(seed))
        torch.save({"state_dict": state}, self.cache / f"{name}_pretrain.pth.tar")

    def _write_adapter(self) -> None:
        """Trained adapters, saved by peft as the authors' training code has it."""
        from peft import LoraConfig, get_peft_model

        config = self.package.dreamsim_args["model_config"][self.kind]
        with forked_rng(0), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = self.package.PerceptualModel(**config, device="cpu", load_dir=str(self.cache))
            tuned = get_peft_model(model, LoraConfig(r=RANK, lora_alpha=6, lora_dropout=0.3, target_modules=["qkv"]))
        draw = generator(9)
        for parameter in tuned.parameters():
            if parameter.requires_grad:
                parameter.data = 0.2 * torch.randn(parameter.shape, generator=draw)
        tag = "ensemble" if self.kind == "ensemble" else f"{self.kind}_single"
        tuned.save_pretrained(self.cache / f"{tag}_lora")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return weights_folder(tmp_path, monkeypatch)


@pytest.fixture
def release(package: ModuleType, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Release:
    """The smallest."""
    return Release(package, "dreamsim-clip", folder, monkeypatch)


def build(name: str) -> DreamSim:
    made = metric.build(Ref(name))
    assert isinstance(made, DreamSim)
    return made


@pytest.mark.parametrize("name", NAMES)
def test_equals_the_package(name: str, package: ModuleType, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = Release(package, name, folder, monkeypatch).theirs()
    subject, (x, y) = build(name), (z[::3] for z in photo_pairs())
    with torch.no_grad():
        torch.testing.assert_close(subject.embed(x), theirs.base_model.model.embed(x), rtol=1e-5, atol=1e-6)  # type: ignore[operator, union-attr]
        assert_same_distances(subject(x, y), theirs(x, y))


def test_a_batch_equals_its_items_at_any_size_with_gradients(release: Release) -> None:
    subject = build("dreamsim-clip")
    x, y = random_images(2, 40, 50, seed=1).requires_grad_(), random_images(2, 40, 50, seed=2)
    together = subject(x, y)
    alone = torch.cat([subject(x[i : i + 1], y[i : i + 1]) for i in range(2)])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-6)
    (gradient,) = torch.autograd.grad(together.sum(), x)
    assert (gradient.flatten(1).norm(dim=1) > 0).all()
    assert len(list(subject.to("cpu").weights())) == len(subject.branches[0].net.state_dict())


def _set(release: Release, **config: Any) -> None:
    file = release.adapter / "adapter_config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **config}))


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"use_rslora": True}, "plain LoRA adapter, got one with use_rslora"),
        ({"r": 0}, "lora_alpha and r, got another"),
        ({"lora_alpha": "six"}, "lora_alpha and r, got another"),
    ],
)
def test_other_adapters_are_refused(release: Release, config: dict[str, Any], message: str) -> None:
    _set(release, **config)
    release.pack()
    with pytest.raises(UserError, match=message):
        build("dreamsim-clip")


def test_adapters_of_other_networks_are_refused(release: Release) -> None:
    from safetensors.torch import load_file, save_file

    file = release.adapter / "adapter_model.safetensors"
    tensors = load_file(file)
    save_file({name.replace("extractor_list.0", "extractor_list.1"): t for name, t in tensors.items()}, file)
    release.pack()
    with pytest.raises(UserError, match=r"adapters of 1 networks, got others: extractor_list\.1"):
        build("dreamsim-clip")
    save_file({name.replace("blocks.3", "blocks.12"): t for name, t in tensors.items()}, file)
    release.pack()
    with pytest.raises(UserError, match=r"another network: this one has no blocks\.12\.attn\.qkv\.weight of shape"):
        build("dreamsim-clip")
    save_file({name: t for name, t in tensors.items() if "blocks.3.attn.qkv.lora_A" not in name}, file)
    release.pack()
    with pytest.raises(UserError, match="one is missing"):
        build("dreamsim-clip")
    with pytest.raises(UserError, match=r"got bias\.weight"):
        Adapter.read(b'{"r": 1, "lora_alpha": 1}', {"bias.weight": torch.zeros(1)})


class Touches:
    """Code in a pickle: it makes a file where it is loaded freely."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.path,)


def test_archives_are_not_trusted(release: Release, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoint = release.cache / "clip_vitb32_pretrain.pth.tar"
    torch.save({"state_dict": Touches(release.cache / "touched")}, checkpoint)
    release.pack()
    with pytest.raises(UserError, match=r"clip_vitb32_pretrain\.pth\.tar is damaged, or would need code"):
        build("dreamsim-clip")
    assert not (release.cache / "touched").exists()
    torch.save([torch.zeros(1)], checkpoint)
    release.pack()
    with pytest.raises(UserError, match=r"clip_vitb32_pretrain\.pth\.tar: expected a dictionary of tensors, got list"):
        build("dreamsim-clip")
    torch.save({"state_dict": {"proj": torch.zeros(2, 2)}}, checkpoint)
    release.pack()
    with pytest.raises(UserError, match=r"expected 'patch_embed\.proj\.bias' in clip_vitb32_pretrain"):
        build("dreamsim-clip")
    checkpoint.unlink()
    release.pack()
    with pytest.raises(UserError, match=r"expected clip_vitb32_pretrain\.pth\.tar in it, found"):
        build("dreamsim-clip")
    monkeypatch.setattr(archive, "_LIMIT", 100)
    with pytest.raises(UserError, match=r"adapter_config\.json of at most 100 bytes"):
        build("dreamsim-clip")


def test_damaged_archives(release: Release) -> None:
    with zipfile.ZipFile(release.zip) as opened:
        start = opened.getinfo("clip_vitb32_single_lora/adapter_config.json").header_offset
    data = bytearray(release.zip.read_bytes())
    data[start + 80 : start + 90] = bytes(10)
    for damaged in (bytes(data), b"no zip at all"):
        release.zip.write_bytes(damaged)
        hashes.store().unlink(missing_ok=True)
        with pytest.raises(UserError, match=r"checkpoint\.zip is damaged .*delete it, so that it is fetched again"):
            build("dreamsim-clip")


def test_absent_weights_are_named(folder: Path) -> None:
    with pytest.raises(
        UserError, match=r"dreamsim_ensemble_checkpoint\.zip .*github\.com/ssundaram21/dreamsim/releases"
    ):
        build("dreamsim")
