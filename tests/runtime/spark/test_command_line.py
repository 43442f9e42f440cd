"""`smspark-submit`'s options and configuration; Spark itself runs in the processing tests."""

import json
from pathlib import Path

import pytest

from clary.runtime.spark import configuration, options
from clary.runtime.spark.configuration import BadConfiguration


def test_folders_become_their_files_and_the_rest_is_the_applications(tmp_path: Path) -> None:
    for name in ("b.py", "a.py"):
        (tmp_path / name).touch()
    (tmp_path / "deeper").mkdir()
    words = ["--py-files", str(tmp_path), "--jars", "s3a://b/x.jar", "-v", "/app.py", "--jars", "mine", "-v"]
    assert options.of_spark_submit(options.parse(words)) == [
        *("--verbose", "--jars", "s3a://b/x.jar", "--py-files", f"{tmp_path}/a.py,{tmp_path}/b.py"),
        *("/app.py", "--jars", "mine", "-v"),
    ]


@pytest.mark.parametrize(
    "words", [[], ["--nonsense", "/app.py"], ["--files", "relative", "/app.py"], ["--files", "/not/there", "/app.py"]]
)
def test_bad_words_are_refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        options.parse(words)
    assert ended.value.code == 2 and "usage: smspark-submit" in capsys.readouterr().err


def given(base: Path, content: object) -> Path:
    file = base / configuration.GIVEN
    file.parent.mkdir(parents=True)
    file.write_text(content if isinstance(content, str) else json.dumps(content))
    return base


def test_the_callers_word_comes_last(tmp_path: Path) -> None:
    base = given(
        tmp_path / "ml",
        [
            {"Classification": "spark-defaults", "Properties": {"spark.driver.memory": "1g"}},
            {"Classification": "core-site", "Properties": {"a": "<b>"}},
            {"Classification": "yarn-site", "Properties": {"x": "y"}},
            {
                "Classification": "spark-env",
                "Configurations": [{"Classification": "export", "Properties": {"WORD": "hello"}}],
            },
        ],
    )
    configuration.write(tmp_path / "conf", {"spark.driver.memory": "2g"}, base)
    written = {file.name: file.read_text() for file in (tmp_path / "conf").iterdir()}
    assert written.keys() == {"spark-defaults.conf", "core-site.xml", "spark-env.sh"}
    assert written["spark-defaults.conf"] == "spark.driver.memory 2g\nspark.driver.memory 1g\n"
    assert written["spark-env.sh"] == "export WORD=hello\n"
    assert "<property><name>a</name><value>&lt;b&gt;</value></property>" in written["core-site.xml"]


@pytest.mark.parametrize("content", ["{", [{"Classification": "nonsense"}], [3], [{}]])
def test_bad_configurations(tmp_path: Path, content: object) -> None:
    with pytest.raises(BadConfiguration):
        configuration.write(tmp_path / "conf", {}, given(tmp_path, content))


@pytest.mark.parametrize(("gibibytes", "alone"), [(1, True), (1, False), (8, True), (8, False), (64, False)])
def test_memory_stays_within_the_instance(gibibytes: int, alone: bool) -> None:
    driver, executor = configuration.memory(gibibytes * 2**30, alone=alone)
    assert min(driver, executor) >= 512
    used = driver if alone else driver + executor + 2 * configuration.DAEMON_MIB
    assert used <= gibibytes * 1024 or gibibytes == 1
