"""What every registered engine keeps to."""

import pytest

from perceptbench.bench.engines.base import Engine, engine
from perceptbench.core.ref import Ref
from perceptbench.testing import EngineContract


class TestEngines(EngineContract):
    """Each by its name."""

    @pytest.fixture(params=engine.names())
    def subject(self, request: pytest.FixtureRequest) -> Engine:
        return engine.build(Ref(request.param))
