"""`bench data`: brings the data sets of others to this machine."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Bring data sets to this machine.", no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def _data() -> None:
    """Bring data sets to this machine."""


@app.command("prepare")
def prepare(
    name: Annotated[str, typer.Argument(help="nights (58 GB), bapps (7.4 GB), bapps@val or bapps@train.")],
    to: Annotated[Path, typer.Option("--to", help="Folder to put it into; twice its size must be free.")],
) -> None:
    """Fetch, check and unpack a data set; run again, it goes on where it stopped."""
    from perceptbench.core.errors import UserError
    from perceptbench.triplets.base import triplets
    from perceptbench.triplets.prepare import PUBLISHED
    from perceptbench.triplets.prepare import prepare as bring

    if name not in PUBLISHED:
        own = name in triplets.names()
        why = f"{name} needs nothing fetched" if own else f"got {name!r}"
        raise UserError(f"expected a data set to prepare among {', '.join(PUBLISHED)}; {why}")
    folders = [bring(archive, to) for archive in PUBLISHED[name]]
    kind = name.partition("@")[0]
    print(f"{kind}:{to / kind}\nIn it: {', '.join(map(str, folders))}. Next: bench run --data {kind}:{to / kind} ...")
