"""What a dump means is what its file meant."""

import json

from harness import net
from harness.gate import run


def test_dump_keeps_a_policy_that_takes_alpn_away(tmp_path, pair):
    config = {"listeners": {"combined": {
        "bind": f"{net.HOST}:9018", "tls": {"certificates": [pair.config()], "alpn": ["h2"]},
        "rules": [{"tls": "terminate", "policy": {"alpn": []}, "pool": "app"}]}},
        "pools": {"app": {"servers": [f"{net.HOST}:1"]}}}
    first, again = tmp_path / "first.json", tmp_path / "again.json"
    first.write_text(json.dumps(config))
    dumped = run("-c", first, "--dump").stdout
    assert json.loads(dumped)["listeners"]["combined"]["rules"][0]["policy"]["alpn"] == []
    again.write_text(dumped)
    assert run("-c", again, "--dump").stdout == dumped
