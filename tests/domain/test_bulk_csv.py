"""CSV of clusters, as spreadsheets, people and attackers write it."""

from __future__ import annotations

import csv
import io
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onboarding.domain.bulk_csv import MOST_CLUSTERS, Table, read
from onboarding.domain.errors import Refused

HEAD = "hub,cluster,tenant,environment,secret_name"
ROW = "hub-a,spoke-a,team-a,dev,fleet/spoke-a"


def of(*lines: str, end: str = "\n") -> Table:
    return read((end.join(lines) + end).encode())


def test_it_reads_a_line() -> None:
    table = of(f"{HEAD},remote_addons,enable_metrics_server", f"{ROW},TRUE,true")
    (line,) = table.lines
    assert (line.number, line.problems) == (2, ())
    assert line.values == {
        "hub": "hub-a",
        "cluster": "spoke-a",
        "tenant": "team-a",
        "environment": "dev",
        "secret_name": "fleet/spoke-a",
        "remote_addons": "true",
        "enable_metrics_server": "true",
    }


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_it_reads_what_spreadsheets_write(encoding: str, delimiter: str, end: str) -> None:
    text = end.join([HEAD, "", ROW, ",,,,", ROW.replace("spoke-a", "spoke-ü")]).replace(
        ",", delimiter
    )
    lines = read(text.encode(encoding)).lines
    assert [line.values["cluster"] for line in lines] == ["spoke-a", "spoke-ü"]


def test_it_takes_columns_in_any_order_with_spaces_and_quotes() -> None:
    text = ' cluster , "secret_name",hub,environment,tenant,,\n " spoke-a ","fleet/a, b",hub-a,dev,"t ""x"""\n'
    (line,) = read(text.encode()).lines
    assert line.values["secret_name"] == "fleet/a, b"
    assert line.values["tenant"] == 't "x"'
    assert line.values["cluster"] == "spoke-a"


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "empty"),
        (b"\n\n  \n", "empty"),
        (HEAD.encode(), "no cluster below the head"),
        (f"{HEAD}\n{ROW}".encode() + b"\xe9", "not UTF-8"),
        (f"{HEAD}\n{ROW}\0".encode(), "NUL"),
        (b"cluster,hub\nx,y\n", "lacks tenant, environment, secret_name"),
        (f"{HEAD},cluster\n{ROW},b\n".encode(), "cluster is there twice"),
        (f"{HEAD},=cmd()\n{ROW},b\n".encode(), "no name of a column"),
        (f"{HEAD}\n{ROW[:-1]},\"never ends\n".encode(), "cannot be read as CSV"),
        (f"{HEAD}\n".encode() + b"x" * 10_000_001, "more than 10 MB"),
        (b"PK\x03\x04\xff\xfe", "not UTF-8"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_used_is_refused_in_words(data: bytes, said: str) -> None:
    with pytest.raises(Refused, match=said) as caught:
        read(data)
    assert caught.value.refusals[0].field == "file"


def test_it_refuses_a_hundred_thousand_lines_and_says_how_many() -> None:
    lines = "".join(f"hub-a,spoke-{i},team-a,dev,fleet/{i}\n" for i in range(100_000))
    with pytest.raises(Refused, match=f"100,000 clusters; at most {MOST_CLUSTERS:,} are"):
        read(f"{HEAD}\n{lines}".encode())


@pytest.mark.parametrize(
    ("row", "column", "said"),
    [
        (f"{ROW},extra", "", "6 cells, and the head 5"),
        (ROW.replace("team-a", '"two\nlines"'), "tenant", "line breaks"),
        (ROW.replace("team-a", "x" * 2000), "tenant", "longer than"),
    ],
)
def test_a_line_with_a_mistake_is_kept_with_it(row: str, column: str, said: str) -> None:
    table = of(HEAD, row, ROW.replace("spoke-a", "spoke-b"))
    bad, good = table.lines
    assert [one for one, sentence in bad.problems if said in sentence] == [column]
    assert not good.problems


def test_lines_that_take_each_others_names_say_of_which() -> None:
    table = of(
        f"{HEAD},server",
        f"{ROW},https://a.example",
        "hub-a,SPOKE-A,team-a,dev,fleet/b,https://b.example",
        "hub-a,spoke-c,team-a,dev,FLEET/spoke-a,https://a.example",
    )
    assert [line.problems for line in table.lines] == [
        (),
        (("cluster", "Line 2 has it already."),),
        (("secret_name", "Line 2 has it already."), ("server", "Line 2 has it already.")),
    ]


def test_a_switch_that_is_no_switch_is_said() -> None:
    (line,) = of(f"{HEAD},remote_addons", f"{ROW},perhaps").lines
    assert line.problems == (("remote_addons", "Write true or false."),)


@given(st.binary(max_size=300))
def test_no_bytes_bring_it_down(data: bytes) -> None:
    with suppress(Refused):
        assert read(f"{HEAD}\n".encode() + data).lines


CELL = st.text(
    st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), min_size=1, max_size=20
).filter(str.strip)


@given(st.lists(st.tuples(CELL, CELL, CELL, CELL, CELL), min_size=1, max_size=8))
def test_it_reads_what_a_writer_wrote(rows: list[tuple[str, ...]]) -> None:
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow(HEAD.split(","))
    writer.writerows(rows)
    found = read(file.getvalue().encode()).lines
    assert [tuple(line.values.values()) for line in found] == [
        tuple(cell.strip() for cell in row) for row in rows
    ]
