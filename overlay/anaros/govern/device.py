# SPDX-License-Identifier: Apache-2.0
"""Device: which accelerators a workload sees, and in which order.

CUDA gets its list through the environment, which every library of the stack reads, also those
that count devices without the driver. OpenCL has no such variable: there the shim filters and
orders what the loader lists, by the control page.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TypeVar

from anaros.errors import GovernError
from anaros.govern import devices
from anaros.govern.devices import PCI_ORDER, CudaDevice, OpenclDevice
from anaros.policy.model import Decision, DeviceRule, Runtime

_VISIBLE = "CUDA_VISIBLE_DEVICES"
_ORDER = "CUDA_DEVICE_ORDER"
_MIG = "MIG-"
_UUIDS = ("GPU-", _MIG)

Device = CudaDevice | OpenclDevice
D = TypeVar("D", CudaDevice, OpenclDevice)


@dataclass(frozen=True, slots=True)
class DeviceRewrite:
    """What a device rule does on this machine.

    Attributes:
        environment: Variables to set before the workload starts.
        cuda: Runtime ordinals for the control page, None to let the runtime's list pass.
        opencl: The same for the list of all OpenCL devices of all platforms.
        notes: One sentence for each thing that was done, or that was not and why.
    """

    environment: dict[str, str]
    cuda: tuple[int, ...] | None
    opencl: tuple[int, ...] | None
    notes: tuple[str, ...]


def rewrite(decision: Decision, environment: Mapping[str, str]) -> DeviceRewrite:
    """Work out the device rewrite for a workload that is to start.

    Args:
        decision: What the policy says; without a device rule nothing changes.
        environment: What the workload would start with.

    Raises:
        GovernError: The rule chooses nothing here; nothing is to be changed.
    """
    rule = decision.device
    if rule is None:
        return DeviceRewrite({}, None, None, ())
    notes: list[str] = []
    failures: list[GovernError] = []
    variables: dict[str, str] = {}
    opencl: tuple[int, ...] | None = None
    if rule.runtime.covers(Runtime.CUDA):
        try:
            variables = _cuda_environment(rule, environment, notes)
        except GovernError as error:
            failures.append(error)
    if rule.runtime.covers(Runtime.OPENCL):
        try:
            opencl = _opencl_order(rule, environment, variables, notes)
        except GovernError as error:
            failures.append(error)
    wanted = 2 if rule.runtime is Runtime.BOTH else 1
    conflict = next((error for error in failures if not isinstance(error, _AbsentError)), None)
    if conflict or len(failures) == wanted:
        raise conflict or failures[0]
    notes += [error.fact for error in failures]
    return DeviceRewrite(variables, None, opencl, tuple(notes))


def environment(decision: Decision, env: Mapping[str, str]) -> dict[str, str]:
    """The environment of the workload with the device rule in it.

    Raises:
        GovernError: The rule chooses nothing here.
    """
    return {**env, **rewrite(decision, env).environment}


def control_map(
    decision: Decision, env: Mapping[str, str]
) -> tuple[tuple[int, ...] | None, tuple[int, ...] | None]:
    """The orders of CUDA and OpenCL devices for the control page; None lets a list pass.

    The CUDA order is None for a workload that starts with ``environment``: its runtime lists
    the chosen devices and no others, and a second filter would count them twice.

    Args:
        decision: What the policy says.
        env: What the workload would start with, before ``environment``.

    Raises:
        GovernError: The rule chooses nothing here.
    """
    found = rewrite(decision, env)
    return found.cuda, found.opencl


def cuda_order(decision: Decision, env: Mapping[str, str]) -> tuple[int, ...] | None:
    """The CUDA order for a workload that runs already, with ``env``: positions in its list.

    Raises:
        GovernError: The rule chooses nothing here.
    """
    rule = decision.device
    if rule is None or not rule.runtime.covers(Runtime.CUDA):
        return None
    known = _known_cuda(env)
    seen = _users_devices(env.get(_VISIBLE), known)
    if seen is None:
        seen = sorted(known, key=lambda device: device.runtime_ordinal)
    chosen = _choose(rule, known, _cuda_matches, [])
    return tuple(seen.index(device) for device in chosen if device in seen)


class _AbsentError(GovernError):
    """The runtime is not on this machine: no conflict, where the rule is for another too."""


def _known_cuda(env: Mapping[str, str]) -> tuple[CudaDevice, ...]:
    known = devices.cuda_devices(env)
    if not known:
        what = "no CUDA driver" if known is None else "no CUDA device"
        raise _AbsentError(
            f"there is {what} on this machine, so no CUDA device can be chosen",
            "install the driver, or write runtime: opencl",
        )
    return known


def _cuda_environment(rule: DeviceRule, env: Mapping[str, str], notes: list[str]) -> dict[str, str]:
    users = env.get(_VISIBLE)
    if users is not None and _hides_all(users):
        notes.append(f"{_VISIBLE}={users} hides all CUDA devices, and stays")
        return {}
    if any(isinstance(word, str) and word.startswith(_MIG) for word in rule.visible or ()):
        return _instances(rule, users, notes)
    known = _known_cuda(env)
    chosen = _choose(rule, known, _cuda_matches, notes)
    allowed = _users_devices(users, known)
    if allowed is not None:
        chosen = _intersect(rule, chosen, allowed, users or "")
        notes.append(f"{_VISIBLE}={users} was set: what is in both stays")
    by_uuid = _speaks_uuid(rule.visible) or _speaks_uuid((users or "").split(","))
    order = env.get(_ORDER)
    if by_uuid:
        words, variables = [device.uuid for device in chosen], {}
    elif order in (None, PCI_ORDER):
        words = [str(device.bus_ordinal) for device in chosen]
        variables = {_ORDER: PCI_ORDER}
    else:
        words, variables = [str(device.runtime_ordinal) for device in chosen], {}
    variables[_VISIBLE] = ",".join(words)
    names = ", ".join(f"{device.bus_ordinal} ({device.name})" for device in chosen)
    notes.append(f"CUDA devices: {names}, by {_VISIBLE}={variables[_VISIBLE]}")
    return variables


def _instances(rule: DeviceRule, users: str | None, notes: list[str]) -> dict[str, str]:
    """MIG instances pass as they are written: the runtime lists one of them at most."""
    words = [str(word) for word in rule.visible or ()]
    if users is not None:
        allowed = [word.strip() for word in users.split(",")]
        words = [word for word in words if word in allowed]
        if not words:
            raise GovernError(
                f"{_VISIBLE}={users} and the policy have no MIG instance in common",
                f"unset {_VISIBLE}, or change the rule at {rule.place}",
            )
    notes.append(f"MIG instances, not looked for: {_VISIBLE}={','.join(words)}")
    return {_VISIBLE: ",".join(words)}


def _hides_all(users: str) -> bool:
    """True for what people write to have no device: nothing, -1, none."""
    first = users.split(",")[0].strip()
    return not first.startswith(_UUIDS) and not first.isdecimal()


def _users_devices(users: str | None, known: Sequence[CudaDevice]) -> list[CudaDevice] | None:
    """The devices that ``CUDA_VISIBLE_DEVICES`` names, None where it is not set.

    As the driver does: what follows the first invalid word is not seen.
    """
    if users is None:
        return None
    found: list[CudaDevice] = []
    for word in (part.strip() for part in users.split(",")):
        named = [
            device
            for device in known
            if (word.isdecimal() and device.runtime_ordinal == int(word))
            or (word.startswith(_UUIDS) and device.uuid.lower().startswith(word.lower()))
        ]
        if len(named) != 1 or named[0] in found:
            break
        found.append(named[0])
    return found


def _intersect(
    rule: DeviceRule, chosen: list[CudaDevice], allowed: list[CudaDevice], users: str
) -> list[CudaDevice]:
    """What both name; in the policy's order where it has one, else in the user's."""
    if rule.order:
        both = [device for device in chosen if device in allowed]
    else:
        both = [device for device in allowed if device in chosen]
    if not both:
        names = ", ".join(str(device.bus_ordinal) for device in chosen)
        raise GovernError(
            f"{_VISIBLE}={users} and the policy ({names}) have no device in common",
            f"unset {_VISIBLE}, or change the rule at {rule.place}",
        )
    return both


def _speaks_uuid(words: Iterable[int | str] | None) -> bool:
    return any(isinstance(word, str) and word.startswith(_UUIDS) for word in words or ())


def _opencl_order(
    rule: DeviceRule, env: Mapping[str, str], variables: Mapping[str, str], notes: list[str]
) -> tuple[int, ...]:
    known = devices.opencl_devices(env)
    if not known:
        what = "no OpenCL loader" if known is None else "no OpenCL device"
        raise _AbsentError(
            f"there is {what} on this machine, so no OpenCL device can be chosen",
            "install an OpenCL runtime, or write runtime: cuda",
        )
    chosen = _choose(rule, known, _opencl_matches, notes)
    names = ", ".join(f"{device.index} ({device.name})" for device in chosen)
    notes.append(f"OpenCL devices: {names}, by the shim")
    if _VISIBLE not in variables or not any("NVIDIA" in device.platform for device in known):
        return tuple(device.index for device in chosen)
    return _renumbered(rule, chosen, {**env, **variables})


def _renumbered(
    rule: DeviceRule, chosen: Sequence[OpenclDevice], env: Mapping[str, str]
) -> tuple[int, ...]:
    """NVIDIA's OpenCL obeys ``CUDA_VISIBLE_DEVICES`` too, so its devices have new numbers."""
    left = devices.opencl_devices(env) or ()
    found: list[int] = []
    for device in chosen:
        found += [
            other.index
            for other in left
            if (other.platform, other.name, other.uuid)
            == (device.platform, device.name, device.uuid)
            and other.index not in found
        ][:1]
    if not found:
        raise GovernError(
            "the CUDA and the OpenCL devices of the rule have none in common",
            f"write runtime: cuda or runtime: opencl at {rule.place}",
        )
    return tuple(found)


