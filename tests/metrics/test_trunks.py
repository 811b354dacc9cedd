"""AlexNet's layers are written out, so that a run need not import torchvision; they are torchvision's."""

import subprocess
import sys

import torch

from perceptbench.metrics.features.trunks import fitted_trunk


def test_alexnet_is_torchvisions() -> None:
    from torchvision.models import alexnet

    with torch.random.fork_rng(devices=[]):
        theirs = alexnet(weights=None).features.eval()
    ours = fitted_trunk("alexnet", theirs.state_dict(), "a test")
    assert str(ours) == str(theirs)
    x = torch.randn(2, 3, 67, 80, generator=torch.Generator().manual_seed(0))
    assert torch.equal(ours(x), theirs(x))


def test_a_run_imports_no_torchvision() -> None:
    """It takes a second, and each run looks through AlexNet for the columns of what is visible."""
    program = (
        "import sys, perceptbench as pb\n"
        "pb.run('psnr', 'l2-pgd(steps=1)', 4.0, 'photos', limit=2, skip_certified=False)\n"
        "assert 'torchvision' not in sys.modules, 'torchvision'\n"
        "assert 'torch._dynamo' not in sys.modules, 'the compiler of torch'\n"
        "assert 'matplotlib' not in sys.modules, 'matplotlib'\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-300:]
