"""The loop of a whole run: update, measure, keep; and go on from a checkpoint as if nothing had happened.

What happens at step ``s`` follows from the settings, the state that a checkpoint holds, and ``s``: batches and learning
rates are functions of their number, so nothing else has to be remembered.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..autograd import Tensor
from ..errors import InputError
from . import checkpoint as checkpoints
from .checkpoint import Checkpoint
from .clip import clip_norm, clip_value, gradient_norm
from .ema import Ema
from .feed import Batch, Feed
from .logs import Log
from .measure import Score
from .mixed import LossScaler, Masters
from .optim import Optimiser
from .progress import Report

#: What a run's folder holds, besides the log, the settings and pictures.
CHECKPOINT, BEST, LAST = "checkpoint.safetensors", "best.safetensors", "last.safetensors"


class NotFiniteError(InputError, FloatingPointError):
    """The loss or a gradient is NaN or infinite."""


@dataclass
class Parts:
    """All that a run is made of.

    The optimiser changes, and the average is of, ``masters`` (with a ``scaler``) in mixed precision, else ``model``.
    ``loss(heads, truths, size)`` is a scalar tensor, the mean over the images; ``heads`` are what ``forward`` makes of
    the input, by default the model; a generator ``loss.rng`` is kept in checkpoints.  ``rate(step)`` is the learning
    rate; ``measure(model)`` a score, or None; ``about`` goes into the metadata of weights, ``identity`` into
    checkpoints, and has to be the same on resuming.
    """

    model: Any
    loss: Callable[[Any, Sequence[Any], tuple[int, int]], Tensor]
    feed: Feed
    optimiser: Optimiser
    rate: Callable[[int], float]
    steps: int
    accumulate: int = 1
    ema: Ema | None = None
    masters: Masters | None = None
    scaler: LossScaler | None = None
    measure: Callable[[Any], Score] | None = None
    measure_at: Callable[[int], bool] = lambda step: False
    clip_norm: float = 0.0
    clip_value: float = 0.0
    patience: int = 0
    best_by: str = "ap50"
    checkpoint_every: float = 60.0
    about: dict[str, str] = field(default_factory=dict)
    identity: dict[str, Any] = field(default_factory=dict)
    forward: Callable[[Tensor], Any] | None = None


@dataclass
class State:
    """How far a run has come: updates done, the best score and its step, measurements since, and the last score."""

    step: int = 0
    best: float = -1.0
    best_step: int = 0
    since_best: int = 0
    score: dict[str, Any] = field(default_factory=dict)


class Trainer:
    """``Trainer(parts, folder).run()`` trains to the end; after ``resume()``, from the folder's checkpoint on."""

    def __init__(
        self,
        parts: Parts,
        folder: Path,
        *,
        logs: Iterable[Log] = (),
        batches: Callable[[int], Iterable[Batch]] | None = None,
    ) -> None:
        self.parts, self.folder, self.logs = parts, folder, list(logs)
        self.state = State()
        self._batches = batches or parts.feed.since

    @property
    def stopped_early(self) -> bool:
        """Whether the score has not improved for too long."""
        return 0 < self.parts.patience <= self.state.since_best

    def run(self, report: Report | None = None, say: Callable[[str], None] | None = None) -> State:
        """Train from where the state is; returns it at the end.

        The folder then holds the best weights (of the average, where there is one), the last ones, and a checkpoint.
        Raises ``NotFiniteError`` naming step and images when the loss or a gradient is not finite, before any parameter
        has changed by it, and ``InputError`` when a file cannot be written.
        """
        parts, state = self.parts, self.state
        batches = iter(self._batches(state.step * parts.accumulate))
        saved, recent = time.monotonic(), math.nan
        while state.step < parts.steps and not self.stopped_early:
            began = time.monotonic()
            loss, norm = self.update([next(batches) for _ in range(parts.accumulate)])
            state.step += 1
            recent = loss if math.isnan(recent) else 0.95 * recent + 0.05 * loss
            lr = parts.optimiser.groups[0]["lr"] / (parts.optimiser.groups[0]["lr_factor"] or 1)
            self._log("step", loss=loss, lr=lr, gradient=norm, seconds=round(time.monotonic() - began, 4))
            if parts.measure is not None and (parts.measure_at(state.step) or state.step == parts.steps):
                self._measure(say)
            if report is not None:
                score = f", AP@.5 {state.score['ap50']:.3f}" if state.score else ""
                report(state.step, f"loss {recent:.2f}{score}")
            if time.monotonic() - saved >= parts.checkpoint_every:
                self.save()
                saved = time.monotonic()
        self.save()
        self._save_weights(LAST)
        if parts.measure is None:
            self._save_weights(BEST)
        return state

    def update(self, batches: Sequence[Batch]) -> tuple[float, float]:
        """One step of the optimiser by the mean of the batches' gradients; the mean loss before it, and their norm."""
        parts, step = self.parts, self.state.step
        parts.model.train()
        parts.model.zero_grad()
        parts.optimiser.set_lr(parts.rate(step))
        total, scale = 0.0, parts.scaler.scale if parts.scaler else 1.0
        for batch in batches:
            inputs = batch.inputs if parts.masters is None else batch.inputs.astype(np.float16)
            heads = (parts.forward or parts.model)(Tensor(parts.model.to_device(inputs)))
            loss = parts.loss(heads, batch.truths, batch.inputs.shape[2:])
            value = loss.item()
            if not math.isfinite(value):
                of = f"of images {_some(batch.names)}"
                raise NotFiniteError(f"step {step}: the loss is {value}, {of}; {self._advice()}")
            loss.backward(np.asarray(scale / len(batches)))
            total += value / len(batches)
        if parts.masters is not None:
            parts.masters.gather(scale)
        parameters = [p for group in parts.optimiser.groups for p in group["params"]]
        if parts.clip_value:
            clip_value(parameters, parts.clip_value)
        norm = clip_norm(parameters, parts.clip_norm) if parts.clip_norm else gradient_norm(parameters)
        if parts.scaler is not None and not parts.scaler.exhausted and not parts.scaler.update(math.isfinite(norm)):
            return total, norm  # the step is left out; the next ones are scaled less
        if not math.isfinite(norm):
            names = [name for batch in batches for name in batch.names]
            raise NotFiniteError(f"step {step}: a gradient is not finite, of images {_some(names)}; {self._advice()}")
        parts.optimiser.step()
        if parts.masters is not None:
            parts.masters.spread()
        if parts.ema is not None:
            parts.ema.update()
        return total, norm

    def _advice(self) -> str:
        kept = f"the last good checkpoint is {self.folder / CHECKPOINT}" if (self.folder / CHECKPOINT).exists() else ""
        return "; ".join(part for part in ("lower the learning rate or clip the gradients", kept) if part)

    def _measure(self, say: Callable[[str], None] | None) -> None:
        parts, state = self.parts, self.state
        assert parts.measure is not None
        began = time.monotonic()
        if parts.ema is None:
            score = parts.measure(parts.model)
        else:
            with parts.ema.swapped():
                self._follow()
                score = parts.measure(parts.model)
            self._follow()
        state.score = asdict(score)
        value = getattr(score, parts.best_by)
        if value > state.best:
            state.best, state.best_step, state.since_best = value, state.step, 0
            self._save_weights(BEST, score)
        else:
            state.since_best += 1
        self._log("evaluation", **state.score, best=state.best, seconds=round(time.monotonic() - began, 3))
        if say is not None:
            found = f"AP@.5 {score.ap50:.3f}, AP@[.5:.95] {score.ap:.3f}"
            if "mask_ap" in state.score:
                found += f", of masks {state.score['mask_ap50']:.3f}, {state.score['mask_ap']:.3f}"
            say(f"step {state.step}/{parts.steps}: {found}, best {state.best:.3f}")

    def _follow(self) -> None:
        """Let the network have the masters' values, where there are masters."""
        if self.parts.masters is not None:
            self.parts.masters.spread()

    @property
    def _kept(self) -> Any:
        """The module whose parameters are changed and kept."""
        return self.parts.model if self.parts.masters is None else self.parts.masters

    def _log(self, kind: str, **values: Any) -> None:
        for log in self.logs:
            log.row(kind, self.state.step, **values)

    # What is kept.

    def save(self) -> None:
        """Write the checkpoint."""
        parts = self.parts
        named = dict(self._kept.named_parameters())
        arrays = {f"model/{name}": a for name, a in self._kept.state_dict().items()}
        arrays |= {f"optimiser/{name}": a for name, a in parts.optimiser.state(named).items()}
        if parts.ema is not None:
            arrays |= {f"ema/{name}": a for name, a in parts.ema.state.items()}
        document = {
            "state": _plain(asdict(self.state)),
            "ema_steps": parts.ema.steps if parts.ema else 0,
            "scaler": [parts.scaler.scale, parts.scaler.good] if parts.scaler else None,
            "random": checkpoints.random_states(generators(parts.model, parts.loss)),
            "identity": parts.identity,
        }
        checkpoints.save(self.folder / CHECKPOINT, Checkpoint(arrays, document))

    def resume(self) -> None:
        """Go on from the folder's checkpoint; ``InputError`` when it is damaged, or of another run."""
        parts, path = self.parts, self.folder / CHECKPOINT
        kept = checkpoints.load(path)
        theirs, mine = kept.document["identity"], parts.identity
        if theirs != mine:
            differing = _differing(theirs, mine)
            raise InputError(f"{path}: a checkpoint of another run: {', '.join(differing)}")
        try:
            self._kept.load_state_dict(kept.part("model"))
            self._follow()
            parts.optimiser.load_state(dict(self._kept.named_parameters()), kept.part("optimiser"))
            if parts.scaler is not None:
                parts.scaler.scale, parts.scaler.good = kept.document["scaler"]
            if parts.ema is not None:
                parts.ema.load(kept.part("ema"), kept.document["ema_steps"])
            checkpoints.restore_random(generators(parts.model, parts.loss), kept.document["random"])
            self.state = State(**kept.document["state"])
        except (KeyError, ValueError, TypeError) as error:
            raise InputError(f"{path}: does not fit this run: {error}") from None

    def _save_weights(self, name: str, score: Score | None = None) -> None:
        """Parameters and buffers, averaged where there is an average, with what they are in the metadata."""
        parts = self.parts
        state = parts.ema.state if parts.ema is not None else self._kept.state_dict()
        about = {**parts.about, "step": str(self.state.step)}
        if score is not None:
            about["ap50"], about["ap"] = f"{score.ap50:.6f}", f"{score.ap:.6f}"
        checkpoints.save_weights(self.folder / name, state, about)


