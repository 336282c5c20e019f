"""The Slurm script of `rlaudio submit`, run by stand-ins of Slurm's commands on this machine."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from peft import LoraConfig

import rlaudio
from rlaudio.cli import main
from rlaudio.config.recipe import load_recipe
from rlaudio.models.shared.model_paths import TINY_FOLDER
from rlaudio.planning import job_script
from rlaudio.planning.job_script import JobLayout, RunCommand
from rlaudio.runs.run import open_run
from tests.forking import command_line, two_processes
from tests.settings import ONE_HELD_OUT_SET

SEVEN_B = "weak_to_strong_qwen2_5_omni_7b"
SERVERS = "rollout={use: vllm_server, tensor_parallel: 2}"
ON_CPUS = ["--rollout-nodes", 1, "--gpus-per-node", 0]
SMALL_KEYS = (
    "curriculum={use: rl_only, rl_steps: 4}",
    "data.train={use: synthetic, split: train, count: 8}",
    "data.evaluate.test=null",
    *ONE_HELD_OUT_SET,
    "contribution.voters=[]",
    "sampling={questions: 2, group_size: 2}",
    "training.save_every=1",
    "threads=1",
)
SMALL = [word for key in SMALL_KEYS for word in ("-o", key)]
# What the commands of Slurm do for the script. All hosts are this machine; srun kills its tasks when it is
# ended by SIGTERM, and sbatch ends what a job leaves behind, as the real ones do.
STAND_INS = {
    "scontrol": """
if [[ $1 == show ]]; then for host in ${3//,/ }; do echo 127.0.0.1; done; fi
echo "scontrol $*" >>"$SLURM_STAND_IN/calls"
""",
    "srun": """
tasks=1 name=server
while [[ $1 == --* ]]; do
    case $1 in
        --ntasks=*) tasks=${1#*=} ;;
        --job-name=*) name=${1#*=} ;;
        --output=*) exec >"${1#*=}" 2>&1 ;;
    esac
    shift
done
echo "srun $tasks" >>"$SLURM_STAND_IN/calls"
trap 'kill -KILL $(jobs -p); exit 137' TERM
for ((task = 0; task < tasks; task++)); do "$@" & done
jobs -p >"$SLURM_STAND_IN/$name.tasks"
code=0
for job in $(jobs -p); do wait "$job" || code=$?; done
exit $code
""",
    "squeue": 'printf "%s\\n" "7.0 training" "7.1 env"',
    "scancel": """
echo "scancel $*" >>"$SLURM_STAND_IN/calls"
kill -TERM $(cat "$SLURM_STAND_IN/training.tasks")
""",
    "sbatch": """
echo "sbatch $*" >>"$SLURM_STAND_IN/calls"
trap 'kill -TERM $(cat "$SLURM_STAND_IN"/*.tasks) 2>/dev/null' EXIT
export SLURM_JOB_ID=7 SLURM_JOB_NODELIST=${SLURM_NODES:-a}
if [[ -n ${USR1_AT:-} && -z ${SLURM_RESTART_COUNT:-} ]]; then
    bash "$1" &
    script=$!
    while [[ ! -s $USR1_AT ]] && kill -0 $script; do sleep 0.05; done
    kill -USR1 $script
    wait $script
else
    bash "$1"
