"""Settings: TOML and back, words on the command line, what is refused and how."""

from __future__ import annotations

import dataclasses
import tomllib
import typing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minidet.errors import InputError
from minidet.train import config, toml
from minidet.train.config import Config, changed, differences, from_dict, read, write

texts = st.text(st.characters(codec="utf-8"), max_size=12)
values = st.recursive(
    st.one_of(st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False), texts),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(texts, inner, max_size=3)),
    max_leaves=8,
)


@given(st.dictionaries(texts, st.one_of(values, st.dictionaries(texts, values, max_size=3)), max_size=4))
def test_toml_is_read_back_as_it_was(document):
    found = tomllib.loads(toml.dumps(document))
    assert found == document
    assert repr(sorted_(found)) == repr(sorted_(document)), "2 is not 2.0, and -0.0 is not 0.0"


def sorted_(value):
    if isinstance(value, dict):
        return {key: sorted_(value[key]) for key in sorted(value)}
    return [sorted_(item) for item in value] if isinstance(value, list) else value


def test_toml_has_no_word_for_none():
    with pytest.raises(TypeError, match="NoneType"):
        toml.dumps({"a": None})


def test_remarks():
    assert toml.dumps({"a": {"b": 1}}, comments={"a.b": "how many"}) == "[a]\nb = 1  # how many\n"


def test_defaults_survive_the_file(tmp_path):
    write(tmp_path / "c.toml", Config(), comment="two\nlines")
    assert read(tmp_path / "c.toml") == Config()
    assert (tmp_path / "c.toml").read_text().startswith("# two\n# lines\n[run]\n")


@given(st.data())
def test_any_settings_survive_the_file(tmp_path_factory, data):
    """Every setting drawn by its type; those that make no sense are refused before."""
    made = Config()
    for table in dataclasses.fields(Config):
        hints = typing.get_type_hints(type(getattr(made, table.name)))
        key = data.draw(st.sampled_from(sorted(hints)))
        try:
            made = from_dict({table.name: {key: data.draw(by_type(hints[key]))}}, base=made)
        except InputError:
            continue
    path = tmp_path_factory.mktemp("c") / "c.toml"
    write(path, made)
    assert read(path) == made
    assert read(path).digest() == made.digest()
    assert (made.digest() == Config().digest()) == (made.as_dict() == Config().as_dict())
    assert bool(differences(Config(), made)) == (made.as_dict() != Config().as_dict())


def by_type(hint):
    parts = typing.get_args(hint)
    if typing.get_origin(hint) is typing.Literal:
        return st.sampled_from(parts)
    if hint in (int, float, str, bool):
        return {int: st.integers(0, 9), float: st.floats(0, 2), str: texts, bool: st.booleans()}[hint]
    if typing.get_origin(hint) is dict:
        return st.dictionaries(texts, st.floats(0, 1), max_size=2)
    if typing.get_origin(hint) is tuple and len(parts) == 2 and parts[1] is not Ellipsis:
        return st.tuples(*(by_type(part) for part in parts))
    return st.just([])


@pytest.mark.parametrize(
    ("document", "line"),
    [
        ({"optimizer": {}}, r"there is no table \[optimizer\]; did you mean optimiser\?"),
        ({"optimiser": {"learning": 1}}, r"there is no setting optimiser.learning; there are kind, lr"),
        ({"optimiser": {"momentun": 1}}, r"did you mean momentum\?"),
        ({"run": {"lr": 1}}, r"there is no setting run.lr; did you mean optimiser.lr\?"),
        ({"run": 3}, r"run is a table of settings, found 3"),
        ({"run": {"epochs": 1.5}}, r"run.epochs: expected a whole number, found 1.5"),
        ({"run": {"epochs": True}}, r"run.epochs: expected a whole number, found True"),
        ({"run": {"epochs": 0}}, r"run.epochs: expected a number from 1, found 0"),
        ({"run": {"device": "tpu"}}, r"run.device: expected cpu or cuda, found 'tpu'"),
        ({"run": {"device": ["cpu"]}}, r"run.device: expected cpu or cuda"),
        ({"model": {"size": [1, 2, 3]}}, r"model.size: expected \[a whole number, a whole number\]"),
        ({"model": {"anchors": [[1]]}}, r"model.anchors: expected default or auto or a list of \[a number, a number\]"),
        ({"optimiser": {"lr": float("nan")}}, r"optimiser.lr: expected a number from 0, found nan"),
        ({"optimiser": {"betas": [0.9, 1]}}, r"optimiser.betas"),
        ({"optimiser": {"lr_factors": {"a": "b"}}}, r"optimiser.lr_factors: expected a table"),
        ({"optimiser": {"nesterov": True, "momentum": 0}}, r"nesterov needs"),
        ({"schedule": {"at": [1]}}, r"come in pairs, found 1 and 2"),
        ({"run": {"precision": "mixed"}}, r"run.precision: 'mixed' is for a GPU; .*'float32'"),
    ],
)
def test_what_is_refused_in_one_line(document, line):
    with pytest.raises(InputError, match=line) as caught:
        from_dict(document, where="x.toml")
    assert str(caught.value).startswith("x.toml: ")
    assert "\n" not in str(caught.value)


def test_mixed_precision_may_be_asked_for_on_a_gpu():
    assert from_dict({"run": {"precision": "mixed", "device": "cuda"}}).run.precision == "mixed"


def test_words():
    made = changed(
        Config(),
        [
            "optimiser.lr=1e-3", "model.size=96", "model.name=yolov3", 'model.weights="a b"', "data.path=shapes:20",
            "loss.options.box=ciou", "loss.options.box_gain=2.0", "model.anchors=[[1, 2], [3.5, 4]]", "schedule.at=[3]",
            "schedule.factors=[0.5]",
        ][:-2],
    )  # fmt: skip
    assert made.optimiser.lr == 1e-3
    assert made.model.size == (96, 96)
    assert (made.model.name, made.model.weights, made.data.path) == ("yolov3", "a b", "shapes:20")
    assert made.loss.options == {"box": "ciou", "box_gain": 2.0}
    assert made.model.anchors == ((1.0, 2.0), (3.5, 4.0))


@pytest.mark.parametrize("word", ["lr", "lr=1", "optimiser.lr", "optimiser.lr.x=1", "model.options.a.b=1"])
def test_words_that_are_none(word):
    with pytest.raises(InputError, match=r"--set"):
        changed(Config(), [word])


def test_differences_name_both_values():
    other = changed(Config(), ["optimiser.lr=0.5", "model.size=[32, 64]"])
    assert differences(Config(), other) == [
        "model.size ([320, 320] -> [32, 64])",
        "optimiser.lr (0.01 -> 0.5)",
    ]
    assert differences(other, other) == []


def test_files_that_are_none(tmp_path):
    for name, content in (("a.toml", b"[run"), ("b.toml", b"\xff\xfe"), ("c.toml", b"[run]\nseed = 1\nseed = 2\n")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match=rf"{name}: not TOML"):
            read(tmp_path / name)
    with pytest.raises(InputError, match="cannot be read"):
        read(tmp_path / "none.toml")


def test_every_setting_has_a_description():
    for table in dataclasses.fields(Config):
        kind = typing.get_type_hints(Config)[table.name]
        assert kind.__doc__
        for field in dataclasses.fields(kind):
            assert field.metadata["doc"], f"{table.name}.{field.name}"
            assert config.describe(typing.get_type_hints(kind)[field.name])


def test_the_page_of_settings_is_what_the_code_says():
    from docs import settings

    assert settings.PAGE.read_text(encoding="utf-8") == settings.page(), "run: python -m docs.settings"
