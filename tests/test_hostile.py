"""A plug-in package in which everything is wrong: contracts say what, and commands stay whole."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from xml.etree import ElementTree

import pytest
from installed import Installed

HOSTILE = Path(__file__).parent / "hostile"
RUN = ("--attack", "l2-pgd(steps=2)", "--eps", 1, "--limit", 2, "--json", "--runs", "runs")


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    made = Installed(HOSTILE, tmp_path_factory.mktemp("hostile"))
    # Written here, as no tool that reads this repository could read it.
    for folder in (made.site, made.source):
        (folder / "perceptbench_hostile" / "broken_syntax.py").write_text("def broken(:\n")
    return made


# -- contracts ---------------------------------------------------------------------------------------------------------

METRIC = {
    ("MetricGivesNone", "test_minimum_at_equal_images"): r"expected a tensor \(2,\), got NoneType; give one",
    ("MetricGivesNumpy", "test_symmetric"): r"expected a tensor \(2,\), got ndarray",
    ("MetricGivesSparse", "test_minimum_at_equal_images"): "expected a dense tensor",
    ("MetricGivesNaN", "test_distances_are_a_tensor_of_them"): "must be finite",
    ("MetricGivesOneNumber", "test_minimum_at_equal_images"): r"expected a tensor \(2,\), got \(\)",
    ("MetricGivesHalf", "test_minimum_at_equal_images"): "expected float32, the type of its images, got torch.float16",
    ("MetricWritesIntoImages", "test_inputs_stay_as_they_were"): "must not write into its first images",
    ("MetricWritesOpenly", "test_minimum_at_equal_images"): "writes into the images that it is given; clone them first",
    ("MetricPrints", "test_symmetric"): "must not print to standard output, .* it printed 'mean",
    ("MetricForks", "test_symmetric"): "must not fork a process",
    ("MetricHangs", "test_symmetric"): "no answer within 1 seconds; mend what hangs",
    ("MetricDrawsGlobally", "test_symmetric"): "must not draw from the global random numbers of torch",
    ("MetricRemembers", "test_other_images_in_between_change_nothing"): "keep no state between calls",
    ("MetricOfTheBatch", "test_a_batch_equals_its_items"): "must not depend on its batch",
    ("MetricRaises", "test_symmetric"): r"Raises failed: KeyError: 'no key today' \(.*metrics.py, line \d+\)",
    ("MetricExits", "test_symmetric"): r"Exits failed: it called sys.exit\(0\) \(.*metrics.py, line \d+\)",
    ("MetricFailsWhenMade", "test_symmetric"): r"failed: OSError: no weights \(.*metrics.py, line \d+\)",
}
RAW = "test_raw_result_is_within_budget_and_range[shape0]"
ATTACK = {
    ("AttackGivesNone", RAW): "must be a torch tensor, got NoneType",
    ("AttackGivesNone", "test_judged_result_is_within_budget_and_range"): "the attack GivesNone: expected a tensor",
    ("AttackGivesNumpy", RAW): "must be a torch tensor, got ndarray",
    ("AttackGivesSparse", RAW): "must be dense",
    ("AttackGivesNaN", RAW): "must return finite images",
    ("AttackGivesOneImage", RAW): r"must be of shape \(3, 3, .*, got \(1, 3, ",
    ("AttackGivesDouble", RAW): "must be torch.float32, got torch.float64",
    ("AttackWritesIntoImages", RAW): "must not write into the clean images",
    ("AttackPrints", "test_all_broken_at_the_start"): "must not print to standard output",
    ("AttackForks", RAW): "must not fork a process",
    ("AttackHangs", RAW): "no answer within 1 seconds; mend what hangs",
    ("AttackDrawsGlobally", RAW): "global random numbers of NumPy",
    (
        "AttackRemembers",
        "test_the_same_seed_gives_the_same_images_and_another_seed_others",
    ): "must give the same images",
    (
        "AttackRaises",
        RAW,
    ): r"Raises.spoilt failed: ZeroDivisionError: .*attacks",
    (
        "AttackExits",
        RAW,
    ): r"it called sys.exit\('enough'\) \(.*attacks.py, line",
}
INSIDE = "test_radii_are_finite_and_not_negative[l2]"
CERTIFIER = {
    ("CertifierGivesNone", INSIDE): "expected a Proof of four tensors, got NoneType",
    ("CertifierGivesNumpy", INSIDE): "expected a Proof of four tensors",
    ("CertifierGivesNaN", INSIDE): "negative or no number; claim 0",
    ("CertifierGivesOneRadius", INSIDE): "for each part of a Proof",
    ("CertifierGivesFloat32", INSIDE): "must be torch.float64, got torch.float32",
    ("CertifierWritesIntoImages", "test_inputs_stay_as_they_were[l2]"): "must not write into the left images",
    ("CertifierPrints", INSIDE): "must not print",
    ("CertifierHangs", INSIDE): "no answer within 1 seconds",
    ("CertifierDrawsGlobally", INSIDE): "global random numbers of Python",
    ("CertifierRemembers", "test_the_same_noise_gives_the_same_radius_after_other_calls[l2]"): "keep no state",
    ("CertifierRaises", INSIDE): r"Raises.spoilt failed: IndexError: .*certifiers.py, line",
    ("CertifierExits", INSIDE): r"it called sys.exit\(1\)",
}
CHANGED = "test_changed_images_are_images"
THREAT = {
    ("ThreatGivesNone", CHANGED): "the threat GivesNone.apply: expected a tensor .*, got NoneType",
    ("ThreatGivesNumpy", CHANGED): "the threat GivesNumpy.apply: expected a tensor .*, got ndarray",
    ("ThreatGivesSparse", CHANGED): "expected a dense tensor",
    ("ThreatGivesNaN", CHANGED): "apply must give finite images",
    ("ThreatGivesGrey", CHANGED): "what apply gives must be of shape",
    ("ThreatGivesDouble", CHANGED): "what apply gives must be torch.float32",
    ("ThreatWritesIntoImages", CHANGED): "writes into the images that it is given",
    ("ThreatPrints", CHANGED): "must not print",
    ("ThreatHangs", CHANGED): "no answer within 1 seconds",
    (
        "ThreatDrawsGlobally",
        "test_an_attack_on_any_set_moves_images_and_stays_inside",
    ): "global random numbers of torch",
    ("ThreatRemembers", "test_the_same_theta_gives_the_same_after_other_calls"): "keep no state between calls",
    ("ThreatRaises", CHANGED): r"AttributeError: .*no_such_attribute.* \(.*threats.py, line",
    ("ThreatExits", CHANGED): r"it called sys.exit\(None\)",
}
LOADED = "test_images_and_labels_are_as_tasks_read_them"
TRIPLETS = {
    ("TripletsNone", "test_says_what_it_is"): r"made\(\) must give TripletSource, got NoneType",
    ("Triplets_none", LOADED): "load of h0 must give reference, left and right, got NoneType",
    ("Triplets_numpy", LOADED): "an image of h0 must be a torch tensor, got ndarray",
    ("Triplets_sparse", LOADED): "must be dense",
    ("Triplets_nan", LOADED): "must be finite",
    ("Triplets_flat", LOADED): r"reference must be of shape \(3, 3, 224, 224\)",
    ("Triplets_double", LOADED): "must be torch.float32, got torch.float64",
    ("Triplets_prints", LOADED): "must not print",
    ("Triplets_hangs", LOADED): "no answer within 1 seconds",
    ("Triplets_draws", LOADED): "global random numbers of torch",
    ("Triplets_raises", LOADED): r"raises failed: FileNotFoundError: no such picture \(.*data.py, line",
    ("Triplets_exits", LOADED): r"it called sys.exit\(4\)",
}
READ = "test_gives_what_a_run_reads"
TASK = {
    ("Task_nothing", READ): "clean must give a Clean, got NoneType",
    ("Task_numpy", READ): "reached of the clean judgement must be a torch tensor, got ndarray",
    ("Task_shape", READ): r"must be of shape \(4,\), got \(1,\)",
    ("Task_writes", READ): "a task must not write into its images",
    ("Task_prints", READ): "must not print",
    ("Task_hangs", READ): "no answer within 1 seconds",
    ("Task_draws", READ): "global random numbers of torch",
    ("Task_remembers", "test_the_same_samples_get_the_same_answers_after_others"): "keep no state between calls",
    ("Task_raises", READ): r"HostileQuestion.clean failed: LookupError: no answer \(.*tasks.py, line",
    ("Task_exits", READ): r"it called sys.exit\(0\)",
}
CHUNKS = "test_chunks_give_the_frames_of_this_process[in order-2]"
ENGINE = {
    ("EngineGivesNone", CHUNKS): "map must give a Done for each chunk, got NoneType",
    ("EnginePrints", CHUNKS): "must not print",
    ("EngineHangs", CHUNKS): "no answer within 1 seconds",
    ("EngineDrawsGlobally", CHUNKS): "global random numbers of torch",
    ("EngineRaises", CHUNKS): r"Raises.map failed: ConnectionError: no worker \(.*engines.py, line",
    ("EngineExits", CHUNKS): r"it called sys.exit\(0\)",
}
EXPECTED = METRIC | ATTACK | CERTIFIER | THREAT | TRIPLETS | TASK | ENGINE


@pytest.fixture(scope="module")
def failures(hostile: Installed, tmp_path_factory: pytest.TempPathFactory) -> Mapping[tuple[str, str], list[str]]:
    """The messages of the tests of the package that fail, by class and test."""
    file = tmp_path_factory.mktemp("said") / "junit.xml"
    names = [f"test_contracts.py::Test{name}::{test}" for name, test in EXPECTED]
    done = hostile.process("-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-p", "no:warnings",
                           f"--junitxml={file}", *names)  # fmt: skip
    assert file.exists(), done.stdout + done.stderr
    found: dict[tuple[str, str], list[str]] = {}
    for case in ElementTree.parse(file).iter("testcase"):
        key = case.attrib["classname"].rpartition(".Test")[2], case.attrib["name"]
        said = [one.attrib["message"] for one in case if one.tag in ("failure", "error")]
        found.setdefault(key, []).extend(said)
    return found


@pytest.mark.parametrize(("name", "test"), EXPECTED, ids=[f"{name}-{test}" for name, test in EXPECTED])
def test_a_contract_says_what_to_mend(failures: Mapping[tuple[str, str], list[str]], name: str, test: str) -> None:
    said = failures[name, test]
    assert said, "the test must fail"
    for message in said:
        assert re.search(EXPECTED[name, test], message), message
        assert "AssertionError" in message, message


# -- commands ----------------------------------------------------------------------------------------------------------


def test_a_broken_plugin_is_a_warning_with_its_name_and_package(hostile: Installed) -> None:
    done = hostile.process("-m", "perceptbench", "list", "metrics")
    assert done.returncode == 0, done.stderr
    for name, why in (
        ("not-there", "ModuleNotFoundError: No module named 'perceptbench_hostile.absent'"),
        ("no-python", r"SyntaxError: .*broken_syntax.py, line 1\)"),
        ("leaves", r"it called sys.exit\('not today'\) \(.*broken_exit.py, line \d+\)"),
        ("takes-a-name", "the metric 'l2' is registered twice: the name is taken by perceptbench.metrics.classical"),
        ("half-way", r"RuntimeError: half-way \(.*broken_half_way.py, line \d+\)"),
        ("no-factory", "must be a class or a function, got 42"),
    ):
        start = f"left out the plug-in '{name}' of perceptbench-hostile 0.1.0, entry point bench.metrics: "
        lines = [line for line in done.stderr.splitlines() if start in line]
        assert len(lines) == 1, done.stderr
        assert re.search(why, lines[0]), lines[0]
    assert "Traceback" not in done.stderr
    assert "hostile-prints" in done.stdout
    assert "half-registered" not in done.stdout


RUNS = [
(("--metric", "not-there"), "the metric 'not-there' cannot be used: its import failed: ModuleNotFoundError"),
    (("--metric", "half-registered"), "the metric 'half-registered' cannot be used: .*half-way"),
    (("--metric", "l2", "--attack", "half-registered-attack"), "attack' cannot be used: .*half-way"),
    (("--metric", "hostile-no-metric"), "expected Metric of its factory, got str"),
    (("--metric", "hostile-raises"), r"Raises failed: KeyError: 'no key today' \(.*metrics.py, line \d+\)"),
    (("--metric", "hostile-exits"), r"it called sys.exit\(0\)"),
    (("--metric", "hostile-nan"), "not finite on random images.*raised by the metric hostile-nan"),
    (("--metric", "hostile-writes"), "changes the images that it is given"),
    (("--metric", "l2", "--certifier", "none", "--attack", "hostile-none"), "hostile-none: expected .* NoneType"),
    (
        ("--metric", "l2", "--certifier", "none", "--attack", "hostile-raises"),
        r"ZeroDivisionError.*attacks.py, line \d+\); raised in the samples .* of the metric l2",
    ),
    (("--metric", "l2", "--certifier", "none", "--attack", "hostile-exits"), r"sys.exit\('enough'\)"),
    (("--metric", "l2", "--certifier", "hostile-nan"), "gave a radius that is negative or no number"),
    (("--metric", "l2", "--certifier", "hostile-raises"), r"IndexError: .*certifiers.py, line"),
    (("--metric", "l2", "--threat", "hostile-raises", "--attack", "pgd"), r"AttributeError: .*threats.py, line"),
    (("--metric", "l2", "--task", "hostile-question(how=raises)"), r"LookupError: no answer \(.*tasks.py, line"),
    (("--metric", "l2", "--task", "hostile-question(how=nothing)"), "clean must give a Clean, got NoneType"),
    (("--metric", "l2", "--data", "hostile-raises"), r"FileNotFoundError: no such picture \(.*data.py, line"),
    (("--metric", "l2", "--data", "hostile-none"), "expected the members of a Source, got NoneType"),
    (("--metric", "l2", "--data", "hostile-others"), "expected a batch of the samples that were asked for, got x"),
]  # fmt: skip
"""Words of `bench run`, and what the last line on standard error says."""

DRIVER = """
import contextlib, io, json, sys
from perceptbench.bench import cli
for words in json.loads(sys.argv[1]):
    said, out, sys.argv = io.StringIO(), io.StringIO(), ["bench", *words]
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(out):
        try:
            cli.main()
            status = 0
        except SystemExit as left:
            status = left.code
    print(json.dumps([status, out.getvalue(), said.getvalue()]))