def _choose(
    rule: DeviceRule,
    known: Sequence[D],
    matches: Callable[[D, int | str], bool],
    notes: list[str],
) -> list[D]:
    """The devices of the rule among ``known``, in its order.

    Raises:
        GovernError: There is none.
    """
    visible = list(known) if rule.visible is None else _named(rule.visible, known, matches, notes)
    if not visible:
        there = ", ".join(f"{number} ({device.name})" for number, device in enumerate(known))
        wanted = ", ".join(str(word) for word in rule.visible or ())
        raise GovernError(f"{rule.place}: no device here matches {wanted}", f"there are: {there}")
    first = [
        device for device in _named(rule.order or (), known, matches, notes) if device in visible
    ]
    return first + [device for device in visible if device not in first]


def _named(
    words: Sequence[int | str],
    known: Sequence[D],
    matches: Callable[[D, int | str], bool],
    notes: list[str],
) -> list[D]:
    found: list[D] = []
    for word in words:
        named = [device for device in known if matches(device, word)]
        if not named:
            notes.append(f"no device here matches {word}")
        found += [device for device in named if device not in found]
    return found


def _cuda_matches(device: CudaDevice, word: int | str) -> bool:
    return word == device.bus_ordinal if isinstance(word, int) else _is_called(device, word)


def _opencl_matches(device: OpenclDevice, word: int | str) -> bool:
    return word == device.index if isinstance(word, int) else _is_called(device, word)


def _is_called(device: Device, word: str) -> bool:
    if word.startswith(_UUIDS):
        return bool(device.uuid) and device.uuid.lower().startswith(word.lower())
    return fnmatchcase(device.name.lower(), word.lower())
