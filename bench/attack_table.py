"""The table of attack names, made from what the attacks declare: docs/attacks.md.

`python -m perceptbench.bench.attack_table docs/attacks.md` writes the table again and keeps what follows it. With the
folder that `bench attacks --to FOLDER` has written, it puts the tables from there into the page too.
"""

import sys
from pathlib import Path

from perceptbench.attacks.adaptive import Adaptive
from perceptbench.attacks.base import Attack, Ensemble, attack
from perceptbench.core.ref import Ref

_PAGE = """# Attacks: the table of names

Written by `python -m perceptbench.bench.attack_table docs/attacks.md` from the declarations in `attacks/`: change
those. What each attack does, and with which numbers, is in [the protocol](protocol.md).

- **name**: what `--attack` takes; arguments go in parentheses, `l2-pgd(steps=50)`.
- **on any threat**: the plain name of the same attack. It works in every set of changes, and `--threat` says in which
  ([tasks and threats](tasks.md)): `--attack pgd --threat l2` searches as `l2-pgd` does, with other random numbers.
- **norm**: of the ball that it searches; `any` where `--threat` says it.
- **looks for**: any success *within eps* (a budget attack), or the *smallest* change that succeeds (a minimal attack).
  One call of a minimal attack serves every eps.
- **gradient**: whether it needs the gradient of the metric.
- **endless goals**: whether it can serve a goal that is never reached, such as `push` and `pull` of the task `drift`.
- **parts**: what an ensemble runs, with the number of starts, each part on the samples that are not broken yet.

{table}

`autoattack:PART`, `torchattacks:CLASS` and `foolbox:CLASS` run the code of other libraries on one triplet at a
time; what they look for and whether they need gradients follows from the part or class. `transfer:SOURCE` climbs the
goals of other metrics ([transfer](transfer.md)). `query` and its like see answers alone ([query](query.md)).

Attacks of this project do the same on a metric and on any positive multiple of it (1e-12 to 1e12). The code of those
libraries has floors of its own and need not, nor do the attacks of `--protocol paper`, whose loss has a scale.
"""
FURTHER = "\n## How good each attack is\n"
"""Where the part of the page begins that is written by hand."""
_TABLES = ("<!-- bench attacks -->\n", "<!-- end -->\n")
"""What stands between these is written by `bench attacks`."""

_HEAD = ("name", "on any threat", "norm", "looks for", "gradient", "endless goals", "parts", "source")
_BY_CHOICE = "-"


def page() -> str:
    """The text of docs/attacks.md: a row for each attack of this project."""
    names = [name for name in attack.names() if attack.factory(name).__module__.startswith("perceptbench.attacks.")]
    rows = [_HEAD, ("---",) * len(_HEAD), *(_row(name) for name in names)]
    return _PAGE.format(table="\n".join(f"| {' | '.join(row)} |" for row in rows))


def _row(name: str) -> tuple[str, ...]:
    source = attack.card(name).source
    if attack.inputs(name):
        return f"`{name}:{attack.inputs(name)[0].upper()}`", "", "l2 or linf", *[_BY_CHOICE] * 2, "no", "", source
    made = attack.build(Ref(name))
    if isinstance(made, Adaptive):
        return f"`{name}`", "", "any", *[_BY_CHOICE] * 2, "yes", "chosen by metric, task and threat", source
    parts = made.parts() if isinstance(made, Ensemble) else [(name, made, 1)]
    members = [member for _, member, _ in parts]
    endless = not isinstance(made, Ensemble) and not made.minimal and not made.flips_only
    return (
        f"`{name}`",
        _plain_name(name),
        made.norm or "any",
        " and ".join(dict.fromkeys("smallest" if member.minimal else "within eps" for member in members)),
        _needs_gradient(members),
        "yes" if endless else "no",
        ", ".join(f"{part} x {starts}" for part, _, starts in parts) if isinstance(made, Ensemble) else "",
        source,
    )


def _plain_name(name: str) -> str:
    """The name of the same attack for any threat; '' where there is none."""
    plain = name.partition("-")[2]
    if plain not in attack.names() or attack.build(Ref(plain)).norm is not None:
        return ""
    return f"`{plain}`"


def _needs_gradient(members: list[Attack]) -> str:
    needed = {member.needs_gradient for member in members}
    return "all but one part" if len(needed) > 1 else "yes" if needed == {True} else "no"


def with_tables(text: str, measured: str) -> str:
    """The page with the tables of `bench attacks` (its `attacks.md`), without title and figure."""
    tables = "\n## ".join(part for part in measured.split("\n## ")[1:] if "](attacks.png)" not in part)
    before, _, rest = text.partition(_TABLES[0])
    _, _, after = rest.partition(_TABLES[1])
    return f"{before}{_TABLES[0]}\n### {tables.replace(chr(10) + '## ', chr(10) + '### ')}\n{_TABLES[1]}{after}"


def _write(place: Path, folder: Path | None) -> None:
    kept = place.read_text(encoding="utf-8").partition(FURTHER)
    text = page() + "".join(kept[1:])
    if folder is not None:
        text = with_tables(text, (folder / "attacks.md").read_text(encoding="utf-8"))
    place.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    _write(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else None)
