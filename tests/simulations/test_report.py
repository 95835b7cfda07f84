"""The report of a run, on a made-up run folder whose numbers are known."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from report_run import METHODS, write_run

from kinefed.datasets import DataError, DataReason
from kinefed.simulations.report import results_figure, write_report

VOID = {"meta", "img", "br", "link"}


class Page(HTMLParser):
    """Collects what the tests ask about, and fails on tags that do not close."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attrs for name, attrs in self.tags if name == tag]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(tmp_path_factory.mktemp("runs") / "full")


@pytest.fixture(scope="module")
def html(run: Path) -> str:
    return write_report(run).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(html: str) -> Page:
    return Page(html)


def test_it_loads_nothing_and_runs_nothing(page: Page) -> None:
    assert not page.all("script")
    assert not page.all("link")
    assert all(str(a["src"]).startswith("data:image/svg+xml;base64,") for a in page.all("img"))
    assert all(str(a["href"]).startswith("#") for a in page.all("a"))
    policy = [a for a in page.all("meta") if a.get("http-equiv") == "Content-Security-Policy"]
    assert "default-src 'none'" in str(policy[0]["content"])
    assert "url(" not in page.text
    assert not [k for _, attrs in page.tags for k in attrs if k.startswith("on")]


def test_figures_and_tables_can_be_read_by_a_screen_reader(page: Page) -> None:
    images, tables = page.all("img"), page.all("table")
    assert len(images) == 5
    assert all(len(str(a["alt"])) > 40 for a in images)
    assert len(page.all("caption")) == len(tables) >= 9
    assert {a.get("scope") for a in page.all("th")} == {"col", "row"}
    assert page.all("html")[0]["lang"] == "en"


def test_every_link_of_the_contents_leads_somewhere(page: Page) -> None:
    targets = {a["id"] for a in page.all("section")}
    assert {str(a["href"])[1:] for a in page.all("a")} == targets
    assert len(targets) == 11


def test_the_table_shows_the_numbers_of_the_summary(run: Path, page: Page) -> None:
    summary = json.loads((run / "summary.json").read_text())
    for row in summary["rows"]:
        low, high = row["ci95_rmse"]
        assert f"{row['rmse_nm_per_kg']:.3f} [{low:.3f}, {high:.3f}]" in page.text
        assert f"{row['worst_person']} {row['worst_rmse_nm_per_kg']:.3f}" in page.text
    for name in ("mean profile", "trees", "local only", "pooled in one place", "task clusters"):
        assert name in page.text


# Flower imports Typer, which click 8.5 warns about.
@pytest.mark.filterwarnings("ignore:'click:DeprecationWarning")
def test_the_page_says_from_where_on_a_person_counts_as_hurt(page: Page) -> None:
    from kinefed.simulations.personal import HURT

    assert f"the error rose by more than {100 * HURT:.0f} % (hurt)" in page.text


def test_the_answer_is_computed_from_the_numbers(page: Page) -> None:
    text = page.text.replace("\u00a0", " ")
    assert "On these 9 people FedAvg, without any data of the wearer" in text
    assert "Person by person, adapting is better" in text
    assert "did harm in 11 % of cases" in text  # one of nine, by construction
    assert "behind the gate in 0 %" in text
    assert "zhang2023lstm with 54,321 parameters, 15 federated rounds of 20 local steps" in text


def test_settings_licence_and_limits_are_there(page: Page) -> None:
    assert 'network = "zhang2023lstm"' in page.text
    assert "Nobody et al. (2020)" in page.text
    assert "Licence: CC0" in page.text
    assert "it is an oracle" in page.text
    assert "2 random seeds" in page.text


def test_clusters_are_summed_although_their_numbers_swap_between_folds(html: str) -> None:
    # In the made-up run clusters 0 and 1 swap in every other fold; 18 and 4 of "straight" each.
    table = html[html.index('id="clusters"') :]
    first = re.findall(r'<tr><th scope="row">1</th><td>(\d+)</td><td>(\d+)</td></tr>', table)[0]
    assert first == (str(18 * 18), str(18 * 3))


