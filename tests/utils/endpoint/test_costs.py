"""What asking costs."""

import logging

import pytest

from rlaudio.types import greedy
from rlaudio.utils.endpoint.costs import Costs, Price
from tests.endpoint_asking import prompt_of, worker_of
from tests.endpoint_server import fails, says

pytestmark = pytest.mark.usefixtures("no_keys_and_no_cache_of_this_user")


def test_the_table_of_costs_counts_tokens_and_money():
    costs = Costs(
        requests=12, retries=2, cached=5, prompt_tokens=1_500_000, completion_tokens=20_000, seconds=61
    )
    header, row = costs.table("endpoint:http://h#m", Price(prompt=2.5, completion=10.0)).splitlines()
    assert header.split("  ")[0] == "endpoint" and header.endswith("cost")
    assert row.split() == [
        *("endpoint:http://h#m", "12", "2", "5", "1,500,000", "20,000"),
        *("1", "min", "1", "s", "3.9500"),
    ]


def test_a_worker_tells_its_costs_once_when_it_is_closed(server, tmp_path, caplog):
    caplog.set_level(logging.INFO)
    server.script = [fails(503), says("fine", prompt_tokens=700, completion_tokens=30)]
    worker = worker_of(server, tmp_path, price=Price(1000.0, 2000.0))
    worker.generate([prompt_of(server)], greedy(5), (0,))
    worker.close()
    worker.close()
    [table] = [r.getMessage() for r in caplog.records if r.getMessage().startswith("endpoint  ")]
    numbers = table.splitlines()[1].split()
    assert numbers[1:6] == ["2", "1", "0", "700", "30"] and table.split()[-1] == "0.7600"
