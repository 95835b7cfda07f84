"""The table of virtual people beside published ranges: the instrument, not the movement."""

from __future__ import annotations

import itertools
import json
from types import MappingProxyType

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from kinefed.datasets.errors import DataError, UsageError, UsageReason
from kinefed.simulations.cohort import ranges, survey
from kinefed.simulations.cohort.literature import read_literature
from kinefed.simulations.cohort.ranges_figure import ranges_figure
from kinefed.simulations.cohort.ranges_page import Asked, to_json, to_markdown
from kinefed.simulations.cohort.survey import (
    EVERY_TASK,
    Row,
    Sample,
    TaskTable,
    measure_person,
    share_in_range,
    tabulate,
)

SOURCES = '[sources]\n"A 2000" = "A study. J 2000;1:1"\n'
ENTRY = 'low = 1.0, high = 2.0, of = "means", read = "table", source = ["A 2000"]'
RANGES = f"{SOURCES}[squat]\nknee_flexion = {{ {ENTRY} }}\n"


# What is published.


def test_every_published_range_is_read_and_every_source_is_used():
    literature = read_literature()
    used = {key for bands in literature.bands.values() for b in bands for key in b.sources}
    assert used == set(literature.sources)
    assert len(literature.bands["walk_normal"]) >= 20
    assert {"squat", "sit_to_stand", "stair_ascent", "jump"} <= set(literature.bands)


def test_mean_and_sd_span_all_groups():
    text = RANGES.replace(
        'low = 1.0, high = 2.0, of = "means"', "mean = [10.0, 20.0], sd = [1.0, 3.0]"
    )
    (band,) = read_literature(text).bands["squat"]
    assert (band.low, band.high, band.kind) == (8.0, 26.0, "mean ± 2 SD")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("knee_flexion", "knee_bending"),
        ("low = 1.0", "low = 3.0"),
        ('of = "means"', 'of = "guesses"'),
        ('read = "table"', 'read = "hearsay"'),
        ('["A 2000"]', '["B 2000"]'),
        ('["A 2000"]', "[]"),
        ("high = 2.0, ", ""),
        ("high = 2.0", "high = 2.0, heigh = 3.0"),
        ("[squat]", "[squat"),
    ],
)
def test_an_entry_that_is_not_understood_is_refused(old, new):
    assert read_literature(RANGES).bands["squat"]
    with pytest.raises(DataError):
        read_literature(RANGES.replace(old, new))


LIKE = """
[sit_to_stand]
knee_flexion = { low = 5, high = 7, of = "means", read = "figure", source = ["A 2000"] }
[daily]
"both.knee_flexion" = { like = ["squat", "sit_to_stand"], note = "two" }
"""


def test_a_range_may_span_those_of_other_tasks():
    (band,) = read_literature(RANGES + LIKE).bands["daily"]
    assert (band.low, band.high, band.kind) == (1.0, 7.0, "as squat and sit_to_stand")
    assert (band.key, band.what) == ("both.knee_flexion", "both: peak knee flexion")
    assert (band.read, band.like, band.note) == ("figure", ("squat", "sit_to_stand"), "two")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"squat", "sit_to_stand"', '"squat", "elbow"'),
        ('["squat", "sit_to_stand"]', "[]"),
        ("both.knee_flexion", "both.knee_bending"),
        ('note = "two"', 'high = 3.0, note = "two"'),
        ('note = "two"', 'source = ["B 2000"]'),
    ],
)
def test_a_range_like_nothing_is_refused(old, new):
    with pytest.raises(DataError):
        read_literature(RANGES + LIKE.replace(old, new))


def test_a_day_is_compared_with_the_tasks_that_it_is_made_of():
    pytest.importorskip("mujoco", reason="needs the extra sim")
    wanted = {band.key: band.like for band in read_literature().bands["daily"]}
    found = measure_person("daily", 0, 7, 15.0, wanted).values
    assert set(found) == set(wanted)
    assert all(np.isfinite(value) for value in found.values())
    # Standing, which lies between the steps, does not count as slow walking.
    assert found["walking.speed"] > 0.6
    assert 60.0 < found["squat.knee_flexion"] < 120.0
    assert 20.0 < found["sit_to_stand.seated"] < 50.0


