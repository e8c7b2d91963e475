"""Configuration files for the tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

Writer = Callable[[str], Path]
"""Writes a file with a manager and one thread, whose keys, and tables after it, are the argument."""

EVERYTHING = """
ScanPersistStores = ["/a"]
sealing_daemons = []
[worker]
name = "sealer-1"
rpc_server.host = "0.0.0.0"
rpc_server.port = 17891
rpc_server.allowed_addresses = ["10.0.0.5", "fd00::/8"]
rpc_server.token_file = "{root}/key"
local_pieces_dir = "{root}/pieces"
local_pieces_dirs = ["{root}/pieces"]
scan_persist_stores = ["/mnt/*/store"]
ping_interval = "1min"
[metrics]
enable = true
http_listen = "127.0.0.1:9001"
[sector_manager]
rpc_client.addr = "/ip4/127.0.0.1/tcp/1789"
rpc_client.headers = {{ Authorization = "Bearer abc" }}
piece_token = "abc"
[sealing]
allowed_miners = [1000, 2000]
allowed_sizes = ["2KiB", "32GiB"]
enable_deals = true
disable_cc = true
max_deals = 3
min_deal_space = "8GiB"
max_retries = 4
seal_interval = "10s"
recover_interval = "20s"
rpc_polling_interval = "30s"
ignore_proof_check = true
request_task_max_retries = 0
verify_after_pc2 = true
[[sealing_thread]]
location = "{root}/one"
[[sealing_thread]]
location = "{root}/two"
plan = "sealer"
sealing.max_retries = 9
sealing.seal_interval = "1m"
sealing.allowed_sizes = ["2KiB"]
[remote_store]
name = "old"
location = "{root}/store"
[[attached]]
name = "store-1"
location = "{root}/store"
[[attached]]
location = "{root}/archive"
readonly = true
[attached_selection]
enable_space_weighted = true
[processors]
program = "{root}/seal-processor"
[processors.limit]
pc1 = 1
c2 = 1
[processors.limitation.concurrent]
pc1 = 2
pc2 = 1
[processors.limitation.staggered]
pc1 = "1min"
[processors.time_limit]
pc1 = "12h"
[processors.ext_locks]
gpu = 1
[processors.static_tree_d]
32GiB = "{root}/tree-d"
[[processors.pc2]]
bin = "{root}/seal-processor"
args = ["processor", "pc2"]
protocol = "stream"
envs = {{ CUDA_VISIBLE_DEVICES = "0" }}
inherit_envs = false
numa_preferred = 0
cgroup.group_name = "pc2"
cgroup.cpuset = "0-7"
concurrent = 1
locks = ["gpu"]
weight = 2
auto_restart = false
stable_wait = "10s"
[[processors.pc2]]
locks = ["gpu"]
[temporal]
address = "temporal.example:7233"
namespace = "sealing"
task_queue = "fleet"
heartbeat_timeout = "7s"
api_key_file = "{root}/key"
tls = true
tls_server_name = "temporal.example"
tls_ca_file = "{root}/ca.pem"
tls_cert_file = "{root}/cert.pem"
tls_key_file = "{root}/key.pem"
[policy]
expired_ticket = "park"
resubmit_interval = "4min"
"""


def everything(root: Path) -> Path:
    """Write a file that sets every key, with the folders and files that it names, and return its path."""
    for folder in ("one", "two", "store", "archive"):
        (root / folder).mkdir()
    for file in ("key", "ca.pem", "cert.pem", "key.pem", "seal-processor", "tree-d"):
        (root / file).touch(mode=0o700)
    (root / "key").write_text("secret")
    path = root / "everything.toml"
    path.write_text(EVERYTHING.format(root=root))
    return path
