"""The loop: what a step is, when it measures, when it stops, and what it does when numbers are no numbers."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from support.tiny_run import same, settings, trainer, weights

from minidet import Tensor, nn
from minidet import functions as F
from minidet.boxes.yolo import YoloHead
from minidet.errors import InputError
from minidet.train import logs
from minidet.train import trainer as loop
from minidet.train.assemble import parts_of, rate, with_anchors
from minidet.train.feed import Batch
from minidet.train.measure import Score
from minidet.train.optim import SGD, AdamW
from minidet.train.trainer import NotFiniteError, Parts, Trainer
from minidet.weights import safetensors


class Line(nn.Module):
    """y = w x + b, without batch norm."""

    def __init__(self, rng=0):
        self.weight = nn.Parameter(np.random.default_rng(rng).normal(size=(3, 1)))
        self.bias = nn.Parameter(np.zeros(1))

    def forward(self, x):
        """(N, 3) to (N, 1)."""
        return F.add(F.matmul(x, self.weight), self.bias)


class Points:
    """Batches of points on a noisy plane, by number."""

    def __init__(self, size, poison=None):
        self.size, self.poison = size, poison

    def since(self, k):
        while True:
            rng = [np.random.default_rng([7, i]) for i in range(k * self.size, (k + 1) * self.size)]
            x = np.stack([r.normal(size=3) for r in rng])
            if k == self.poison:
                x[0] = np.nan
            yield Batch(x[:, :, None, None], [], [f"point {i}" for i in range(k * self.size, (k + 1) * self.size)])
            k += 1


class Flat(Line):
    """The same of (N, 3, 1, 1)."""

    def forward(self, x):
        return super().forward(F.reshape(x, shape=(-1, 3)))


def line_parts(steps=6, size=4, accumulate=1, rule=None, **more):
    model = Flat().astype(np.float64)
    rule = rule or (lambda ps: SGD(ps, lr=0.05, momentum=0.9, weight_decay=0.01))

    def loss(y, truths, size):
        return F.mean(F.power(F.sub(y, 2.0), 2))

    return Parts(
        model, loss, more.pop("feed", Points(size)), rule(model.parameters()), lambda step: 0.1 / (1 + step), steps,
        accumulate=accumulate, **more,
    )  # fmt: skip


@pytest.mark.parametrize("rule", [None, lambda ps: AdamW(ps, lr=0.05)])
@pytest.mark.parametrize("pieces", [2, 4])
def test_accumulated_batches_are_the_larger_batch(tmp_path, pieces, rule):
    whole, parts = line_parts(size=8, rule=rule), line_parts(size=8 // pieces, accumulate=pieces, rule=rule)
    for made in (whole, parts):
        Trainer(made, tmp_path).run()
    for a, b in zip(whole.model.parameters(), parts.model.parameters(), strict=True):
        assert np.abs(a.data - b.data).max() <= 1e-13


def test_a_step_by_hand(tmp_path):
    """Rate of the step, gradient of the mean loss, clipped, decay, average."""
    from minidet.train.ema import Ema

    parts = line_parts(steps=1, clip_norm=0.5, clip_value=0.4, rule=lambda ps: SGD(ps, lr=9.0))
    parts.ema = Ema(parts.model, decay=0.75)
    w, b = (p.data.copy() for p in parts.model.parameters())
    x = next(Points(4).since(0)).inputs[:, :, 0, 0]
    error = x @ w + b - 2
    gradient = np.append(2 * x.T @ error / 4, 2 * error.mean())
    gradient = np.clip(gradient, -0.4, 0.4)
    gradient *= min(1, 0.5 / np.linalg.norm(gradient))
    trainer = Trainer(parts, tmp_path)
    loss, norm = trainer.update([next(Points(4).since(0))])
    assert loss == pytest.approx((error**2).mean(), rel=1e-12)
    assert norm == pytest.approx(np.linalg.norm(np.clip(np.append(2 * x.T @ error / 4, 2 * error.mean()), -0.4, 0.4)))
    now = np.concatenate([p.data.reshape(-1) for p in parts.model.parameters()])
    before = np.append(w, b)
    assert np.allclose(now, before - 0.1 * gradient, rtol=1e-12, atol=0)
    assert np.allclose(parts.ema.state["weight"], 0.75 * w + 0.25 * parts.model.weight.data, rtol=1e-12)


@pytest.mark.parametrize("where", ["loss", "gradient"])
def test_a_number_that_is_none_stops_before_anything_is_changed(tmp_path, where):
    parts = line_parts(steps=9, feed=Points(2, poison=3))
    if where == "gradient":
        parts.loss = lambda y, truths, size: F.sum(F.sqrt(F.mul(F.sub(y, y), 1.0)))  # sqrt at 0
    done = Trainer(parts, tmp_path)
    seen = []
    state = {}

    def report(step, note):
        seen.append(step)
        state.update({name: a.copy() for name, a in parts.model.state_dict().items()})

    with np.errstate(all="ignore"), pytest.raises(NotFiniteError) as caught:
        done.run(report)
    step = 3 if where == "loss" else 0
    assert str(caught.value).startswith(f"step {step}: ")
    assert f"point {2 * step}, point {2 * step + 1}" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert isinstance(caught.value, InputError)
    assert isinstance(caught.value, FloatingPointError)
    assert seen == list(range(1, step + 1))
    assert all(np.array_equal(a, parts.model.state_dict()[name]) for name, a in state.items())


def test_the_last_good_checkpoint_is_named_and_kept(tmp_path):
    Trainer(line_parts(steps=2), tmp_path).run()
    before = (tmp_path / loop.CHECKPOINT).read_bytes()
    broken = Trainer(line_parts(steps=9, feed=Points(4, poison=2)), tmp_path)
    broken.resume()
    with pytest.raises(NotFiniteError, match=r"step 2: .*last good checkpoint is .*checkpoint.safetensors"):
        broken.run()
    assert (tmp_path / loop.CHECKPOINT).read_bytes() == before


def scores(*values):
    """A measurement that finds these figures, one after the other."""
    left = list(values)
    return lambda model: Score((v := left.pop(0)), v / 2, (v,), 1, 0)


def test_it_measures_keeps_the_best_and_stops_early(tmp_path):
    parts = line_parts(
        steps=40, measure=scores(0.1, 0.5, 0.4, 0.5, 0.3, 0.9), measure_at=lambda s: s % 3 == 0, patience=3,
        about={"model": "line"},
    )  # fmt: skip
    lines = []
    trainer = Trainer(parts, tmp_path, logs=[logs.JsonLines(tmp_path / "log.jsonl")])
    state = trainer.run(say=lines.append)
    assert trainer.stopped_early
    assert (state.step, state.best, state.best_step, state.since_best) == (15, 0.5, 6, 3)
    assert len(lines) == 5
    best, last = (safetensors.metadata(tmp_path / name) for name in (loop.BEST, loop.LAST))
    assert (best["step"], best["ap50"], best["ap"], best["model"]) == ("6", "0.500000", "0.250000", "line")
    assert last["step"] == "15"
    rows = logs.read(tmp_path / "log.jsonl")
    assert [r["step"] for r in rows if r["kind"] == "evaluation"] == [3, 6, 9, 12, 15]
    steps = [r for r in rows if r["kind"] == "step"]
    assert [r["step"] for r in steps] == list(range(1, 16))
    assert [r["lr"] for r in steps] == pytest.approx([0.1 / (1 + s) for s in range(15)])


def test_the_end_is_measured_though_it_is_not_its_turn(tmp_path):
    parts = line_parts(steps=4, measure=scores(0.1, 0.2), measure_at=lambda s: s == 3)
    assert Trainer(parts, tmp_path).run().score["ap50"] == 0.2


def test_a_score_that_is_no_number_is_not_the_best(tmp_path):
    parts = line_parts(steps=3, measure=scores(math.nan, 0.1, math.nan), measure_at=lambda s: True)
    state = Trainer(parts, tmp_path).run()
    assert (state.best, state.best_step) == (0.1, 2)
    again = Trainer(parts, tmp_path)
    again.resume()
    assert again.state.step == 3


def test_without_a_validation_split_the_last_weights_are_the_best(tmp_path):
    parts = line_parts(steps=2)
    Trainer(parts, tmp_path).run()
    a, b = (safetensors.load(tmp_path / name) for name in (loop.BEST, loop.LAST))
    assert all(np.array_equal(a[name], parts.model.state_dict()[name]) for name in a)
    assert a.keys() == b.keys()


# Real parts.


@pytest.mark.parametrize("changes", [{}, {"optimiser__kind": "adamw", "ema__decay": 0.0}])
def test_one_seed_one_result_and_another_seed_another(tmp_path, changes):
    runs = [trainer(tmp_path, run__seed=seed, run__steps=3, **changes) for seed in (1, 1, 2)]
    for run in runs:
        run.run()
    assert same(weights(runs[0]), weights(runs[1]))
    assert not same(weights(runs[0]), weights(runs[2]))


@pytest.mark.parametrize("stop", [1, 4])
def test_going_on_from_a_checkpoint_is_as_if_nothing_had_happened(tmp_path, stop):
    """Across the end of an epoch, with a dropout's own generator, random sizes, and augmentation that ends."""
    changes = {"data__sides": [32, 64], "augment__stop": 0.4, "data__accumulate": 2, "run__steps": 6}
    left, cut = (trainer(tmp_path / name, **changes) for name in "ab")
    for run in (left, cut):
        run.folder.mkdir()
        run.parts.model.drop = nn.Dropout(0.5, rng=5)
        forward = run.parts.model.forward
        run.parts.model.forward = lambda x, run=run, f=forward: tuple(
            run.parts.model.drop(h) if run.parts.model.training else h for h in f(x)
        )
    left.run()
    cut.parts.steps = stop
    cut.run()
    on = trainer(tmp_path / "b", **changes)
    on.parts.model.drop = nn.Dropout(0.5, rng=99)
    forward = on.parts.model.forward
    on.parts.model.forward = lambda x: tuple(
        on.parts.model.drop(h) if on.parts.model.training else h for h in forward(x)
    )
    on.resume()
    assert on.state.step == stop
    on.run()
    assert same(weights(left), weights(on))
    assert on.parts.ema.steps == left.parts.ema.steps == 6


