"""What task and threat of a run were fitted on, kept on disk until the record holds it."""

import json
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from perceptbench.attacks.adaptive import SIGNS, Adaptive
from perceptbench.bench.fitted_threat import learned
from perceptbench.bench.plan import Plan
from perceptbench.core.errors import UserError
from perceptbench.core.files import write_atomically
from perceptbench.core.others import contained
from perceptbench.tasks.base import State

STATE = "state.json"


@dataclass(frozen=True)
class KeptState:
    """The state of a run, in a file of its folder: a run that was stopped reads it and fits nothing again.

    Args:
        folder: of the run; None where nothing is written.
    """

    folder: Path | None

    def fitted(self, plan: Plan) -> State:
        """The state of task and threat: as it was kept, else fitted now and kept.

        Raises UserError for a file that cannot be read.
        """
        kept = None if self.folder is None else self.folder / STATE
        if kept is not None and kept.exists():
            return _read(kept)
        with contained():
            state = plan.task.fit(plan.metric, plan.data, plan.request.where)
            state = {**state, **learned(plan, state)}
        if state:
            self._keep(state)
        return state

    def told(self, plan: Plan, state: State, signs: str) -> State:
        """The state with the signs that an adaptive attack chooses by: those of the first look, also in a resumed run.

        Args:
            signs: of masking, as they were seen in this process.
        """
        if not isinstance(plan.attack, Adaptive) or SIGNS in state:
            return state
        state = {**state, SIGNS: signs}
        self._keep(state)
        return state

    def drop(self) -> None:
        """Once the record holds it, or where it is not to be used."""
        if self.folder is not None:
            (self.folder / STATE).unlink(missing_ok=True)

    def _keep(self, state: State) -> None:
        if self.folder is not None:
            text = json.dumps(dict(state))
            write_atomically(self.folder / STATE, partial(Path.write_text, data=text, encoding="utf-8"))


def _read(path: Path) -> State:
    try:
        state = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        state = None
    if not isinstance(state, dict):
        raise UserError(f"{path} is damaged; delete the folder {path.parent} and run the same command again")
    return state