def test_a_task_that_somebody_cannot_do_is_a_problem_and_out_of_range(monkeypatch):
    class Refused:
        what = "nothing"

        def generate(self, *_):
            raise UsageError(UsageReason.IMPOSSIBLE, "no style")

    everything = MappingProxyType({**EVERY_TASK, "squat": Refused()})
    monkeypatch.setattr(survey, "EVERY_TASK", everything)
    sample = measure_person("squat", 0, 7, 5.0, {"knee_flexion": ()})
    (table,) = tabulate(["squat"], [sample], read_literature(RANGES))
    assert table.problems == ["no style"]
    assert table.rows[0].off == "missing"
    assert share_in_range(table.rows) == 0.0


# What is compared and shown.


def table_of(values, text=RANGES, task="squat", faults=None, problem=""):
    samples = [
        Sample(task, i, {"knee_flexion": v}, 3, 100, faults, problem) for i, v in enumerate(values)
    ]
    (table,) = tabulate([task], samples[::-1], read_literature(text))
    return table


@pytest.mark.parametrize(
    ("values", "share", "off"),
    [
        ([1.0, 1.5, 2.0], 1.0, ""),
        ([0.9, 1.5, np.nan], 1 / 3, ""),
        ([0.5, 0.6, 1.5], 1 / 3, "below"),
        ([1.5, 2.1, 2.2, np.nan], 0.25, "above"),
        ([np.nan, np.nan], 0.0, "missing"),
    ],
)
def test_who_is_in_range(values, share, off):
    (row,) = table_of(values).rows
    np.testing.assert_array_equal(row.values, values)
    assert row.inside / len(values) == pytest.approx(share)
    assert share_in_range([row]) == pytest.approx(share)
    assert row.off == off


def test_the_page_names_ranges_sources_faults_and_what_is_out():
    literature = read_literature(RANGES + f"[later]\nknee_flexion = {{ {ENTRY} }}\n")
    table = table_of([0.5, 0.6, 1.5], faults={"any": 2, "slip": 2})
    bare = TaskTable("elbow", "bending", (), (Sample("elbow", 0, {}, 0, 100),))
    page = to_markdown([table, bare], literature, Asked(3, 7, 5.0))
    assert (
        "| squat | peak knee flexion | deg | 1 to 2 | A 2000 (range of means, table *) "
        "| 0.6 (0.51 to 1.41) | 33 % |" in page
    )
    assert "| squat | 1 | 33 % |" in page
    assert "- squat, peak knee flexion: 33 % in range; the median is 0.6 deg (1 to 2)" in page
    assert "| squat | 300 | 6 | 6 |  |" in page
    assert "| elbow | 100 | - | - | no whole repetition" in page
    assert "## Tasks without a published range\n\nelbow" in page
    assert "## Ranges without a task\n\nlater" in page
    assert "A study. J 2000;1:1" in page


def test_the_numbers_are_json_without_nan():
    asked = Asked(2, 7, 5.0)
    found = to_json([table_of([1.5, np.nan])], read_literature(RANGES), asked)
    found = json.loads(json.dumps(found, allow_nan=False))
    assert found["share_in_range"] == 0.5
    assert found["share_in_checked_range"] is None
    (quantity,) = found["tasks"][0]["quantities"]
    assert quantity["values"] == [1.5, None]
    assert (quantity["low"], quantity["high"], quantity["median"]) == (1.0, 2.0, 1.5)
    assert (found["people"], found["seed"], found["seconds"]) == (2, 7, 5.0)


@pytest.fixture(scope="module")
def drawn():
    """Give the figure of all published ranges with eight made people, and its tables."""
    tables = []
    for task, bands in read_literature().bands.items():
        at = np.array([-5.0, -0.5, 0.0, 0.2, 0.5, 0.8, 1.0, 9.0])
        rows = tuple(Row(band, band.low + (band.high - band.low) * at) for band in bands)
        tables.append(TaskTable(task, task, rows, ()))
    figure = ranges_figure(tables, "a title")
    FigureCanvasAgg(figure).draw()
    return figure, tables