def test_a_checkpoint_of_another_run_is_refused(tmp_path):
    trainer(tmp_path, run__steps=1).run()
    for changes, word in (({"optimiser__lr": 0.5}, "settings.optimiser.lr"), ({"data__path": "shapes:7:4"}, "data")):
        with pytest.raises(InputError, match=rf"of another run: {word} \(.* -> .*\)$"):
            trainer(tmp_path, run__steps=1, **changes).resume()
    fitting = trainer(tmp_path, run__steps=1, keep__checkpoint=9.0, data__workers=1)
    fitting.resume()
    other = trainer(tmp_path, run__steps=1, model__options={"width": 4})
    other.parts.identity = fitting.parts.identity
    with pytest.raises(InputError, match="does not fit this run"):
        other.resume()


def test_what_is_written_about_the_weights_builds_the_network_again(tmp_path):
    run = trainer(tmp_path, run__steps=1, model__anchors=[[20, 20], [9, 9]])
    run.run()
    about = safetensors.metadata(tmp_path / loop.BEST)
    assert about["model"] == "yolov3-shapes"
    assert json.loads(about["anchors"]) == [[[20.0, 20.0]], [[9.0, 9.0]]]
    assert json.loads(about["options"]) == {"width": 2}
    assert json.loads(about["names"])[0] == "circle"
    assert about["size"] == "32x32"


