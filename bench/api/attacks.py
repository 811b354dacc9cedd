"""How good attacks are, measured on victims whose nearest success is proved."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from perceptbench.attacks.adaptive import Adaptive
from perceptbench.attacks.base import Attack, Ensemble, attack
from perceptbench.attacks.running.sweep import parts_of
from perceptbench.attacks.strength.needed import Needed, needed
from perceptbench.attacks.strength.victims import Victim, victims
from perceptbench.bench.api.arguments import brief, number_of, path_of
from perceptbench.core.errors import UserError
from perceptbench.core.files import replaced_when_whole, write_atomically
from perceptbench.core.number import MOST_SEED
from perceptbench.core.ref import Norm, Ref, split_list
from perceptbench.reports.attack_strength import AttackStrength, chart, document, lines_csv
from perceptbench.reports.base import Document
from perceptbench.reports.formats import markdown
from perceptbench.reports.formats.png_pdf import save

NORMS: tuple[Norm, ...] = ("l2", "linf")
MOST_IMAGES = 256
_CLOSE = 1.01


@dataclass(frozen=True)
class AttackStrengths:
    """What `pb.attack_strengths` measured.

    Args:
        rows: a row an attack and effort, in the order in which they were asked for.
        victims: what they were measured on, a phrase each.
    """

    rows: tuple[AttackStrength, ...]
    victims: tuple[str, ...]

    @property
    def document(self) -> Document:
        """The figure and the tables as plain data."""
        return document(self.rows, self.victims)

    def save(self, to: Any) -> list[Path]:
        """Write `attacks.md`, `attacks.csv` and `attacks.png` into a folder; give the paths.

        Files come into the folder when all are written. Raises UserError where it cannot be written to.
        """
        folder = path_of(to, "to")
        texts = {"attacks.md": markdown.files(self.document)["report.md"], "attacks.csv": lines_csv(self.rows)}
        try:
            with replaced_when_whole(folder) as whole:
                for name, text in texts.items():
                    write_atomically(whole / name, partial(Path.write_text, data=text, encoding="utf-8"))
                write_atomically(whole / "attacks.png", partial(save, chart(self.rows), form="png"))
        except OSError as error:
            raise UserError(f"cannot write to {folder} ({error.strerror}); choose another folder with --to") from error
        return [folder / name for name in (*texts, "attacks.png")]


def attack_strengths(
    attack: Any = (), *, norm: Any = NORMS, effort: Any = (0.1, 0.3, 1.0), limit: int = 8, seed: int = 0
) -> AttackStrengths:
    """Measure how near attacks come to the smallest success that there is, and what they spend.

    Args:
        attack: names as on the command line, such as `"l2-pgd(steps=50)"`; none for every attack of this project
            that searches a ball.
        norm: "l2", "linf" or both; of the balls. An attack is measured in its own.
        effort: what the default numbers of steps and queries of each attack are multiplied by; a number that is
            typed stays.
        limit: images of each victim.
        seed: of the victims, and of what attacks draw.

    Raises UserError for an unknown attack or norm, for an attack that has no ball or flips no answer, and for numbers
    out of their bounds.

    Example:
        >>> pb.attack_strengths("l2-fmn", effort=1, limit=2).rows[0].median < 1.01
        True
    """
    norms, efforts = _norms(norm), _efforts(effort)
    for name, value, least, most in (("limit", limit, 1, MOST_IMAGES), ("seed", seed, 0, MOST_SEED)):
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise UserError(f"{name} wants a whole number from {least} to {most}, got {brief(value)}")
    asked = [Ref.parse(one) for one in split_list([attack] if isinstance(attack, str) else list(attack))]
    chosen = list(_scaled(asked or _ours(), efforts))
    if not [made for _, _, made in chosen if made.norm in norms]:
        raise UserError(f"none of these attacks has the norm {' or '.join(norms)}; name another one")
    rows, about = [], []
    for one in norms:
        known = victims(one, limit, seed=seed)
        about += [f"{victim.name} ({victim.about}, {one} {victim.optimum:g}, n = {limit})" for victim in known]
        rows += [_measured(ref, by, made, known, seed) for ref, by, made in chosen if made.norm == one]
    return AttackStrengths(tuple(rows), tuple(about))


def _norms(given: Any) -> tuple[Norm, ...]:
    named = [given] if isinstance(given, str) else list(given)
    if not named or not set(named) <= set(NORMS):
        raise UserError(f"norm wants {' or '.join(NORMS)}, or both, got {brief(given)}")
    return tuple(norm for norm in NORMS if norm in named)


def _efforts(given: Any) -> list[float]:
    efforts = sorted({number_of(one, "effort") for one in (given if isinstance(given, list | tuple) else [given])})
    if not efforts or not all(0.001 <= one <= 1000 for one in efforts):
        raise UserError(f"effort wants numbers from 0.001 to 1000, got {brief(given)}")
    return efforts


def _ours() -> list[Ref]:
    """Every attack that says all of itself by its name, and whose package is here."""
    named = [Ref(name) for name in attack.names() if not attack.inputs(name) and not attack.card(name).missing]
    return [ref for ref in named if _why_not(ref, attack.build(ref)) is None]


def _why_not(ref: Ref, made: Attack | Ensemble) -> str | None:
    """Why an attack cannot be measured; None where it can."""
    if isinstance(made, Adaptive):
        return f"{ref} chooses its parts by metric and threat; name one of these parts"
    if made.norm is None:
        return f"{ref} works in any set, and victims are known in balls; name the attack of a norm, such as l2-pgd"
    for _, member, _ in parts_of(made, str(ref)):
        if member.by_embedding:
            return f"{ref} moves embeddings and reaches no goal; name an attack such as l2-pgd"
        if member.solves is not None:
            return f"{ref} solves metrics of one kind, and no victim is of that kind; leave it out"
    return None


def _scaled(refs: Sequence[Ref], efforts: Sequence[float]) -> Iterator[tuple[Ref, float, Attack | Ensemble]]:
    """Each attack at each effort; once where an effort changes none of its numbers."""
    for ref in refs:
        seen = set()
        for effort in efforts:
            typed, whole = dict(ref.args), attack.resolve(ref)
            scaled = {
                key: max(1, round(effort * value))
                for key, value in whole.items()
                if _counts(key) and key not in typed and isinstance(value, int) and not isinstance(value, bool)
            }
            other = replace(ref, args=tuple({**typed, **scaled}.items()))
            if str(other) in seen:
                continue
            seen.add(str(other))
            made = attack.build(other)
            if why := _why_not(ref, made):
                raise UserError(why)
            yield other, effort, made


def _counts(argument: str) -> bool:
    """Whether an argument says how much an attack works: `steps`, `fab_steps`, `queries`."""
    return argument.endswith(("steps", "queries"))


def _measured(ref: Ref, effort: float, made: Attack | Ensemble, known: Sequence[Victim], seed: int) -> AttackStrength:
    found = [needed(made, str(ref), victim, seed) for victim in known]
    ratio = torch.cat([one.ratio for one in found])
    members = [member for _, member, starts in parts_of(made, str(ref)) if starts]
    return AttackStrength(
        attack=str(ref),
        effort=effort,
        norm=str(made.norm),
        ours=".bridges." not in attack.factory(ref.name).__module__,
        smallest=isinstance(made, Attack) and made.minimal,
        gradient=any(member.needs_gradient for member in members),
        n=len(ratio),
        median=_quantile(ratio, 0.5),
        p90=_quantile(ratio, 0.9),
        close=float((ratio <= _CLOSE).double().mean()),
        none=float(ratio.isinf().double().mean()),
        call=_mean(found, "call"),
        total=_mean(found, "total"),
    )


def _quantile(ratio: torch.Tensor, share: float) -> float:
    """The smallest ratio that this share of the images does not exceed."""
    rank = max(1, -(-round(share * len(ratio) * 1000) // 1000))
    return float(ratio.sort().values[rank - 1])


def _mean(found: Sequence[Needed], name: str) -> float:
    return float(torch.cat([getattr(one, name) for one in found]).double().mean())
