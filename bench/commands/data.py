"""`bench data`: fetches published data sets."""

from dataclasses import dataclass, field
from pathlib import Path

from perceptbench.bench.answers import answer
from perceptbench.bench.commands.options import command
from perceptbench.core.option import option


@dataclass(frozen=True, slots=True, kw_only=True)
class PrepareRequest:
    """Which data set to fetch, and the folder for it."""

    name: str = field(metadata=option("nights (58 GB), bapps (7.4 GB), bapps@val or bapps@train.", positional=True))
    to: Path = field(metadata=option("Folder to put it into; twice its size must be free."))


@command()
def prepare(request: PrepareRequest) -> None:
    """Fetch, check and unpack a data set; run again, it goes on where it stopped."""
    from perceptbench.core.errors import UserError
    from perceptbench.triplets.base import triplets
    from perceptbench.triplets.prepare import PUBLISHED
    from perceptbench.triplets.prepare import prepare as bring

    name, to = request.name, request.to
    if name not in PUBLISHED:
        own = name in triplets.names()
        why = f"{name} needs nothing fetched" if own else f"got {name!r}"
        raise UserError(f"expected a data set to prepare among {', '.join(PUBLISHED)}; {why}")
    folders = [bring(archive, to) for archive in PUBLISHED[name]]
    kind = name.partition("@")[0]
    answer(f"{kind}:{to / kind}\nIn it: {', '.join(map(str, folders))}. Next: bench run --data {kind}:{to / kind} ...")