def test_a_run_begins_from_other_weights(tmp_path):
    run = trainer(tmp_path, run__steps=1, ema__decay=0.0)
    run.run()
    safetensors.save(
        tmp_path / "w.safetensors", {"stem.conv.weight": np.ones((2, 3, 3, 3)), "stem.bn.bias": np.ones(9)}
    )
    begun = trainer(tmp_path, model__weights=str(tmp_path / "w.safetensors")).parts.model.state_dict()
    assert (begun["stem.conv.weight"] == 1).all()
    assert begun["stem.conv.weight"].dtype == np.float32
    assert (begun["stem.bn.bias"] == 0).all(), "of another shape"
    safetensors.save(tmp_path / "w.safetensors", {"x": np.ones(3)})
    with pytest.raises(InputError, match="none of its 1 tensors"):
        trainer(tmp_path, model__weights=str(tmp_path / "w.safetensors"))


def test_anchors_go_to_heads_by_their_area():
    heads = (YoloHead(((1, 1),) * 2, 3), YoloHead(((1, 1),) * 1, 3))
    changed = with_anchors(heads, [(10, 10), (2, 3), (5, 9)])
    assert [head.anchors for head in changed] == [((5.0, 9.0), (10.0, 10.0)), ((2.0, 3.0),)]
    with pytest.raises(InputError, match=r"expected 3 pairs, 2 \+ 1 for the heads, found 1"):
        with_anchors(heads, [(1, 1)])
    with pytest.raises(InputError, match="above 0"):
        with_anchors(heads, [(1, 1), (0, 1), (2, 2)])


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"model__options": {"depth": 3}}, "model.options: yolov3-shapes takes no such option"),
        ({"model__name": "yolov3-shape"}, "did you mean 'yolov3-shapes'"),
        ({"model__size": 33}, "multiples of 16"),
        ({"data__path": ""}, "data.path: a data set is needed"),
        ({"data__path": "shapes:0"}, "expected shapes:TRAIN"),
        ({"data__path": "shapes:3:4:5"}, "expected shapes:TRAIN"),
        ({"data__path": "nowhere-at-all"}, "nowhere-at-all"),
        ({"data__sides": [30, 64]}, "data.sides: .*multiples of 16"),
        (
            {"augment__steps": [], "augment__preset": "yolo3"},
            r"augment.preset: 'yolo3' is not known; did you mean yolov3",
        ),
        ({"augment__steps": [{"name": "flop"}]}, r"augment.steps\[0\]"),
        ({"loss__options": {"bax": 1}}, "loss.options"),
        ({"loss__options": {"box": "bad"}}, "loss.options"),
        ({"optimiser__no_decay": ["stemm.*"]}, r"optimiser: no parameter's name fits stemm\.\*"),
        ({"optimiser__lr_factors": {"heads.*": 0.1}}, r"optimiser: no parameter's name fits heads\.\*"),
    ],
)
def test_settings_that_do_not_fit(tmp_path, changes, line):
    with pytest.raises(InputError, match=line) as caught:
        trainer(tmp_path, **changes)
    assert "\n" not in str(caught.value)


