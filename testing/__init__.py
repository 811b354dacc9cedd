"""Contracts of every kind of component as pytest classes, for the tests of this package and of plug-ins.

Here: what every instance of a protocol must hold to, with Hypothesis strategies for images and the metrics and triplets
of known geometry that the contracts use; `contract.py` has what all of them watch. Not here: tests of one instance,
which live in `tests/`. Nothing else in the package may import this folder, as it needs pytest and hypothesis:
pip install 'perceptbench[testing]'.

    from perceptbench.testing import MetricContract

    class TestMine(MetricContract):
        def made(self):
            return Mine()
"""

from perceptbench.testing.attack_contract import AttackContract
from perceptbench.testing.certifier_contract import CertifierContract
from perceptbench.testing.engine_contract import EngineContract
from perceptbench.testing.metric_contract import MetricContract
from perceptbench.testing.pairs_contract import PairsContract
from perceptbench.testing.strategies import images
from perceptbench.testing.task_contract import TaskContract
from perceptbench.testing.threat_contract import ThreatContract
from perceptbench.testing.triplets_contract import TripletsContract

__all__ = [
    "AttackContract",
    "CertifierContract",
    "EngineContract",
    "MetricContract",
    "PairsContract",
    "TaskContract",
    "ThreatContract",
    "TripletsContract",
    "images",
]
