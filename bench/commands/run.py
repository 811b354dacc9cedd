"""`bench run`: attacks metrics, and certifies those that admit a proof."""

from perceptbench.bench.commands.options import command
from perceptbench.bench.commands.shared import Execution
from perceptbench.bench.request import Request


@command()
def run(request: Request, execution: Execution) -> None:
    """Attack metrics on 2AFC data and certify those that admit a proof."""
    from perceptbench.bench.commands.finished import run_and_print

    run_and_print(request, execution)