def generators(model: Any, loss: Any = None) -> dict[str, np.random.Generator]:
    """The random generators of a model's layers, each once, the one that layers share, and the loss's, by name."""
    from ..nn import init

    found = {"shared": init.generator()}
    if isinstance(own := getattr(loss, "rng", None), np.random.Generator):
        found["loss"] = own
    for path, module in model.named_modules():
        for name, value in vars(module).items():
            if isinstance(value, np.random.Generator) and not any(value is g for g in found.values()):
                found[f"{path}.{name}"] = value
    return found


def _differing(theirs: Any, mine: Any, where: str = "") -> list[str]:
    """The entries of nested mappings that are not equal, with both values."""
    if not (isinstance(theirs, dict) and isinstance(mine, dict)):
        return [] if theirs == mine else [f"{where} ({theirs} -> {mine})"]
    keys = sorted({**theirs, **mine})
    return [name for key in keys for name in _differing(theirs.get(key), mine.get(key), f"{where}.{key}".lstrip("."))]


def _plain(state: Any) -> Any:
    """NaN, which JSON has no word for, as None."""
    if isinstance(state, dict):
        return {key: _plain(value) for key, value in state.items()}
    if isinstance(state, (list, tuple)):
        return [_plain(value) for value in state]
    return None if isinstance(state, float) and math.isnan(state) else state


def _some(names: Sequence[str], most: int = 8) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
