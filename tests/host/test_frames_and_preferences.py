"""Frame ranges in Nuke's spelling, settings in layers, lists of pairs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st


@pytest.fixture
def tools(nuke: Any) -> Any:
    """The module under test, imported into a session."""
    from film_recovery_nuke import frames

    return frames


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("1001-1003", [1001, 1002, 1003]), ("1-10x3, 2", [1, 2, 4, 7, 10]), ("-5--3 0", [-5, -4, -3, 0]), ("", []), ("7", [7]),
        ("5-1", [1, 2, 3, 4, 5]), ("10-1x4", [2, 6, 10]),
    ],
)
def test_ranges(tools: Any, text: str, found: list[int]) -> None:
    assert tools.parse_frames(text) == found


@pytest.mark.parametrize("text", ["a", "1-", "1-10x0", "1..3", "1-99999999", "1-10y2"])
def test_ranges_that_cannot_be_are_refused(tools: Any, text: str) -> None:
    from film_recovery_nuke.errors import HostError

    with pytest.raises(HostError, match="frame"):
        tools.parse_frames(text)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])  # one session serves all examples
@given(frames=st.sets(st.integers(-50, 2000), max_size=40))
def test_frames_come_back_from_their_spelling(tools: Any, frames: set[int]) -> None:
    assert tools.parse_frames(tools.format_frames(frames)) == sorted(frames)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.from_regex(r"-?[0-9]{1,4}([-x:y]-?[0-9]{1,3}([xy:,\u0661][0-9]{1,2})?)?", fullmatch=True))
@example("1001-1055")
@example("55-1")
@example("10-1x4")
@example("1-10x02")
@example("\u0661-\u0663")
def test_ranges_are_the_workers(tools: Any, text: str) -> None:
    """What the one side reads the other reads alike, and what the one refuses the other refuses."""
    pytest.importorskip("fileseq")
    from film_recovery.contract.errors import FrameRangeError
    from film_recovery.images.ranges import parse_frames
    from film_recovery_nuke.errors import HostError

    try:
        wanted = parse_frames(text)
    except FrameRangeError:
        with pytest.raises(HostError):
            tools.parse_frames(text)
    else:
        assert tools.parse_frames(text) == wanted


def test_every_setting_tells_its_layer(nuke: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from film_recovery_nuke import preferences

    studio = tmp_path / "studio.json"
    studio.write_text(json.dumps({"cache_folder": "/fast", "device": "cpu", "colour": "blue", "data_folder": 7}))
    monkeypatch.setenv("FILM_RECOVERY_CONFIG", str(studio))
    preferences.save_user({"device": "cuda"})
    found, warnings = preferences.load()
    assert found["cache_folder"] == preferences.Setting("/fast", str(studio))
    assert found["device"] == preferences.Setting("cuda", str(preferences.user_file()))
    assert found["data_folder"] == preferences.Setting("", "package")
    assert len(warnings) == 2
    assert any("no setting 'colour'" in warning for warning in warnings)
    preferences.save_user({"cache_folder": "/mine", "device": ""})
    assert json.loads(preferences.user_file().read_text()) == {"cache_folder": "/mine"}
    assert preferences.load()[0]["device"] == preferences.Setting("cpu", str(studio))


def test_damaged_settings_are_told_with_their_file(nuke: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from film_recovery_nuke import preferences
    from film_recovery_nuke.errors import HostError

    monkeypatch.setenv("FILM_RECOVERY_CONFIG", str(tmp_path / "absent.json"))
    with pytest.raises(HostError, match=r"absent\.json, which does not exist"):
        preferences.load()
    (tmp_path / "absent.json").write_text("{")
    with pytest.raises(HostError, match="is no JSON"):
        preferences.load()
    with pytest.raises(HostError, match="no setting 'colour'"):
        preferences.save_user({"colour": "blue"})


@pytest.mark.parametrize("suffix", ["csv", "json"])
def test_pairs_come_back_from_a_file_with_all_that_is_known_of_them(nuke: Any, tmp_path: Path, suffix: str) -> None:
    from film_recovery.contract.curation import ScopeRecord, SelectionRecord, load_selection
    from film_recovery_nuke import pair_list
    from film_recovery_nuke.graph import Pair

    pairs = [
        Pair(-5, -5, True, "night\nblue", "shot 1", (), True),
        Pair(1001, 1003, False, 'skin, "hat"', "shot 2", ("a; b", "vivid reds (15% of the scope)")),
    ]
    record = SelectionRecord("a", "b", "shot", [], [ScopeRecord("shot 2", 1001, 1040, 0.8, ["blue"])],
                             [{"source": 1002, "reason": "a splice"}], ["Enough."])  # fmt: skip
    path = tmp_path / f"pairs.{suffix}"
    pair_list.save(pair_list.PairList(pairs, record), path)
    found = pair_list.load(path)
    assert found.pairs == pairs
    if suffix == "json":
        whole = load_selection(path)
        assert found.record == whole
        assert (whole.source, whole.scope, whole.scopes, whole.rejected, whole.advice) == (
            "a", "shot", record.scopes, record.rejected, record.advice)  # fmt: skip
        pair_list.save(pair_list.PairList([Pair(1011, 1012)], record), path)
        assert load_selection(path).pairs[0].scope == "shot 2"  # where its frame lies


@pytest.mark.parametrize(("name", "text"), [("a.csv", "source,reason\n7,skin\n"), ("a.json", '{"pairs": [{"source": 7}]}')])
def test_a_list_that_a_person_wrote_is_the_persons_own(nuke: Any, tmp_path: Path, name: str, text: str) -> None:
    from film_recovery_nuke import pair_list

    (tmp_path / name).write_text(text)
    (pair,) = pair_list.load(tmp_path / name).pairs
    assert (pair.source, pair.reference, pair.by_hand) == (7, 7, True)


@pytest.mark.parametrize(
    ("text", "told"), [("source\nx\n", "row 1: 'x' is no frame"), ("source\n1\n1\n", "row 2: frame 1 stands there twice")]
)
def test_a_damaged_list_of_pairs_is_told_with_its_row(nuke: Any, tmp_path: Path, text: str, told: str) -> None:
    from film_recovery_nuke import pair_list
    from film_recovery_nuke.errors import HostError

    (tmp_path / "pairs.csv").write_text(text)
    with pytest.raises(HostError, match=told):
        pair_list.load(tmp_path / "pairs.csv")