def test_groups_of_parameters(tmp_path):
    run = trainer(
        tmp_path, optimiser__weight_decay=0.1, optimiser__no_decay=["stem.*"],
        optimiser__lr_factors={"stage4.*": 0.5, "stage4.down.*": 0.25, "stem.bn.*": 0.0},
    )  # fmt: skip
    named = {id(p): name for name, p in run.parts.model.named_parameters()}
    seen = {}
    for group in run.parts.optimiser.groups:
        for p in group["params"]:
            seen[named[id(p)]] = (group["weight_decay"], group["lr_factor"])
    assert seen["stem.conv.weight"] == (0.0, 1.0)
    assert seen["stage4.down.conv.weight"] == (0.1, 0.5), "the first pattern that fits"
    assert seen["stage4.down.bn.weight"] == (0.0, 0.5)
    assert seen["stage8.down.conv.weight"] == (0.1, 1.0)
    assert not any(name.startswith("stem.bn") for name in seen), "these stay as they are"
    run.parts.optimiser.set_lr(0.2)
    assert {g["lr"] / 0.2 for g in run.parts.optimiser.groups} == {1.0, 0.5}


@pytest.mark.parametrize(
    ("changes", "steps", "expected"),
    [
        ({"kind": "constant", "warmup": 0.0}, (0, 50, 99), (1, 1, 1)),
        ({"kind": "linear", "warmup": 10.0, "floor": 0.5}, (0, 9, 10, 55, 100), (0.1, 1, 1, 0.75, 0.5)),
        ({"kind": "cosine", "warmup": 0.1, "floor": 0.0}, (0, 9, 10, 55, 100), (0.1, 1, 1, 0.5, 0)),
        ({"kind": "step", "warmup": 0.0, "every": 0.25, "factor": 0.5}, (0, 24, 25, 75), (1, 1, 0.5, 0.125)),
        (
            {"kind": "multi-step", "warmup": 4.0, "power": 2.0, "at": [30.0, 0.9]},
            (0, 29, 30, 90),
            (1 / 16, 1, 0.1, 0.01),
        ),
    ],
)
def test_rates_of_a_run(changes, steps, expected):
    made = settings(**{f"schedule__{key}": value for key, value in changes.items()}, optimiser__lr=2.0)
    assert [rate(made, 100)(s) / 2 for s in steps] == pytest.approx(expected, abs=1e-12)