fi || exit
echo "Submitted batch job 7"
""",
}


@pytest.fixture
def slurm(tmp_path, monkeypatch):
    """The calls of Slurm's commands, whose stand-ins come first on the path; its nodes are this machine."""
    commands = tmp_path / "commands"
    commands.mkdir()
    for name, script in STAND_INS.items():
        (commands / name).write_text(f"#!/bin/bash\n{script}")
        (commands / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{commands}:{os.environ['PATH']}")
    monkeypatch.setenv("SLURM_STAND_IN", str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(Path(rlaudio.__file__).parents[1]))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        monkeypatch.setattr(job_script, "MEETING_PORT", free.getsockname()[1])
    return lambda: (tmp_path / "calls").read_text().splitlines()


def submit(*arguments):
    return CliRunner().invoke(main, ["submit", *map(str, arguments)])


def script_of(*arguments):
    done = submit(*arguments, "--dry-run")
    assert done.exit_code == 0, done.output
    return done.output


def test_a_script_is_valid_bash_and_names_all_nodes_and_options(tmp_path):
    script = script_of(
        *(SEVEN_B, "-o", SERVERS, "--nodes", 2, "--rollout-nodes", 1, "--out", tmp_path / "my run"),
        *("--sbatch", "--time=24:00:00"),
    )
    subprocess.run(["bash", "-n"], input=script, text=True, check=True)
    for line in (
        "#SBATCH --nodes=3",
        "#SBATCH --gpus-per-node=8",
        "#SBATCH --time=24:00:00",
        "#SBATCH --requeue",
        f"#SBATCH --output='{tmp_path}/my run.slurm-%j.log'",
    ):
        assert line in script.splitlines()
    assert f"run='{tmp_path}/my run'" in script and "on 2 nodes, 4 vLLM servers on 1 node more" in script
    assert "server < 4" in script and "--tensor-parallel-size 2" in script and '"backend": "nccl"' in script
    assert f"-m rlaudio run {SEVEN_B} -o '{SERVERS}' -o \"rollout.urls=[" in script


def test_servers_are_started_to_load_weights_and_to_report_no_usage():
    script = script_of(SEVEN_B, "-o", SERVERS, "--rollout-nodes", 1)
    assert "VLLM_SERVER_DEV_MODE=1 VLLM_NO_USAGE_STATS=1 " in script


def test_servers_open_the_revision_that_the_recipe_names():
    revision = "0123456789" * 4
    named = ["-o", f"model.path=Qwen/Qwen2.5-Omni-7B@{revision}"]
    script = script_of(SEVEN_B, *named, "-o", SERVERS, "--rollout-nodes", 1)
    assert f"--model Qwen/Qwen2.5-Omni-7B --revision {revision} --tokenizer-revision {revision} " in script
    assert "--revision" not in script_of(SEVEN_B, "-o", SERVERS, "--rollout-nodes", 1)


def test_the_server_of_an_adapter_opens_its_base(tmp_path):
    LoraConfig(base_model_name_or_path="tiny/base", target_modules=["q_proj"]).save_pretrained(tmp_path)
    script = script_of(SEVEN_B, "-o", SERVERS, "-o", f"model.path={tmp_path}", "--rollout-nodes", 1)
    assert f"--model {TINY_FOLDER / 'base'} " in script


def test_torchrun_ends_before_the_time_that_queueing_takes():
    script = script_of(SEVEN_B, "--seconds-to-save", 1800)
    assert "#SBATCH --signal=B:USR1@1800\n" in script and "--shutdown-timeout=1740 " in script


def test_a_command_of_several_lines_stays_in_its_comment(tmp_path):
    layout = JobLayout(nodes=1, gpus_per_node=0, rollout_nodes=0, seconds_to_save=600)
    command = RunCommand(recipe="a.yaml", overrides=[], out=tmp_path, asked_by="rlaudio 'a\nrm b'")
    script = job_script.job_script(load_recipe(SEVEN_B), layout, command)
    assert "# Written by: rlaudio 'a rm b'\n" in script


def test_a_script_without_rollout_nodes_starts_no_server(monkeypatch):
    monkeypatch.setattr(
        sys, "argv", ["rlaudio", "submit", SEVEN_B]
    )  # of this test: may name files about vLLM
    script = script_of(SEVEN_B, "--nodes", 4)
    assert "vllm" not in script.lower() and "--nnodes=4 --nproc-per-node=8" in script


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--nodes", 0], "--nodes is 0; expected 1 to 100,000"),
        (["--nodes", 10**30], "000; expected 1 to 100,000"),
        (["--gpus-per-node", 10**30], "000; expected 0 to 1,024"),
        (["--seconds-to-save", 60], "--seconds-to-save is 60; expected 61 to 604,800"),
        (["--rollout-nodes", 1], "are for vLLM servers, and rollout.use is vllm; set it to vllm_server"),
        (
            ["--rollout-nodes", 1, "-o", 'rollout={use: vllm_server, urls: ["http://a:1"]}'],
            "rollout.urls is given",
        ),
        (
            ["--rollout-nodes", 1, "-o", "rollout={use: vllm_server, replicas: 2}"],
            "rollout.replicas is given, and the job starts servers of its own",
        ),
        (
            [*ON_CPUS, "-o", "rollout={use: vllm_server, weights: nccl}"],
            "rollout.weights is 'nccl', and the model is on a CPU; expected 'folder'",
        ),
        ([*ON_CPUS, "-o", SERVERS], "rollout.tensor_parallel are for GPUs"),
        ([*ON_CPUS, "-o", "rollout={use: vllm_server}"], "rollout.folder is not given"),
        (
            ["--rollout-nodes", 1, "-o", "rollout={use: vllm_server, weights: folder}"],
            "rollout.folder is not given, and weights go to servers on other nodes through a folder",
        ),
        (
            ["--rollout-nodes", 1, "--gpus-per-node", 3, "-o", SERVERS],
            "rollout.tensor_parallel is 2, and a node has 3 devices; expected a number that divides them",
        ),
        (
            [
                "--rollout-nodes",
                1,
                "--gpus-per-node",
                6,
                "-o",
                "model.path=tiny/base",
                "-o",
                SERVERS.replace("2", "3"),
            ],
            "attention heads; expected a number that divides them",
        ),
    ],
)
def test_jobs_that_cannot_be_are_refused(arguments, said):
    done = submit(SEVEN_B, *arguments, "--dry-run")
    assert done.exit_code == 1 and said in done.output