"""
"""Several commands in one process, which imports everything once."""


@pytest.fixture(scope="module")
def ended(hostile: Installed, tmp_path_factory: pytest.TempPathFactory) -> Mapping[int, tuple[int, str, str]]:
    """Exit status, standard output and standard error of each."""
    usual = [str(word) for word in RUN]
    words = [["run", *typed, *(usual[2:] if "--attack" in typed else usual)] for typed, _ in RUNS]
    done = hostile.process("-c", DRIVER, json.dumps(words), cwd=tmp_path_factory.mktemp("runs"))
    assert done.returncode == 0, done.stderr
    return dict(enumerate(map(json.loads, done.stdout.splitlines())))


@pytest.mark.parametrize("which", range(len(RUNS)), ids=[" ".join(words) for words, _ in RUNS])
def test_what_fails_in_a_run_is_named_in_one_sentence(ended: Mapping[int, tuple[int, str, str]], which: int) -> None:
    status, printed, said = ended[which]
    assert status == 2, said
    assert printed == ""
    assert "Traceback" not in said
    assert re.search(RUNS[which][1], said.splitlines()[-1]), said


@pytest.mark.parametrize("name", ["hostile-prints", "hostile-forks"])
def test_what_a_metric_does_besides_leaves_the_answer_whole(hostile: Installed, tmp_path: Path, name: str) -> None:
    done = hostile.process("-m", "perceptbench", "run", "--metric", name, *RUN, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)["rows"]
    assert [row["metric"] for row in rows] == [name, name]
    assert len(list((tmp_path / "runs").glob("*/record.json"))) == 1


def test_an_option_that_every_run_has_is_left_out(hostile: Installed) -> None:
    done = hostile.process("-m", "perceptbench", "run", "--help")
    assert done.returncode == 0
    assert "left out the option --seed (--task hostile-question)" in done.stderr
    assert "left out the plug-in 'no-goals' of perceptbench-hostile 0.1.0, entry point bench.scores" in done.stderr
    assert "--how" in done.stdout


def test_debug_shows_where(hostile: Installed, tmp_path: Path) -> None:
    done = hostile.process("-m", "perceptbench", "run", "--metric", "hostile-raises", *RUN, "--debug", cwd=tmp_path)
    assert done.returncode == 2
    assert "Traceback" in done.stderr
    assert "raise KeyError" in done.stderr