def test_the_same_run_gives_the_same_page(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", people=("A", "B"), methods=("fedavg",), seeds=(0,))
    first = write_report(run).read_bytes()
    assert write_report(run).read_bytes() == first


def test_names_from_outside_are_escaped(tmp_path: Path) -> None:
    people = ("<script>alert(1)</script>"[:24].replace("/", "_"), "$x^2$", "S&3", "d\u00e9j\u00e0")
    run = write_run(tmp_path / "run", people=people, methods=("fedavg", "<img onerror=x>"))
    summary = json.loads((run / "summary.json").read_text())
    summary["dataset"]["name"] = "<script>alert(2)</script>"
    summary["dataset"]["citation"] = "</p><iframe src=http://example.org>"
    summary["personalisation"] = {
        "<b>+transfer": {"people": [{"subject": people[0], "global_rmse": 0.2}]}
    }
    summary["clusters"] = [{"fold": "<i>", "seed": 0, "cluster": "<u>", "by_task": {"<tt>": 2}}]
    summary["choices"] = [{"fold": "<i>", "<s>": "<em>"}]
    summary["machine"] = {"<h6>": "<h5>"}
    (run / "summary.json").write_text(json.dumps(summary))
    (run / "config.toml").write_text('note = "</pre><script>x</script>"\n')
    page = Page(write_report(run).read_text(encoding="utf-8"))
    expected = {"script", "iframe", "i", "u", "tt", "s", "em", "b", "h5", "h6"}
    assert not expected & {tag for tag, _ in page.tags}
    assert "<script>alert(2)</script>" in page.text


@pytest.mark.parametrize("methods", [("fedavg",), ("mean-profile", "trees"), ()])
def test_it_works_when_methods_are_missing(tmp_path: Path, methods: tuple[str, ...]) -> None:
    run = write_run(tmp_path / "run", people=("A", "B", "C"), methods=methods, seeds=(0,))
    page = Page(write_report(run).read_text(encoding="utf-8"))
    assert "No personalised method was run." in page.text
    assert ("One random seed only" in page.text) is True


def test_it_works_on_a_summary_alone(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", parts=False)
    page = Page(write_report(run).read_text(encoding="utf-8"))
    assert "holds no predictions to draw" in page.text
    assert "task clusters + transfer" in page.text
    (run / "summary.json").write_text('{"schema": 1}')
    assert "holds no results" in Page(write_report(run).read_text(encoding="utf-8")).text


def test_one_person_alone_has_no_interval_and_no_band(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", people=("A",), seeds=(0,))
    summary = json.loads((run / "summary.json").read_text())
    for row in summary["rows"]:
        row["ci95_rmse"] = None
        row["seed_sd"] = None
    (run / "summary.json").write_text(json.dumps(summary))
    page = Page(write_report(run).read_text(encoding="utf-8"))
    assert "nan" not in page.text
    assert "On these 1 person" in page.text
    assert "SD over seeds" not in page.text


def test_the_readme_figure_is_a_picture(run: Path, tmp_path: Path) -> None:
    target = results_figure(run, tmp_path / "results.png")
    data = target.read_bytes()
    assert data.startswith(b"\x89PNG")
    width = int.from_bytes(data[16:20], "big")
    assert width > 1500


def test_a_run_without_predictions_still_has_a_figure(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", parts=False, methods=tuple(METHODS)[:2])
    assert results_figure(run, tmp_path / "results.png").stat().st_size > 1000


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("summary.json", None, DataReason.NOT_FOUND),
        ("summary.json", "{", DataReason.BAD_FORMAT),
        ("summary.json", "[]", DataReason.BAD_FORMAT),
        ("summary.json", '{"schema": 2}', DataReason.BAD_FORMAT),
        ("config.toml", "= 1", DataReason.BAD_FORMAT),
        ("truth/S01.npz", "no zip", DataReason.BAD_FORMAT),
        ("predictions/fedavg/0/S01.npy", "no array", DataReason.BAD_FORMAT),
    ],
)
def test_a_bad_run_is_refused_and_nothing_is_written(
    tmp_path: Path, name: str, text: str | None, reason: DataReason
) -> None:
    run = write_run(tmp_path / "run", people=("S01",), methods=("fedavg",), seeds=(0,))
    (run / name).unlink()
    if text is not None:
        (run / name).write_text(text)
    with pytest.raises(DataError) as caught:
        write_report(run)
    assert caught.value.reason is reason
    assert name in str(caught.value) or "summary.json" in str(caught.value)
    assert not list(run.glob("*report*"))