def test_without_slurm_the_script_is_kept_and_the_command_told(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    done = submit(SEVEN_B, "--out", tmp_path / "run")
    assert done.exit_code == 1 and f"submit where Slurm is: sbatch {tmp_path / 'run.sbatch'}" in done.output
    assert (tmp_path / "run.sbatch").read_text().startswith("#!/bin/bash\n")


def test_before_its_time_is_over_a_job_lets_its_tasks_save_and_is_queued_again(tmp_path, slurm, monkeypatch):
    saves = tmp_path / "saves"  # in place of torchrun
    saves.write_text(
        "#!/bin/bash\n"
        f"trap 'echo saved >>{tmp_path}/calls; exit' TERM\n"
        f"echo >{tmp_path}/started; while true; do sleep 0.1; done\n"
    )
    saves.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(saves))
    monkeypatch.setenv("USR1_AT", str(tmp_path / "started"))
    done = submit(SEVEN_B, "--gpus-per-node", 0, "--out", tmp_path / "run")
    assert done.exit_code == 0, done.output
    assert slurm()[-3:] == ["scancel --signal=TERM 7.0", "saved", "scontrol requeue 7"]


def test_a_job_whose_time_is_over_while_it_waits_for_servers_is_queued_again(tmp_path, slurm, monkeypatch):
    never_healthy = tmp_path / "never_healthy"  # in place of a server
    never_healthy.write_text(
        f"#!/bin/bash\necho >{tmp_path}/started\nuntil grep -q requeue {tmp_path}/calls; do sleep 0.1; done\n"
    )
    never_healthy.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(never_healthy))
    monkeypatch.setenv("USR1_AT", str(tmp_path / "started"))
    monkeypatch.setenv("SLURM_NODES", "a,b")
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        monkeypatch.setattr(job_script, "PORT", closed.getsockname()[1])
    servers = ["-o", f"rollout={{use: vllm_server, folder: {tmp_path / 'weights'}}}"]
    done = submit(SEVEN_B, *servers, *ON_CPUS, "--out", tmp_path / "run")
    assert done.exit_code == 0, done.output
    calls = slurm()
    assert calls[-1] == "scontrol requeue 7"
    assert sum(call.startswith("srun") for call in calls) == 1  # the server's alone: training never began


@pytest.mark.slow
def test_a_job_that_slurm_queues_again_resumes_and_ends_as_one_that_was_not(tmp_path, slurm, monkeypatch):
    small = ["tiny_weak_to_strong", *SMALL, "--nodes", 2, "--gpus-per-node", 0]
    monkeypatch.setenv("SLURM_NODES", "a,b")
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    command = ["run", "tiny_weak_to_strong", *SMALL, "--out", whole]
    for ended in two_processes(command_line, *command, said=tmp_path / "said"):
        assert ended.returncode == 0, ended.stderr
    monkeypatch.setenv("USR1_AT", str(broken / "metrics.jsonl"))  # empty until the first step ends
    done = submit(*small, "--out", broken)
    assert done.exit_code == 0, done.output
    assert "srun 2" in slurm()
    assert slurm()[-2:] == ["scancel --signal=TERM 7.0", "scontrol requeue 7"]
    assert (broken / "checkpoints").is_dir() and not (broken / "report.html").exists()
    (broken / "run.lock").write_text("process 1 on a-dead-node\n")
    again = ["bash", f"{broken}.sbatch"]
    monkeypatch.setenv("SLURM_RESTART_COUNT", "1")
    subprocess.run(again, check=True, env=os.environ | {"SLURM_JOB_ID": "7", "SLURM_JOB_NODELIST": "a,b"})
    rewards = [[step["reward/total"] for step in open_run(run).metrics] for run in (whole, broken)]
    assert rewards[0] == rewards[1] and len(rewards[0]) == 4


@pytest.mark.slow
def test_a_job_with_rollout_nodes_starts_servers_and_hands_their_addresses_to_the_run(
    tmp_path, slurm, monkeypatch
):
    monkeypatch.setenv("SLURM_NODES", "a,b")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        monkeypatch.setattr(job_script, "PORT", free.getsockname()[1])
    done = submit(
        *(
            "tiny_weak_to_strong",
            *SMALL,
            "-o",
            f"rollout={{use: vllm_server, folder: {tmp_path / 'weights'}}}",
            "--out",
            tmp_path / "run",
        ),
        *("--gpus-per-node", 0, "--rollout-nodes", 1),
    )
    assert done.exit_code == 0, done.output
    recipe = (tmp_path / "run" / "recipe.yaml").read_text()
    assert f"http://127.0.0.1:{job_script.PORT}" in recipe
    assert json.loads((tmp_path / "run" / "summary.json").read_text())["rollouts"] == 16
    assert sys.executable in (tmp_path / "run.sbatch").read_text()
