"""Search in a gallery: an attacker pushes the right match out of the first k, or pulls a rival into them."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from perceptbench.attacks.base import Objective
from perceptbench.attacks.objectives import EmbeddingShift
from perceptbench.attacks.rank import EnterTop, LeaveTop
from perceptbench.certifiers.base import Certifier, Proof
from perceptbench.certifiers.certify import in_norm
from perceptbench.certifiers.rank_radius import RankedGallery, RivalCertifier
from perceptbench.core.errors import UserError, warn
from perceptbench.core.noise import Noise
from perceptbench.core.tensors import Images, Mask, PerImage
from perceptbench.core.threat import Threat
from perceptbench.metrics.base import EmbeddingMetric, LipschitzMetric, Metric, Representation
from perceptbench.metrics.embedded_once import checked_key, embedded_once
from perceptbench.metrics.search.look import Look, Searched
from perceptbench.metrics.search.searched_embeddings import SearchedEmbeddings
from perceptbench.metrics.search.searched_images import SearchedImages
from perceptbench.metrics.search.short_lists import ShortLists
from perceptbench.metrics.usable import unusable
from perceptbench.results.tasks.retrieval import RetrievalScores
from perceptbench.tasks.base import Aim, Clean, Judged, Source, State, Task, task
from perceptbench.triplets.gallery import GalleryImages, Queries, Query, QuerySource

_MOST_RIGHT = 16
"""Right images, the nearest ones, for which a certificate is tried; any of them proves the answer."""


@dataclass(frozen=True, eq=False)
class Asking:
    """A batch of queries beside the gallery.

    Args:
        key: of the kept embeddings of the gallery; '' for a metric without an embedding.
        searched: the whole gallery.
        look: the clean queries beside it.
        allowed: (n, g), all images but the query's own file.
        target: (n, g), what is to stay inside: the right images, or for pull the rival that is to stay outside.
        against: (n, g), what the target competes with.
    """

    metric: Metric
    batch: Queries
    aim: Aim
    key: str
    represented: Representation
    searched: Searched
    look: Look
    allowed: Bool[Tensor, "n g"]
    target: Bool[Tensor, "n g"]
    against: Bool[Tensor, "n g"]


@task("retrieval", source="arXiv:2310.18274 (LipSim), figure 4")
@dataclass(frozen=True)
class Retrieval(RetrievalScores, Task[Asking]):
    """The match of a query is among the first k of a gallery; an attacker changes the query. A tie is a lost place."""

    def admit(self, source: Source) -> None:
        super().admit(source)
        if not isinstance(source, QuerySource):
            raise UserError(f"--task retrieval reads gallery:DIR, and {source.name} is something else; name such data")
        size = len(source.gallery)
        if self.rival and self.rival not in source.gallery.names:
            raise UserError(f"--rival wants an image of the gallery, by its path below the folder, got {self.rival!r}")
        for query in source.entries:
            rivals = size - (query.own >= 0) - max(1, len(query.right))
            if rivals < self.top:
                raise UserError(
                    f"--top {self.top} wants as many images that are wrong for a query, and the gallery has {rivals} "
                    f"for {query.id!r}; take a smaller --top, or more images"
                )

    def fit(self, metric: Metric, source: Source, device: str) -> State:
        """The key of the embedded gallery, by which every process finds it."""
        gallery = source.gallery  # type: ignore[attr-defined]  # `admit` has seen it.
        _refuse_unusable(metric, source, device)
        if isinstance(metric, EmbeddingMetric):
            return {"gallery": checked_key(metric, gallery, device), "images": len(gallery)}
        looked_at = self.short_list or len(gallery)
        warn(
            f"{type(metric).__name__} has no embedding: to judge a query once takes {len(gallery)} passes, and each "
            f"step of an attack on it {looked_at}"
            + ("" if self.short_list else "; --short-list 50 attacks beside the 50 nearest images alone")
        )
        return {"gallery": "", "images": len(gallery)}

    @torch.no_grad()
    def prepare(self, metric: Metric, batch: Queries, aim: Aim, state: State) -> Asking:
        if aim.literal and not aim.by_embedding:
            raise UserError("--protocol paper knows no places in a search; use --attack l2-mse, or leave it out")
        x, gallery, key = batch.reference, batch.gallery, str(state["gallery"])
        searched: Searched = SearchedImages(metric, gallery.read, len(gallery))
        if isinstance(metric, EmbeddingMetric):
            searched = SearchedEmbeddings(metric, embedded_once(metric, gallery, key, x.device.type).array)
        represented = metric.represent(x)
        allowed = torch.ones(len(x), len(gallery), dtype=torch.bool, device=x.device)
        target = torch.zeros_like(allowed)
        for row, (own, right) in enumerate(zip(batch.own, batch.right, strict=True)):
            allowed[row, [own] if own >= 0 else []] = False
            target[row, list(right)] = True
        look = searched.look(represented)
        if gallery.labels is None:
            target = target.scatter(1, look.nearest(allowed, 1)[0], True)
        asking = Asking(metric, batch, aim, key, represented, searched, look, allowed, target, allowed & ~target)
        if aim.goal == "pull":
            target = self._rivals(asking)
            asking = replace(asking, target=target, against=allowed & ~target)
        return asking

    def clean(self, prepared: Asking) -> Clean:
        look = _checked(prepared)
        judged = self._judged(prepared, look, torch.arange(len(prepared.batch.ids), device=prepared.target.device))
        before = {name.removesuffix("_adv"): values for name, values in judged.columns.items()}
        place = self._target(prepared, look, prepared.target)
        names = prepared.batch.gallery.names
        columns = {
            "correct": ~judged.reached, **before, "target": [names[i] for i in place.tolist()],
            "average_precision": _average_precision(prepared, look), "norm_ref": _norm(prepared),
        }  # fmt: skip
        return Clean(columns, judged)

    def moving(self, prepared: Asking) -> Images:
        return prepared.batch.reference

    def objective(self, prepared: Asking) -> Objective:
        metric, pulled = prepared.metric, prepared.aim.goal == "pull"
        if prepared.aim.by_embedding:
            towards = self._images(prepared, prepared.target) if pulled else prepared.batch.reference
            return EmbeddingShift.make(metric, towards, -1 if pulled else 1)
        searched, target, against = prepared.searched, prepared.target, prepared.against
        short = bool(self.short_list) and isinstance(searched, SearchedImages)
        if short:
            searched, target, against = self._short_lists(prepared)
        if pulled:
            return EnterTop(metric, searched, target.to(torch.uint8).argmax(1), against, self.top, whole=not short)
        return LeaveTop(metric, searched, target, against, self.top)

    @torch.no_grad()
    def prove(self, prepared: Asking, certifier: Certifier, threat: Threat, noise: Noise) -> Proof:
        metric, x = prepared.metric, prepared.batch.reference
        if not isinstance(certifier, RivalCertifier) or not isinstance(metric, LipschitzMetric):
            raise UserError(
                f"the certifier {type(certifier).__name__.lower()} proves nothing about a search, which wants pairs of "
                "embeddings; use --certifier margin, or none"
            )
        gallery, where = prepared.batch.gallery, x.device.type
        rows = embedded_once(metric, gallery, prepared.key, where).array
        rows_exact = embedded_once(metric, gallery, prepared.key, where, exact=True).array
        exact = metric.double().embed(x.double())
        found = []
        for row, query in enumerate(prepared.represented):
            ranked = RankedGallery(certifier, metric, query, exact[row], rows, rows_exact, Threat("reference", "l2"))
            target, against = prepared.target[row], prepared.against[row]
            found.append(
                ranked.stays_outside(int(target.nonzero()[0]), against, self.top)
                if prepared.aim.goal == "pull"
                else ranked.stays_inside(target, against, self.top, _MOST_RIGHT)
            )
        radius, error = torch.stack(found).T
        widest = x[0].numel() ** 0.5
        nobody = torch.zeros_like(radius, dtype=torch.bool)
        return in_norm(Proof(radius.clamp(max=widest), error, exact.norm(dim=1), nobody), threat.norm, x)

    @torch.no_grad()
    def judge(self, prepared: Asking, changed: Tensor, index: Tensor) -> Judged:
        return self._judged(prepared, prepared.searched.look(prepared.metric.represent(changed)), index)

    def images(self, prepared: Asking, changed: Tensor) -> Mapping[str, Images]:
        clean = {"query": prepared.batch.reference, "target": self._images(prepared, prepared.target)}
        return {**clean, "adversarial": changed}

    @torch.no_grad()
    def pictured(self, metric: Metric, batch: Queries, aim: Aim, state: State, changed: Tensor) -> Mapping[str, Images]:
        """The query, and the first match before and after the change."""
        asking = self.prepare(metric, batch, aim, state)
        after = asking.searched.look(metric.represent(changed))
        first, then = (look.nearest(asking.allowed, 1)[0][:, 0].tolist() for look in (asking.look, after))
        read = batch.gallery.read
        return {"reference": batch.reference, "left": read(first), "right": read(then)}

    def _judged(self, prepared: Asking, look: Look, index: Tensor) -> Judged:
        """Whether the attacker's goal is reached, and where everything stands, of some rows."""
        target, against, allowed = (each[index] for each in (prepared.target, prepared.against, prepared.allowed))
        pulled, names = prepared.aim.goal == "pull", prepared.batch.gallery.names
        place = self._target(prepared, look, target)
        rank = 1 + look.ahead(against, place, ties=not pulled)
        first, near = look.nearest(allowed, 1)
        _, cut = look.nearest(against, self.top)
        reached: Mask = rank <= self.top if pulled else rank > self.top
        return Judged(reached, {
            "rank_adv": rank, "d_target_adv": look.distance(place).double(), "d_cut_adv": cut[:, -1].double(),
            "nearest_adv": [names[i] for i in first[:, 0].tolist()], "d_nearest_adv": near[:, 0].double(),
        })  # fmt: skip

    def _target(self, prepared: Asking, look: Look, target: Tensor) -> Int[Tensor, " n"]:
        """The nearest image of the target."""
        return look.nearest(target, 1)[0][:, 0]

    def _images(self, prepared: Asking, target: Tensor) -> Images:
        place = self._target(prepared, prepared.look, target)
        return prepared.batch.gallery.read(place.tolist()).to(prepared.batch.reference.device)

    def _rivals(self, asking: Asking) -> Bool[Tensor, "n g"]:
        """The rival of each query: the image that was named, else the one in the middle of those that are wrong.

        Raises UserError for a rival that is right for a query, or is the query.
        """
        wrong = asking.against
        chosen = torch.zeros_like(wrong)
        if self.rival:
            at = asking.batch.gallery.names.index(self.rival)
            if not bool(wrong[:, at].all()):
                name = asking.batch.ids[int((~wrong[:, at]).nonzero()[0])]
                raise UserError(f"--rival {self.rival} is a right match of the query {name!r}; name another image")
            chosen[:, at] = True
            return chosen
        ordered = asking.look.every().masked_fill(~wrong, torch.inf).sort(dim=1, stable=True).indices
        return chosen.scatter(1, ordered.gather(1, (wrong.sum(1, keepdim=True) - 1) // 2), True)

    def _short_lists(self, prepared: Asking) -> tuple[ShortLists, Tensor, Tensor]:
        """Images that an attack looks at: every target and the nearest of what competes with it; and which is which.

        With every right image in it, a success beside a short list is one beside the gallery.
        """
        target, against = prepared.target, prepared.against
        few = min(self.short_list, int(against.sum(1).min()))
        rivals, _ = prepared.look.nearest(against, few)
        most = int(target.sum(1).max())
        # Where a query has fewer targets than another, the first of its images fills the list and counts for nothing.
        first = target.to(torch.uint8).sort(dim=1, descending=True, stable=True)
        is_target = torch.cat([first.values[:, :most] > 0, torch.zeros_like(rivals, dtype=torch.bool)], dim=1)
        is_rival = torch.cat([torch.zeros_like(first.values[:, :most] > 0), torch.ones_like(rivals) > 0], dim=1)
        places = torch.cat([first.indices[:, :most], rivals], dim=1)
        return ShortLists.of(prepared.metric, prepared.batch.gallery.read, places), is_target, is_rival


def _refuse_unusable(metric: Metric, source: Source, device: str) -> None:
    """Raises UserError for images that the metric does not answer for: their places, and those behind, say nothing."""
    gallery: GalleryImages = source.gallery  # type: ignore[attr-defined]
    others: list[Query] = [query for query in source.entries if query.own < 0]  # type: ignore[attr-defined, misc]
    named = [gallery.names[i] for i in unusable(metric, len(gallery), gallery.read, device)]
    asked = unusable(metric, len(others), lambda rows: torch.stack([others[i].load() for i in rows]), device)
    if named := [*named, *(others[i].id for i in asked)]:
        raise UserError(
            f"{type(metric).__name__} does not answer for {len(named)} of these images, {named[0]!r} among them, and "
            "a search cannot pass over them; take them out of the folders"
        )


def _checked(prepared: Asking) -> Look:
    """The clean look. Raises UserError for a distance that is not finite."""
    look = prepared.look
    distances = look.nearest(prepared.allowed, 1)[1]
    if not bool(distances.isfinite().all()):
        raise UserError(
            f"the metric gave a distance that is not finite on {prepared.batch.ids[0]} or its batch; correct it first"
        )
    return look


def _average_precision(prepared: Asking, look: Look) -> PerImage:
    """Of each query, over its right images: the mean of (right images up to its place) / (its place).

    Wrong images at the distance of a right one stand before it. NaN without labels.
    """
    found = []
    every = look.every() if prepared.batch.gallery.labels is not None else None
    for row, right in enumerate(prepared.batch.right):
        if every is None:
            found.append(torch.nan)
            continue
        is_right = torch.zeros_like(prepared.allowed[row])
        is_right[list(right)] = True
        mine = every[row][is_right].sort().values
        wrong = every[row][prepared.allowed[row] & ~is_right].sort().values
        before = torch.arange(1, len(mine) + 1, device=mine.device)
        found.append(float((before / (before + torch.searchsorted(wrong, mine, right=True))).mean()))
    return torch.tensor(found, dtype=torch.float64)


def _norm(prepared: Asking) -> PerImage:
    if isinstance(prepared.metric, EmbeddingMetric):
        norm: PerImage = prepared.represented.double().norm(dim=1)
        return norm
    return torch.full((len(prepared.batch.ids),), torch.nan, dtype=torch.float64)
