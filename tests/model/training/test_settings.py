from __future__ import annotations

import pytest

from model.training.settings import ChangedSettingsError, differences, require_unchanged


def test_differences_have_dotted_names_and_both_values() -> None:
    kept = {"a": {"b": 1, "c": [1, 2]}, "levels": [{"tokens": 4}, {"tokens": 8}], "gone": 0}
    asked = {"a": {"b": 2, "c": (1, 2)}, "levels": ({"tokens": 4}, {"tokens": 9}), "new": "x"}
    assert differences(kept, asked) == [
        "a.b: 1 -> 2",
        "levels[1].tokens: 8 -> 9",
        "gone: 0 -> None",
        "new: None -> 'x'",
    ]


def test_lists_of_other_lengths_differ_as_a_whole() -> None:
    assert differences({"of": [{"n": 1}]}, {"of": []}) == ["of: [{'n': 1}] -> []"]


def test_equal_settings_pass_and_others_are_refused_with_the_way_out() -> None:
    require_unchanged({"scaling": [0.5, 2]}, {"scaling": (0.5, 2)}, "run")
    with pytest.raises(
        ChangedSettingsError, match=r"run was .* \(seed: 0 -> 1\): .* another --run"
    ):
        require_unchanged({"seed": 0}, {"seed": 1}, "run")