def test_no_words_of_the_figure_overlap_or_leave_it(drawn):
    figure, _ = drawn
    words = [*figure.texts, *(text for axis in figure.axes for text in axis.texts)]
    boxes = [word.get_window_extent() for word in words]
    width, height = figure.bbox.size
    for box in boxes:
        assert box.x0 >= 0.0
        assert box.y0 >= 0.0
        assert box.x1 <= width
        assert box.y1 <= height
    for (a, one), (b, other) in itertools.combinations(enumerate(boxes), 2):
        assert not one.overlaps(other), (words[a].get_text(), words[b].get_text())


def test_every_person_is_drawn_once_in_every_line(drawn):
    figure, tables = drawn
    rows = {table.name: len(table.rows) for table in tables}
    assert {axis.texts[0].get_text().partition(":")[0] for axis in figure.axes} == set(rows)
    for axis in figure.axes:
        marks = [len(part.get_offsets()) for part in axis.collections]
        # Of a line: within, beyond, and beyond the picture to the left and to the right.
        assert marks == [5, 1, 1, 1] * rows[axis.texts[0].get_text().partition(":")[0]]


# The command.


def test_the_command_writes_the_table_the_figure_and_the_numbers(tmp_path, capsys):
    pytest.importorskip("mujoco", reason="needs the extra sim")
    words = ["--people", "2", "--tasks", "squat,elbow", "--seconds", "8", "--processes", "1"]
    assert ranges.main([*words, "--json", "--out", str(tmp_path / "new")]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed == json.loads((tmp_path / "new" / "ranges.json").read_text(encoding="utf-8"))
    squat, elbow = printed["tasks"]
    assert squat["frames"] == elbow["frames"] == 1600
    assert set(squat["faults"]) >= {"any", "slip", "friction"}
    assert elbow["faults"] is None
    assert printed["without_range"] == []
    assert "| squat | peak knee flexion |" in (tmp_path / "new" / "ranges.md").read_text()
    assert (tmp_path / "new" / "ranges.png").read_bytes().startswith(b"\x89PNG")
    assert b"</svg>" in (tmp_path / "new" / "ranges.svg").read_bytes()
    names = [quantity["quantity"] for quantity in squat["quantities"]]
    alone = measure_person("squat", 1, 7, 8.0, dict.fromkeys(names, ()))
    assert [quantity["values"][1] for quantity in squat["quantities"]] == list(
        alone.values.values()
    )


def test_a_page_keeps_what_people_wrote(tmp_path, capsys):
    pytest.importorskip("mujoco", reason="needs the extra sim")
    page = tmp_path / "people.md"
    words = ["--people", "1", "--tasks", "wrist", "--seconds", "5", "--processes", "1"]
    page.write_text("# Mine\n")
    assert ranges.main([*words, "--page", str(page)]) == 2
    assert page.read_text() == "# Mine\n"
    page.write_text("# Mine\n\nwords\n\n## Beside published ranges\n\nold\n")
    for _ in range(2):
        assert ranges.main([*words, "--page", str(page)]) == 0
        text = page.read_text()
        assert text.startswith("# Mine\n\nwords\n\n## Beside published ranges\n\n1 random")
        assert "| wrist | peak wrist flexion |" in text
        assert "old" not in text
    assert (tmp_path / "figures" / "people.png").read_bytes().startswith(b"\x89PNG")
    assert ranges.main([*words, "--page", str(tmp_path / "none.md")]) == 4
    assert "--page" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [
        ["--tasks", "squat,flying"],
        ["--people", "0"],
        ["--seed", "-1"],
        ["--seconds", "0"],
        ["--processes", "0"],
    ],
)
def test_a_bad_argument_is_wrong_use(words, capsys):
    assert ranges.main(words) == 2
    told = capsys.readouterr()
    assert told.err.startswith("error: ")
    assert not told.out


def test_a_folder_that_cannot_be_made_is_told_before_anything_is_measured(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert ranges.main(["--out", str(tmp_path / "file" / "folder")]) == 4
    assert "--out" in capsys.readouterr().err
