"""Files become plain data with line numbers, or errors with file:line."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from planner.errors import InputError
from planner.read import MAXIMUM_BYTES, read, read_text

BAD_FILES = Path(__file__).parent / "bad_inputs"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("NO", "NO"),  # Norway, not false
        ("yes", "yes"),
        ("true", True),
        ("6e12", 6e12),  # a number, not text
        ("1e3", 1000.0),
        ("017", 17),  # not octal
        ("0o17", 15),
        ("12:30:00", "12:30:00"),  # not sexagesimal
        ("2026-12-01", "2026-12-01"),
        ("12_000", "12_000"),  # quantities read the underscores
        ("~", None),
        ("'5'", "5"),
        ("-.inf", float("-inf")),
        ("12345678901234567890", 12345678901234567890),
    ],
)
def test_scalars_follow_yaml_1_2(text: str, expected: Any) -> None:
    value = read_text(f"a: {text}").data["a"]
    assert value == expected
    assert type(value) is type(expected)


def test_every_path_has_its_line_and_column() -> None:
    document = read_text("a: 1\nb:\n  - c: 2\n    d:\n      e\n  - 3\n", "f.yaml")
    assert document.data == {"a": 1, "b": [{"c": 2, "d": "e"}, 3]}
    assert document.places["b.0.d"] == (4, 5)  # the key's place, even when its value stands below
    assert document.places["b.1"] == (6, 5)
    assert document.line_of("b.0.missing.deeper") == 3  # the nearest parent that is in the file
    assert str(document.problem("b.1", "wrong")) == "f.yaml:6: b.1: wrong"


def test_json_has_lines_too() -> None:
    document = read_text('{\n\t"a": 1,\n\t"b": [1,\n\t2], "c": "\\/"\n}', "f.json", is_json=True)
    assert document.data == {"a": 1, "b": [1, 2], "c": "/"}
    assert document.line_of("b.1") == 4


def test_json_that_is_not_yaml_is_read_without_lines() -> None:
    document = read_text('{"a": "\\ud83d\\ude00"}', "f.json", is_json=True)
    assert document.data == {"a": "\U0001f600"}
    assert document.line_of("a") == 0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"a": 1,\n "a": 2}', "f.json:2: a: duplicate key, first on line 1"),
        ('{"a": "\\ud83d\\ude00", "b": 1, "b": 2}', "f.json"),
        ('{"a": 1,\n "b": }', "f.json:2: not valid JSON: Expecting value"),
        ('{"a": NaN}', "f.json: not valid JSON: expected a finite number, got NaN"),
        ('{"a": %s}' % ("9" * 5000), "f.json: not valid JSON: expected a number of at most 400 digits"),
        ("[" * 30 + "]" * 30, "nested deeper than 20 levels"),
        ("[" * 100_000, "nested deeper than 20 levels"),
        ('{"a": 1} {"b": 2}', "f.json:1: not valid JSON: Extra data"),
    ],
)
def test_bad_json_is_told_with_its_line(text: str, expected: str) -> None:
    with pytest.raises(InputError) as caught:
        read_text(text, "f.json", is_json=True)
    assert expected in str(caught.value)


@pytest.mark.parametrize("path", sorted(BAD_FILES.glob("*.yaml")), ids=lambda path: path.stem)
def test_bad_files_say_what_their_first_line_expects(path: Path) -> None:
    # The first line of every file is a comment: the message expected after the file's name.
    expected = path.read_text(encoding="utf-8", errors="replace").splitlines()[0].removeprefix("# ")
    with pytest.raises(InputError) as caught:
        read(path)
    assert f"{path}:{expected}" in str(caught.value).splitlines()


def test_all_faults_of_a_file_are_told_at_once() -> None:
    with pytest.raises(InputError) as caught:
        read_text("a: &x 1\na: 2\nb: *x\nc: !!int '3'\n", "f.yaml")
    assert [problem.line for problem in caught.value.problems] == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("empty.yaml", b"", "the file is empty"),
        ("blank.yaml", b" \n\n", "the file is empty"),
        ("comment.yaml", b"# nothing\n", "the file is empty"),
        ("binary.yaml", b"a: 1\nb: \xff\xfe", "binary.yaml:2: expected text in UTF-8"),
        ("nul.yaml", b"a: 1\nb: \0", r"nul.yaml:2: expected text, got the control character '\x00'"),
        ("huge.yaml", b"a: " + b"x" * MAXIMUM_BYTES, "expected at most 1,000,000 bytes"),
        ("picture.yaml", b"\x89PNG\r\n\x1a\n", "picture.yaml:1: expected text in UTF-8"),
    ],
)
def test_files_that_are_not_text_are_refused(tmp_path: Path, name: str, content: bytes, expected: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError) as caught:
        read(tmp_path / name)
    assert expected in str(caught.value)


def test_a_missing_file_suggests_its_neighbour(tmp_path: Path) -> None:
    (tmp_path / "workload.yaml").write_text("a: 1")
    with pytest.raises(InputError, match=r"worklaod\.yaml: no such file; did you mean 'workload\.yaml'\?"):
        read(tmp_path / "worklaod.yaml")
    with pytest.raises(InputError, match=r"no such file$"):
        read(tmp_path / "nowhere" / "workload.yaml")


def test_a_directory_is_not_a_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected a file, got a directory"):
        read(tmp_path)


def test_a_name_no_system_has_is_an_input_error() -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read(Path("x" * 5000))


def test_a_byte_order_mark_and_windows_line_ends_are_read(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_bytes(b"\xef\xbb\xbfa: 1\r\nb: 2\r\n")
    document = read(tmp_path / "a.yaml")
    assert document.data == {"a": 1, "b": 2}
    assert document.line_of("b") == 2


PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.floats(allow_nan=False)
    | st.text(st.characters(codec="ascii", categories=["L", "N", "P", "Zs"]), max_size=10),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.from_regex(r"[a-z]{1,5}", fullmatch=True), inner, max_size=4)
    ),
    max_leaves=15,
)


@given(PLAIN)
def test_plain_data_comes_back_from_yaml(data: Any) -> None:
    import yamlcore

    text = yaml.dump(data, Dumper=yamlcore.CoreDumper, default_flow_style=False)
    assert read_text(f"x:\n- {text}" if not isinstance(data, dict | list) else text).data in (data, {"x": [data]})


@given(st.text(max_size=60))
def test_any_text_is_data_or_an_input_error(text: str) -> None:
    for is_json in (False, True):
        with contextlib.suppress(InputError):
            read_text(text, "f", is_json)