def test_epochs_steps_and_when_it_measures(tmp_path):
    run = trainer(tmp_path, data__path="shapes:7:4", run__epochs=4, evaluate__every=2, data__accumulate=2)
    assert run.parts.feed.per_epoch == 3
    assert run.parts.steps == 6
    assert [s for s in range(1, 7) if run.parts.measure_at(s)] == [3, 6]
    assert trainer(tmp_path, run__steps=17).parts.steps == 17


def test_tensors_of_the_log(tmp_path):
    path = tmp_path / "log.jsonl"
    log = logs.JsonLines(path)
    for step in range(1, 4):
        log.row("step", step, loss=math.inf if step == 2 else 1.5, by_class=(1.0, math.nan))
    log.close()
    with open(path, "a") as file:
        file.write('{"kind": "st')  # cut short by a signal
    rows = logs.read(path)
    assert [row["loss"] for row in rows] == [1.5, None, 1.5]
    assert rows[0]["by_class"] == [1.0, None]
    logs.JsonLines(path, after=2).close()
    assert [row["step"] for row in logs.read(path)] == [1, 2]
    logs.JsonLines(path).close()
    assert logs.read(path) == []


def test_parts_take_any_data(tmp_path):
    """A validation split is no must."""
    from minidet.train.assemble import open_splits

    made = settings(data__val="")
    parts = parts_of(made, open_splits(made))
    assert parts.measure is None
    assert Tensor(np.zeros(1)).size == 1


def test_going_on_with_adam(tmp_path):
    """Its count of steps matters."""
    left, cut = (trainer(tmp_path, optimiser__kind="adam", run__steps=4) for _ in range(2))
    left.run()
    cut.parts.steps = 2
    cut.run()
    on = trainer(tmp_path, optimiser__kind="adam", run__steps=4)
    on.resume()
    on.run()
    assert same(weights(left), weights(on))


def test_the_average_is_measured(tmp_path):
    from minidet.train.ema import Ema

    seen = []

    def measured(model):
        seen.append(model.weight.data.copy())
        return Score(0.0, 0.0, (), 0, 0)

    parts = line_parts(steps=3, measure=measured)
    parts.ema = Ema(parts.model, decay=0.9)
    Trainer(parts, tmp_path).run()
    assert np.array_equal(seen[0], parts.ema.state["weight"])
    assert not np.array_equal(seen[0], parts.model.weight.data)
