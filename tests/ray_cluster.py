"""A batch on two real nodes of this machine: a worker is killed, then a node removed."""

import contextlib
import os
import signal
import sys
import time
from pathlib import Path

import ray
from ray.cluster_utils import Cluster

from nstar.batch.engines import OnRay
from nstar.batch.running import refit
from nstar.cache import default_folder


def workers():
    """Processes that fit a chunk, by their titles."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (place / "cmdline").read_bytes().startswith(b"ray::_fit_on_node"):
                found.append(int(place.name))
    return found


def device():
    """Where a task of one GPU is."""
    time.sleep(2)  # so that two must be on two nodes
    return os.environ["CUDA_VISIBLE_DEVICES"], ray.get_runtime_context().get_node_id()


cluster = Cluster()
cluster.add_node(num_cpus=2, num_gpus=1)
second = cluster.add_node(num_cpus=2, num_gpus=1)
ray.init(address=cluster.address, log_to_driver=False)
asked = ray.remote(num_gpus=1)(device)
(a, here), (b, there) = ray.get([asked.remote(), asked.remote()])
print("on GPU", a, "and on GPU", b, "of another node" if here != there else "of one")
lines: list[str] = []
began = time.monotonic()


def say(text):
    """Harm the cluster as chunks come in."""
    lines.append(text)
    print(f"{time.monotonic() - began:.0f} s:", text)
    if len(lines) == 2:
        for pid in workers()[:1]:
            os.kill(pid, signal.SIGKILL)
            print("a worker was killed")
    if len(lines) == 3:
        cluster.remove_node(second, allow_graceful=False)
        print("a node was removed")


made = refit(
    sys.argv[1], sys.argv[2], engine=OnRay(gpus=1.0, cache=default_folder()), say=say
)
ray.shutdown()
cluster.shutdown()
sys.exit(bool(made.failed))
