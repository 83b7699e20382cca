"""Reading and writing cfgs: the grammar, the types, and one line that names file and line for all that is wrong."""

from __future__ import annotations

import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.realdata import data_root

from minidet.darknet import CfgError, CfgWarning, check, format_cfg, parse_cfg, read_cfg, write_cfg
from minidet.darknet.schema import SCHEMAS
from minidet.errors import InputError

CFGS = sorted(data_root().glob("**/*.cfg"))
NET = "[net]\nwidth=32\nheight=32\nchannels=3\n"


def options(cfg):
    return [(s.name, {o.name: o.value for o in s.options.values()}) for s in cfg.sections]


def test_comments_white_space_and_line_ends():
    lines = (
        "# a comment",
        "",
        "[net]   # the input",
        " width = 32;half",
        "height=\t16",
        "[conv]",
        "filters = 4 ; # nested",
        "",
    )
    text = "\r\n".join(lines)
    cfg = parse_cfg(text, "a.cfg")
    assert options(cfg) == [("net", {"width": "32", "height": "16"}), ("convolutional", {"filters": "4"})]
    assert cfg.net.line == 3
    assert cfg.net.options["height"].line == 5
    assert cfg.layers[0].options["filters"].line == 7
    assert options(parse_cfg("\ufeff" + text.replace("\r\n", "\n"))) == options(cfg)
    assert options(parse_cfg(text.replace("\r\n", "\r"))) == options(cfg)


def test_values():
    section = parse_cfg(
        NET + "[yolo]\nanchors = 10,13,  .5,3e1,\nmask=0, 1\nscale_x_y=-1.5e-3\nnum=+7\nnms_kind=greedynms\n"
    ).layers[0]
    assert section.numbers("anchors") == (10.0, 13.0, 0.5, 30.0)
    assert section.integers("mask") == (0, 1)
    assert section.number("scale_x_y") == -1.5e-3
    assert section.integer("num") == 7
    assert section.text("nms_kind") == "greedynms"
    assert section.integer("classes", 20) == 20
    assert section.number("beta_nms", 0.6) == 0.6


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("", 0, "holds no [section]"),
        ("# only a comment\n", 0, "holds no [section]"),
        ("<!DOCTYPE html>\n<html>", 1, "HTML page"),
        ("<html lang='en'>", 1, "HTML page"),
        ("version https://git-lfs.github.com/spec/v1\n", 1, "expected [net]"),
        ("width=3\n[net]\n", 1, "before any [section]"),
        ("[net]\nwidth=3\nwidth\n", 3, "expected [section] or option=value, found 'width'"),
        ("[net]\nwidth=\n[conv]\n", 2, "has no value"),
        ("[net]\n=3\n[conv]\n", 2, "expected [section] or option=value"),
        ("[convolutional]\nfilters=3\n", 1, "the first section must be [net]"),
        ("[net]\n[conv]\n\n[net]\n", 4, "there is a [net] already, at line 1"),
        ("[net]\nwidth=3\n", 0, "holds [net] and no layers"),
        ("[net\nwidth=3\n", 1, "expected [net], found '[net'"),
    ],
)
def test_a_text_that_is_no_cfg(text, line, says):
    with pytest.raises(CfgError) as error:
        parse_cfg(text, "some/net.cfg")
    message = str(error.value)
    assert message.startswith(f"some/net.cfg:{line}: " if line else "some/net.cfg: ")
    assert says in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("section", "says"),
    [
        ("[conv]\nfilters=3x\n", "net.cfg:6: [convolutional] filters: expected a whole number, found '3x'"),
        ("[conv]\nfilters=2.0\n", "net.cfg:6: [convolutional] filters: expected a whole number, found '2.0'"),
        ("[conv]\nfilters=99999999999\n", "net.cfg:6: [convolutional] filters: expected a whole number, found"),
        ("[conv]\nfilters=1_0\n", "found '1_0'"),
        ("[yolo]\nanchors=1,,2\n", "net.cfg:6: [yolo] anchors: expected a number, found ''"),
        ("[yolo]\nanchors=1,nan\n", "found 'nan'"),
        ("[yolo]\nanchors=1,1e999\n", "found '1e999'"),
        ("[yolo]\n\nignore_thresh=high\n", "net.cfg:7: [yolo] ignore_thresh: expected a number, found 'high'"),
        ("[conv]\nxnor=1\n", "net.cfg:6: [convolutional] xnor: xnor=1 changes the result and is not implemented"),
        ("[conv]\nbin_output=1\n", "bin_output=1 changes the result"),
        ("[maxpool]\nmaxpool_depth=1\n", "maxpool_depth=1 changes the result"),
        ("[softmax]\ntree=9k.tree\n", "tree=9k.tree changes the result"),
        ("[lstm]\noutput=3\n", "net.cfg:5: [lstm]: is a section that is not implemented; there are [net], [conv"),
        ("[conv]\nfilters=3\n# no\nfilters=4\n", "net.cfg:6: [convolutional] filters: is given again at line 8"),
    ],
)
def test_a_cfg_that_cannot_be_checked(section, says):
    with pytest.raises(CfgError) as error:
        check(parse_cfg(NET + section, "net.cfg"))
    assert says in str(error.value)
    assert "\n" not in str(error.value)


