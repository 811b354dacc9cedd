"""`bench certify`: what can be proved, without any attack."""

from perceptbench.bench.commands.options import command
from perceptbench.bench.commands.shared import Execution
from perceptbench.bench.request import Request

_OF_ATTACKS = ("attacks", "goal", "restarts", "quantize", "through", "protocol", "skip_certified", "save_images")


@command(without=_OF_ATTACKS)
def certify(request: Request, execution: Execution) -> None:
    """Certify the answers of metrics on 2AFC data, in l2."""
    from perceptbench.bench.commands.finished import run_and_print
    from perceptbench.bench.output import console, gains

    found = run_and_print(request, execution)
    if not execution.json:
        for sentence in gains(found.records):
            console().print(sentence)
