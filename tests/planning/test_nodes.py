"""Plans for several nodes: the network between them, and vLLM servers on nodes of their own."""

from dataclasses import replace

import pytest
from click.testing import CliRunner

from rlaudio.cli import main
from rlaudio.config.plugins import bind
from rlaudio.config.recipe import load_recipe
from rlaudio.models.shared.describing import model_size
from rlaudio.planning import seconds, servers
from rlaudio.planning.assumptions import Assumptions
from rlaudio.planning.hardware import GPUS
from rlaudio.planning.memory import Sharding
from rlaudio.planning.plan import plan
from rlaudio.planning.tokens import StepTokens

SEVEN_B = "weak_to_strong_qwen2_5_omni_7b"
SERVED = ["rollout={use: vllm_server, tensor_parallel: 2, memory_share: 0.5}", "sampling.questions=16"]
H100 = GPUS["h100"]


def seven_b(*overrides, **assumed):
    return plan(load_recipe(SEVEN_B, overrides), H100, Assumptions(**assumed))


def phase_of(planned, name):
    return next(phase for phase in planned.stages[-1].phases if phase.name == name)


def row_of(planned, begin):
    return next(row for row in planned.memory if row.name.startswith(begin))


# --- nodes that train ----------------------------------------------------------------------------


def test_the_exchange_of_several_nodes_is_as_slow_as_their_network_by_hand():
    """Stage 2, 16 devices, one micro-batch of 2 bytes each way: 15/16 of 4 bytes a parameter over 50 GB/s."""
    size = model_size("qwen2_5_omni", {"path": "Qwen/Qwen2.5-Omni-7B", "dtype": "bfloat16"})
    on_one, on_two = (
        seconds.exchange_phase(
            size, Sharding(stage=2, devices=16, nodes=nodes), H100, updates=1, micro_batches=1
        )
        for nodes in (1, 2)
    )
    assert on_two.seconds == pytest.approx(15 / 16 * 4 * size.trained / 50e9) and on_two.bound == "network"
    assert on_one.seconds == pytest.approx(on_two.seconds * 50 / 450) and on_one.bound == "link"


def test_a_network_faster_than_the_links_of_a_node_does_not_help():
    size = model_size("qwen2_5_omni", {"path": "Qwen/Qwen2.5-Omni-7B", "dtype": "bfloat16"})
    fast = replace(H100, network=1e15)
    two_nodes = Sharding(stage=2, devices=16, nodes=2)
    phase = seconds.exchange_phase(size, two_nodes, fast, updates=1, micro_batches=1)
    assert phase.bound == "link"


def test_more_nodes_share_the_optimizer_and_the_work():
    """Under ZeRO 3 a device of 2 x 8 keeps 12/16 bytes a parameter, one of 8 12/8 (arXiv:1910.02054)."""
    zero = ["strategy={use: zero, stage: 3}", "sampling.questions=16"]
    zero.append("training.micro_batch_tokens=1")  # else rows share the last chunk of logits
    on_one, on_two = seven_b(*zero, devices=8), seven_b(*zero, devices=8, nodes=2)
    state = [row_of(planned, "optimizer").phases["RL update"] for planned in (on_one, on_two)]
    assert state == pytest.approx([12 / 8 * on_one.model.trained, 12 / 16 * on_one.model.trained])
    work = [phase_of(planned, "update: forward and backward").flops for planned in (on_one, on_two)]
    assert work[0] == pytest.approx(2 * work[1])
    assert on_two.peak_bytes < on_one.peak_bytes


def test_the_memory_of_a_host_is_that_of_the_processes_of_one_node():
    offload = ["strategy={use: zero, stage: 2, offload: cpu}", "sampling.questions=16"]
    on_one, on_two = seven_b(*offload, devices=8), seven_b(*offload, devices=8, nodes=2)
    cache_and_sleep = 8 * (512 * 2**20 + 2 * on_one.model.weight_bytes)
    assert on_one.host_bytes - cache_and_sleep == pytest.approx(2 * (on_two.host_bytes - cache_and_sleep))


def test_a_stated_network_takes_the_place_of_the_device_s():
    slow, fast = (
        phase_of(
            seven_b("sampling.questions=16", devices=8, nodes=2, network=network), "exchange between devices"
        )
        for network in (10.0, 20.0)
    )
    assert slow.seconds == pytest.approx(2 * fast.seconds)


# --- rollout nodes ---------------------------------------------------------------------------------


