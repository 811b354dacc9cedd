"""What a run learns from and is judged on: read, embedded and cached before the first step."""

from dataclasses import dataclass
from typing import Any

from perceptbench.core.errors import UserError
from perceptbench.core.ref import Ref
from perceptbench.core.stored import Stored
from perceptbench.metrics.base import EmbeddingMetric, metric
from perceptbench.metrics.identity import weights_sha256
from perceptbench.training.hold_out import require_fitting, split_by_name
from perceptbench.training.lipsim.config import Machine, Sources, TrainConfig
from perceptbench.training.lipsim.data.batch import Batches, Share
from perceptbench.training.lipsim.data.items import Items, all_items
from perceptbench.training.lipsim.data.neighbours import neighbours
from perceptbench.training.lipsim.data.order_batches import Key, Mixed, OrderBatches
from perceptbench.training.lipsim.data.photographs import Photographs, load_photographs
from perceptbench.training.lipsim.data.teacher import teacher_embeddings
from perceptbench.training.lipsim.data.triplet_batches import StoredTriplets, TripletBatches, constructed
from perceptbench.training.lipsim.data.views import FixedViews
from perceptbench.training.lipsim.validation import ValidationTriplets, validation_triplets
from perceptbench.triplets.base import TripletSource, triplets


@dataclass(frozen=True, slots=True)
class Material:
    """Photographs and triplets of a run.

    Args:
        photographs: all photographs, of which `learn` are learnt from and `held` is drawn from the others.
        alike: neighbours of every item of `learn`.
        known: the data sets of triplets, and their images.
    """

    config: TrainConfig
    photographs: Photographs
    teacher_sha256: str
    learn: Items
    alike: Stored
    held: ValidationTriplets
    known: tuple[tuple[TripletSource, StoredTriplets], ...]

    @property
    def sha256(self) -> list[str]:
        """Of photographs, teacher and triplets."""
        # Embeddings lie in a folder named by a hash of all that decides them; a teacher need not have weights.
        return [
            self.photographs.sha256,
            self.learn.embeddings.path.parent.name,
            *(source.sha256 for source, _ in self.known),
        ]

    def ordered(self, stage: str, share: Share) -> OrderBatches:
        """Batches to be ordered as the teacher does."""
        c = self.config
        return OrderBatches(
            items=self.learn,
            alike=self.alike,
            size=c.batch,
            cluster=c.cluster,
            same_photo=c.same_photo,
            clustered=c.clustered,
            jitter=c.jitter,
            key=Key(c.seed, stage),
            share=share,
        )

    def mixed(self, stage: str, share: Share) -> Batches:
        """Batches of triplets from every data set alike, and a share that goes on with the teacher's order."""
        c = self.config
        parts: list[Batches] = [self.ordered(stage, share)]
        for i, (_, stored) in enumerate(self.known):
            parts.append(TripletBatches(triplets=stored, size=c.batch, key=Key(c.seed, f"{stage} {i}"), share=share))
        each = (1 - c.rehearse) / len(self.known)
        return Mixed(parts, [c.rehearse, *[each] * len(self.known)], Key(c.seed, stage))

    def described(self) -> dict[str, Any]:
        """Numbers and hashes for the record."""
        n, learnt = len(self.photographs), len(self.learn.photographs)
        return {
            "images": {"n": n, "held_out": n - learnt, "sha256": self.photographs.sha256},
            "teacher_sha256": self.teacher_sha256,
            "data": [{"name": s.name, "n": len(s), "drawn": len(p), "sha256": s.sha256} for s, p in self.known],
        }


def gather(sources: Sources, config: TrainConfig, machine: Machine) -> Material:
    """Read, embed and cache. Raises UserError for what cannot be used, cheap checks first."""
    teacher = metric.build(Ref.parse(sources.teacher))
    if not isinstance(teacher, EmbeddingMetric):
        raise UserError(f"--teacher wants a metric with embeddings, such as effnet-lite0, got {sources.teacher}")
    labelled = [triplets.build(Ref.parse(text)) for text in sources.data]
    for source in labelled:
        require_fitting(source)
    photographs = load_photographs(sources.images, sources.limit)
    parts = split_by_name(photographs.names, config.held_out)
    views = FixedViews(config.network.size, config.views)
    embeddings = teacher_embeddings(teacher, sources.teacher, photographs, views, machine.device, machine.workers)
    learn, held = map(all_items(photographs, views, embeddings).select, parts)
    alike, alike_held = (neighbours(part, config.neighbours, machine.device) for part in (learn, held))
    known = []
    if config.finetune.steps:
        for source in labelled or [constructed(learn.photographs, config.triplets_per_set, config.seed)]:
            known.append((source, StoredTriplets.of(source, config.network.size, config.triplets_per_set)))
    judged = validation_triplets(held, alike_held)
    return Material(config, photographs, weights_sha256(teacher), learn, alike, judged, tuple(known))
