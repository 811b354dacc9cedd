"""The request that leads to a run that was stored."""

from collections.abc import Mapping
from typing import Any

from perceptbench.bench.request import Request
from perceptbench.core.spec import Options, typed_metric


def request_of(spec: Mapping[str, Any], device: str, metric: str | None = None) -> Request:
    """Ask the same again, or the same of another metric.

    Args:
        spec: of the stored run; task and threat as `results.record` reads them of any schema.
        device: where to compute.
        metric: in place of that of the run.

    Raises UserError for a spec whose components no longer exist.
    """
    return Request(
        metrics=[metric or typed_metric(spec)],
        data=[spec["data"]],
        attacks=[spec["attack"]] if spec["attack"] else [],
        certifiers=[spec["certifier"]] if spec["certifier"] else [],
        eps=tuple(spec["eps"]),
        task=spec["task"],
        threat=spec["threat"],
        goal=spec["goal"],
        device=device,
        through=[spec["quantize"]] if spec["quantize"] else [],
        **{key: spec[key] for key in Options().options() if key != "quantize"},
    )
