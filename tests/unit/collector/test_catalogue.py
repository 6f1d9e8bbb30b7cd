import pytest

from builders import SEED_ACCELERATORS, SEED_SERVICE_CLASSES
from inferno_collector.catalogue import Catalogue, read_catalogue
from unit.collector.worlds import CLASSES, COSTS, the_catalogue


def messages(catalogue: Catalogue) -> list[str]:
    return [f"{problem.subject}: {problem.message}" for problem in catalogue.problems]


def test_the_seeds_config_maps_are_read_as_they_are() -> None:
    catalogue = the_catalogue()
    assert sorted(catalogue.accelerators.values(), key=lambda a: a.name) == list(SEED_ACCELERATORS)
    assert sorted(catalogue.service_classes.values(), key=lambda c: c.priority) == list(SEED_SERVICE_CLASSES)
    assert catalogue.problems == ()


def test_multiplicity_and_throughput_targets_are_optional() -> None:
    catalogue = read_catalogue(
        {"H100x2": '{"device": "H100", "cost": 100, "multiplicity": 2}'},
        {"a": "{name: A, priority: 3, data: [{model: m, slo-tps: 50, slo-tpot: 0}]}"},
        Catalogue(),
    )
    assert catalogue.accelerators["H100x2"].multiplicity == 2
    target = catalogue.service_classes["a"].targets[0]
    assert (target.tokens_per_second, target.itl_ms, target.ttft_ms) == (50, None, None)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "not JSON"),
        ("[1]", "not a JSON object"),
        ('{"device": "H100"}', "cost is missing"),
        ('{"cost": "1"}', "device is missing"),
        ('{"device": "H100", "cost": "cheap"}', "cost is 'cheap': Input should be a valid number"),
        ('{"device": "H100", "cost": "-1"}', "cost is '-1': Input should be greater than or equal to 0"),
        ('{"device": "H100", "cost": "NaN"}', "cost is 'NaN'"),
        ('{"device": "H100", "cost": 1, "multiplicity": 0}', "multiplicity is 0"),
    ],
)
def test_a_bad_cost_entry_is_reported_by_key_and_the_last_good_one_stays(text: str, said: str) -> None:
    catalogue = read_catalogue(COSTS | {"H100": text}, CLASSES, the_catalogue())
    assert catalogue.accelerators["H100"].cost_per_hour == 50
    [message] = messages(catalogue)
    assert message.startswith("ConfigMap accelerator-unit-costs key H100: ")
    assert said in message
    assert message.endswith("the last good value stays in force")


def test_without_a_last_good_value_only_the_bad_entry_is_left_out() -> None:
    catalogue = read_catalogue(COSTS | {"H100": "?"}, CLASSES, Catalogue())
    assert sorted(catalogue.accelerators) == ["A100", "G2", "MI300X"]
    assert "it is left out until it is mended" in messages(catalogue)[0]


def test_an_entry_that_was_removed_is_gone() -> None:
    costs = {key: value for key, value in COSTS.items() if key != "G2"}
    assert "G2" not in read_catalogue(costs, CLASSES, the_catalogue()).accelerators


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: b: c", "not YAML"),
        ("[]", "not a YAML mapping"),
        ("{priority: 1, data: []}", "name is missing"),
        ("{name: X, data: []}", "priority is missing"),
        ("{name: X, priority: 0, data: []}", "priority is 0"),
        ("{name: X, priority: 1}", "data must be a list"),
    ],
)
def test_a_bad_class_keeps_its_last_good_value(text: str, said: str) -> None:
    catalogue = read_catalogue(COSTS, CLASSES | {"premium.yaml": text}, the_catalogue())
    assert catalogue.service_classes["premium.yaml"] == SEED_SERVICE_CLASSES[0]
    [message] = messages(catalogue)
    assert said in message


def test_a_bad_target_spares_its_neighbours_and_keeps_its_own_last_value() -> None:
    text = CLASSES["premium.yaml"].replace("slo-tpot: 24", "slo-tpot: fast").replace("80", "90")
    catalogue = read_catalogue(COSTS, CLASSES | {"premium.yaml": text}, the_catalogue())
    targets = {target.model: target.itl_ms for target in catalogue.service_classes["premium.yaml"].targets}
    assert targets == {"Qwen/Qwen3-0.6B": 24, "llama0-70b": 90}
    [message] = messages(catalogue)
    assert "data[0] (model Qwen/Qwen3-0.6B): slo-tpot is 'fast'" in message


def test_a_class_defined_twice_counts_once() -> None:
    catalogue = read_catalogue(COSTS, CLASSES | {"zz.yaml": CLASSES["premium.yaml"]}, Catalogue())
    assert sorted(c.name for c in catalogue.service_classes.values()) == ["Freemium", "Premium"]
    assert "already defined by key premium.yaml" in messages(catalogue)[0]


@pytest.mark.parametrize("data", [None, {}])
def test_an_absent_or_empty_config_map_takes_nothing_away(data: dict[str, str] | None) -> None:
    catalogue = read_catalogue(data, data, the_catalogue())
    assert len(catalogue.accelerators) == 4
    assert len(catalogue.service_classes) == 2
    assert [problem.reason for problem in catalogue.problems] == ["ConfigMapMissing"] * 2


def test_yaml_cannot_make_objects() -> None:
    bomb = "name: !!python/object/apply:os.system ['true']\npriority: 1\ndata: []"
    assert "not YAML" in messages(read_catalogue(COSTS, {"x": bomb}, Catalogue()))[0]


def test_classes_with_a_model_come_most_important_first() -> None:
    classes = {
        "b": "{name: B, priority: 5, data: [{model: m}]}",
        "a": "{name: A, priority: 9, data: [{model: m}]}",
    }
    found = read_catalogue(COSTS, classes, Catalogue()).classes_with("m")
    assert [c.name for c in found] == ["B", "A"]