def test_servers_share_a_step_s_questions_by_hand():
    """8 servers of 2 devices for 16 questions: 2 each. A token reads the weights once, over two devices."""
    planned = seven_b(*SERVED, devices=8, nodes=2, rollout_nodes=2)
    assert planned.servers.count == 8
    size = planned.model
    decoder = 2 * size.parameters_of("language model", "output head")
    decode = phase_of(planned, "servers: decode")
    assert decode.bound == "memory bandwidth"
    assert decode.seconds == pytest.approx(127 * decoder / (2 * 3.35e12), rel=0.02)  # the cache is small
    more = seven_b(*SERVED, devices=8, nodes=2, rollout_nodes=4)
    halved = phase_of(more, "servers: prefill").seconds
    assert phase_of(planned, "servers: prefill").seconds == pytest.approx(2 * halved)


def test_trained_weights_reach_the_servers_through_one_network_card():
    planned = seven_b(*SERVED, devices=8, nodes=2, rollout_nodes=1)
    sent = phase_of(planned, "weights to servers")
    assert sent.seconds == pytest.approx(planned.model.trained_bytes / 50e9)


def test_a_server_s_device_holds_its_share_of_the_weights_and_a_cache():
    planned = seven_b(*SERVED, devices=8, nodes=2, rollout_nodes=1)
    given = planned.servers
    assert given.weight_bytes == planned.model.weight_bytes / 2
    assert given.cache_bytes == pytest.approx(40e9 - given.weight_bytes)


def test_a_cache_that_is_full_makes_a_server_sample_in_turns():
    size = model_size("qwen2_5_omni", {"path": "Qwen/Qwen2.5-Omni-7B", "dtype": "bfloat16"})
    tokens = StepTokens(
        question_count=8, group_size=2, prompt=100, audio=1, frames=4, completion=50, packed=True, budget=1
    )
    slot = 2 * 2 * 28 * 512  # keys and values, 2 bytes, layers, their width
    rollout = bind("rollout", {"use": "vllm_server", "memory_share": 0.5})
    room = servers.servers_of(rollout, size, H100, 1, 1)
    three = replace(room, taken_bytes=room.weight_bytes + 3.5 * 200 * slot)
    assert three.questions_together(size, tokens) == 3
    turns = [
        next(p for p in servers.sampling_phases(size, H100, s, tokens, rate=1e15) if "decode" in p.name)
        for s in (room, three)
    ]
    assert turns[1].seconds == pytest.approx(3 * turns[0].seconds, rel=0.05)


def test_servers_whose_weights_leave_no_cache_do_not_fit():
    planned = seven_b(*SERVED, "rollout.memory_share=0.1", devices=8, nodes=2, rollout_nodes=1)
    assert not planned.servers.fits and not planned.fits


# --- the command -----------------------------------------------------------------------------------


def explain(*arguments):
    return CliRunner().invoke(main, ["explain", SEVEN_B, *map(str, arguments)])


def test_the_command_tells_nodes_network_and_servers():
    words = [word for override in SERVED for word in ("-o", override)]
    done = explain(*words, "--nodes", 2, "--gpus-per-node", 8, "--rollout-nodes", 1, "--network", 25)
    assert done.exit_code == 0, done.output
    assert "on 2 nodes of 8 x h100" in done.output and "network 25 GB/s" in done.output
    assert "4 servers on 1 node more, each of 2 devices: weights 8.9 GB of the 40.0 GB" in done.output
    assert max(map(len, done.output.splitlines())) <= 100


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--nodes", 0), "0 nodes; expected 1 to 100,000"),
        (("--network", 0), "a network of 0 GB/s; expected more than 0"),
        (("--network", "nan"), "a network of nan GB/s; expected more than 0"),
        (("--network", "inf"), "a network of inf GB/s; expected more than 0"),
        (("--nodes", 2, "--devices", 8), "8 and there are 16 devices; expected a multiple of 16, such as 16"),
        (
            ("--rollout-nodes", 1),
            "--rollout-nodes 1 are for vLLM servers, and rollout.use is vllm; set it to",
        ),
        (
            ("--rollout-nodes", 1, "--devices", 3, "-o", SERVED[0]),
            "rollout.tensor_parallel is 2, and a node has 3 devices; expected a number that divides them",
        ),
    ],
)
def test_nodes_that_cannot_be_are_refused(arguments, said):
    done = explain(*arguments)
    assert done.exit_code == 1 and said in done.output
