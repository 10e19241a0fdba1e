# SPDX-License-Identifier: Apache-2.0
"""The device rewrite, over lists of devices that are given."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from anaros.errors import GovernError
from anaros.govern import device, devices
from anaros.govern.devices import CudaDevice, OpenclDevice
from anaros.policy.model import Decision, DeviceRule, Place, Runtime

#: By PCI address; the runtime counts the fast one first.
CUDA = (
    CudaDevice(0, 1, "NVIDIA A10", "GPU-aaaa0000-1111-2222-3333-444444444444"),
    CudaDevice(1, 0, "NVIDIA H200", "GPU-bbbb0000-1111-2222-3333-444444444444"),
    CudaDevice(2, 2, "NVIDIA A10", "GPU-cccc0000-1111-2222-3333-444444444444"),
)
OPENCL = (
    OpenclDevice(0, "pthread-cpu", "Portable Computing Language", ""),
    OpenclDevice(1, "pthread-cpu", "Portable Computing Language", ""),
)


def decide(
    visible: Sequence[int | str] | None = None,
    order: Sequence[int | str] | None = None,
    runtime: Runtime = Runtime.CUDA,
) -> Decision:
    rule = DeviceRule(
        visible=None if visible is None else tuple(visible),
        order=None if order is None else tuple(order),
        runtime=runtime,
        reason="test",
        metric="",
        place=Place(Path("p.yaml"), 4, 7),
    )
    return Decision("t", rule, (), (), "")


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "cuda_devices", lambda env: CUDA)
    monkeypatch.setattr(devices, "opencl_devices", lambda env: OPENCL)


@pytest.mark.usefixtures("machine")
@pytest.mark.parametrize(
    ("visible", "order", "env", "expected"),
    [
        ([1], None, {}, {"CUDA_VISIBLE_DEVICES": "1", "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}),
        ([2, 0], None, {}, {"CUDA_VISIBLE_DEVICES": "2,0", "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}),
        (["*h200"], None, {}, {"CUDA_VISIBLE_DEVICES": "1", "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}),
        (["*A10"], [2], {}, {"CUDA_VISIBLE_DEVICES": "2,0", "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}),
        (None, ["*H200"], {}, {"CUDA_VISIBLE_DEVICES": "1,0,2", "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}),
        ([0, 9], None, {}, {"CUDA_VISIBLE_DEVICES": "0", "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}),
        # UUIDs stay UUIDs, a prefix is enough
        (["GPU-bbbb"], None, {}, {"CUDA_VISIBLE_DEVICES": CUDA[1].uuid}),
        # the user's own order of devices is kept, with the numbers that fit it
        (
            [1, 0],
            None,
            {"CUDA_DEVICE_ORDER": "FASTEST_FIRST"},
            {"CUDA_VISIBLE_DEVICES": "0,1"},
        ),
        # the user's list: by runtime ordinals, in the user's order
        (
            [0, 1],
            None,
            {"CUDA_VISIBLE_DEVICES": "2,1,0"},
            {"CUDA_VISIBLE_DEVICES": "0,1", "CUDA_DEVICE_ORDER": "PCI_BUS_ID"},
        ),
        # an order of the policy counts more
        (
            [0, 1],
            [1],
            {"CUDA_VISIBLE_DEVICES": "2,1,0"},
            {"CUDA_VISIBLE_DEVICES": "1,0", "CUDA_DEVICE_ORDER": "PCI_BUS_ID"},
        ),
        # as the driver: nothing counts after an invalid word
        (
            [0, 2],
            None,
            {"CUDA_VISIBLE_DEVICES": "1,7,2"},
            {"CUDA_VISIBLE_DEVICES": "0", "CUDA_DEVICE_ORDER": "PCI_BUS_ID"},
        ),
        (
            [0, 1],
            None,
            {"CUDA_VISIBLE_DEVICES": "GPU-bbbb"},
            {"CUDA_VISIBLE_DEVICES": CUDA[1].uuid},
        ),
        # who hides all devices goes on without
        ([0], None, {"CUDA_VISIBLE_DEVICES": ""}, {}),
        ([0], None, {"CUDA_VISIBLE_DEVICES": "-1"}, {}),
        # MIG instances pass as written
        (["MIG-1", "MIG-2"], None, {}, {"CUDA_VISIBLE_DEVICES": "MIG-1,MIG-2"}),
        (
            ["MIG-1", "MIG-2"],
            None,
            {"CUDA_VISIBLE_DEVICES": "MIG-2"},
            {"CUDA_VISIBLE_DEVICES": "MIG-2"},
        ),
    ],
)
def test_cuda_environment(
    visible: list[int | str] | None,
    order: list[int | str] | None,
    env: dict[str, str],
    expected: dict[str, str],
) -> None:
    decision = decide(visible, order)
    assert device.rewrite(decision, env).environment == expected
    assert device.environment(decision, {**env, "HOME": "/"}) == {**env, "HOME": "/", **expected}
    assert device.control_map(decision, env) == (None, None)


@pytest.mark.usefixtures("machine")
@pytest.mark.parametrize(
    ("visible", "env", "order"),
    [
        ([1], {}, (0,)),
        ([2, 0], {}, (2, 1)),
        ([2, 0], {"CUDA_VISIBLE_DEVICES": "1,2"}, (1, 0)),
        ([1], {"CUDA_VISIBLE_DEVICES": "1,2"}, ()),
    ],
)
def test_cuda_order_of_a_workload_that_runs_already(
    visible: list[int | str], env: dict[str, str], order: tuple[int, ...]
) -> None:
    assert device.cuda_order(decide(visible), env) == order


@pytest.mark.usefixtures("machine")
@pytest.mark.parametrize(
    ("visible", "order", "expected"),
    [([1], None, (1,)), (None, [1], (1, 0)), (["pthread*"], [1], (1, 0)), ([1, 0], None, (1, 0))],
)
def test_opencl_order(
    visible: list[int | str] | None, order: list[int | str] | None, expected: tuple[int, ...]
) -> None:
    decision = decide(visible, order, Runtime.OPENCL)
    assert device.control_map(decision, {}) == (None, expected)
    assert device.environment(decision, {"A": "b"}) == {"A": "b"}


@pytest.mark.usefixtures("machine")
def test_rule_that_matches_nothing_changes_nothing_and_says_what_there_is() -> None:
    with pytest.raises(GovernError) as caught:
        device.rewrite(decide(["*B300*"]), {})
    assert caught.value.fact == "p.yaml:4:7: no device here matches *B300*"
    assert caught.value.remedy == "there are: 0 (NVIDIA A10), 1 (NVIDIA H200), 2 (NVIDIA A10)"


@pytest.mark.usefixtures("machine")
def test_list_of_the_user_without_a_common_device_is_a_conflict() -> None:
    with pytest.raises(GovernError, match=r"CUDA_VISIBLE_DEVICES=0 and the policy \(0\)"):
        device.rewrite(decide([0]), {"CUDA_VISIBLE_DEVICES": "0"})


def test_rule_for_both_runtimes_holds_for_the_one_that_is_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(devices, "cuda_devices", lambda env: None)
    monkeypatch.setattr(devices, "opencl_devices", lambda env: OPENCL)
    found = device.rewrite(decide([1], None, Runtime.BOTH), {})
    assert (found.environment, found.cuda, found.opencl) == ({}, None, (1,))
    assert any("no CUDA driver" in note for note in found.notes)
    with pytest.raises(GovernError, match="no CUDA driver"):
        device.rewrite(decide([1], None, Runtime.CUDA), {})
    monkeypatch.setattr(devices, "opencl_devices", lambda env: None)
    with pytest.raises(GovernError):
        device.rewrite(decide([1], None, Runtime.BOTH), {})


def test_opencl_numbers_follow_the_cuda_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    gpus = tuple(
        OpenclDevice(place, gpu.name, "NVIDIA CUDA", gpu.uuid) for place, gpu in enumerate(CUDA)
    )

    def listed(env: dict[str, str]) -> tuple[OpenclDevice, ...]:
        words = env.get("CUDA_VISIBLE_DEVICES")
        kept = gpus if words is None else [gpus[int(word)] for word in words.split(",")]
        return tuple(OpenclDevice(i, g.name, g.platform, g.uuid) for i, g in enumerate(kept))

    monkeypatch.setattr(devices, "cuda_devices", lambda env: CUDA)
    monkeypatch.setattr(devices, "opencl_devices", listed)
    found = device.rewrite(decide([2, 1], None, Runtime.BOTH), {})
    assert found.environment["CUDA_VISIBLE_DEVICES"] == "2,1"
    assert found.opencl == (0, 1)


def test_kernel_drivers_list_is_enough_for_devices_of_one_model(tmp_path: Path) -> None:
    for bus, uuid in (("0000:9a:00.0", "GPU-2"), ("0000:18:00.0", "GPU-1")):
        (tmp_path / bus).mkdir()
        text = (
            f"Model: \t\t NVIDIA H200\nIRQ:   \t\t 7\nGPU UUID: \t {uuid}\nBus Location: \t {bus}\n"
        )
        (tmp_path / bus / "information").write_text(text)
    assert devices.cuda_devices({}, tmp_path) == (
        CudaDevice(0, 0, "NVIDIA H200", "GPU-1"),
        CudaDevice(1, 1, "NVIDIA H200", "GPU-2"),
    )