def test_an_option_that_changes_nothing_at_its_neutral_value_is_accepted():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check(parse_cfg(NET + "[conv]\nxnor=0\nflipped=0\n[maxpool]\nout_channels=1\n"))


def test_an_unknown_option_is_warned_of_once_with_its_line():
    with pytest.warns(CfgWarning) as seen:
        check(parse_cfg(NET + "[conv]\nfilters=3\nfliters=4\n", "net.cfg"))
    assert [str(w.message) for w in seen] == ["net.cfg:7: [convolutional] fliters: is not known, and is passed over"]


def test_a_training_option_given_twice_is_warned_of_and_the_first_is_kept():
    cfg = parse_cfg("[net]\nbatch=1\nbatch=64\n[conv]\nfilters=1\n", "net.cfg")
    with pytest.warns(CfgWarning, match=r"^net.cfg:3: \[net\] batch is given twice; the first value, 1 \(line 2\)"):
        check(cfg)
    assert cfg.net.integer("batch") == 1


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(CfgError, match="No such file"):
        read_cfg(tmp_path / "absent.cfg")
    (tmp_path / "folder.cfg").mkdir()
    with pytest.raises(CfgError, match="cannot be read"):
        read_cfg(tmp_path / "folder.cfg")
    (tmp_path / "binary.cfg").write_bytes(b"\x00\x00\x00\x00\x02\x00\x00\x00")
    with pytest.raises(CfgError, match="holds binary data"):
        read_cfg(tmp_path / "binary.cfg")


def test_other_classes_change_the_heads_and_the_convolutions_before_them():
    text = NET + "[conv]\nfilters=18\n[yolo]\nanchors=1,1,2,2,3,3\nmask=0,2\nnum=3\nclasses=4\n"
    cfg = parse_cfg(text).with_classes(7)
    assert cfg.layers[0].integer("filters") == 2 * (5 + 7)
    assert cfg.layers[1].integer("classes") == 7
    with pytest.raises(CfgError, match="at least 1 class"):
        cfg.with_classes(0)
    with pytest.raises(CfgError, match=r"no \[yolo\] or \[region\]"):
        parse_cfg(NET + "[conv]\nfilters=18\n").with_classes(3)


@pytest.mark.parametrize("path", CFGS, ids=lambda p: f"{p.parent.name}/{p.stem}")
def test_real_cfgs_are_known_to_the_last_option(path, tmp_path):
    cfg = read_cfg(path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        if path.stem == "yolov3-openimages":  # gives batch and subdivisions twice
            warnings.filterwarnings("ignore", r".* is given twice", CfgWarning)
        if path.stem == "yolov3-tiny_xnor":
            with pytest.raises(CfgError, match="xnor=1"):
                check(cfg)
        else:
            check(cfg)
    write_cfg(cfg, tmp_path / "copy.cfg")
    assert options(read_cfg(tmp_path / "copy.cfg")) == options(cfg)
    assert [p.name for p in tmp_path.iterdir()] == ["copy.cfg"]


names = st.text(st.characters(codec="ascii", exclude_characters="=#;[]\r\n\t\v\f \x00\x1c\x1d\x1e\x1f"), min_size=1)
values = names
sections = st.tuples(names, st.dictionaries(names, values, max_size=4))


@given(st.dictionaries(names, values, max_size=4), st.lists(sections, min_size=1, max_size=4))
def test_what_is_written_is_read_back(net, layers):
    wanted = [("net", net), *((name, dict(options)) for name, options in layers)]
    text = "\n".join(f"[{name}]\n" + "".join(f"{k} = {v}\n" for k, v in pairs.items()) for name, pairs in wanted)
    if any(name in ("net", "network") for name, _ in layers):
        with pytest.raises(CfgError, match="already"):
            parse_cfg(text)
        return
    cfg = parse_cfg(text)
    again = parse_cfg(format_cfg(cfg))
    assert options(again) == options(cfg)
    assert [pairs for _, pairs in options(cfg)] == [pairs for _, pairs in wanted]


pieces = st.sampled_from(
    [
        "[net]\n", "[convolutional]\n", "[yolo]\n", "[route]\n", "[shortcut]\n", "[", "]", "=", "#", ";", ",", "\n",
        "\r\n", " ", "-1", "3", "filters", "size=3\n", "layers=-1\n", "from=-1\n", "filters=2\n", "<html>", "\0", "é",
    ]
)  # fmt: skip


@given(st.one_of(st.text(), st.lists(pieces, max_size=30).map("".join)))
def test_any_text_is_read_or_refused_in_one_line(text):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CfgWarning)
        try:
            cfg = parse_cfg(text, "net.cfg")
            check(cfg)
        except InputError as error:
            message = str(error)
        else:
            message = "net.cfg: fine"
            assert {s.name for s in cfg.sections} <= SCHEMAS.keys()
            assert options(parse_cfg(format_cfg(cfg))) == options(cfg)
    assert message.startswith("net.cfg:")
    assert len(message.splitlines()) == 1
