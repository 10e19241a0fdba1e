# SPDX-License-Identifier: Apache-2.0
"""A small convolutional classifier for image tiles, on OpenCL or CUDA.

Two strided convolutions, an average over the image and a matrix product, with weights from a
fixed seed: not a trained model, but the same arithmetic as one. One source text serves both
runtimes; a few macros name what they spell differently.
"""

from __future__ import annotations

import queue
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import numpy as np
import tiles
from numpy.typing import NDArray

LABELS = (
    *("cropland", "forest", "grassland", "wetland", "water"),
    *("urban", "road", "bare soil", "snow", "cloud"),
)
CLASSES = len(LABELS)
SIDE_1, FEATURES_1 = tiles.HEIGHT // 4, 16
SIDE_2, FEATURES_2 = SIDE_1 // 4, 32

_OPENCL_WORDS = """
#define KERNEL __kernel
#define GLOBAL __global
#define INDEX ((int)get_global_id(0))
#define EXP exp
"""

_CUDA_WORDS = """
#define KERNEL extern "C" __global__
#define GLOBAL
#define INDEX ((int)(blockIdx.x * blockDim.x + threadIdx.x))
#define EXP expf
"""

_SIZES = f"""
#define SIDE_0 {tiles.HEIGHT}
#define CHANNELS {tiles.CHANNELS}
#define SIDE_1 {SIDE_1}
#define FEATURES_1 {FEATURES_1}
#define SIDE_2 {SIDE_2}
#define FEATURES_2 {FEATURES_2}
#define CLASSES {CLASSES}
"""

_SOURCE = """
/* One work item makes all features of one output pixel: 5 x 5, stride 4. */
KERNEL void convolve_image(GLOBAL const unsigned char *image, GLOBAL const float *weights,
                           GLOBAL float *out)
{
    int pixel = INDEX, row, column, k, f;
    float sum[FEATURES_1];

    if (pixel >= SIDE_1 * SIDE_1)
        return;
    row = pixel / SIDE_1 * 4 - 2;
    column = pixel % SIDE_1 * 4 - 2;
    for (f = 0; f < FEATURES_1; f++)
        sum[f] = 0.0f;
    for (k = 0; k < 25; k++) {
        int y = row + k / 5, x = column + k % 5, c;

        if (y < 0 || y >= SIDE_0 || x < 0 || x >= SIDE_0)
            continue;
        for (c = 0; c < CHANNELS; c++) {
            float value = image[(y * SIDE_0 + x) * CHANNELS + c] * (1.0f / 128.0f) - 1.0f;

            for (f = 0; f < FEATURES_1; f++)
                sum[f] += value * weights[(k * CHANNELS + c) * FEATURES_1 + f];
        }
    }
    for (f = 0; f < FEATURES_1; f++)
        out[pixel * FEATURES_1 + f] = sum[f] > 0.0f ? sum[f] : 0.0f;
}

/* The same again on the features: 3 x 3, stride 4. */
KERNEL void convolve_features(GLOBAL const float *in, GLOBAL const float *weights,
                              GLOBAL float *out)
{
    int pixel = INDEX, row, column, k, c, f;
    float sum[FEATURES_2];

    if (pixel >= SIDE_2 * SIDE_2)
        return;
    row = pixel / SIDE_2 * 4 - 1;
    column = pixel % SIDE_2 * 4 - 1;
    for (f = 0; f < FEATURES_2; f++)
        sum[f] = 0.0f;
    for (k = 0; k < 9; k++) {
        int y = row + k / 3, x = column + k % 3;

        if (y < 0 || y >= SIDE_1 || x < 0 || x >= SIDE_1)
            continue;
        for (c = 0; c < FEATURES_1; c++) {
            float value = in[(y * SIDE_1 + x) * FEATURES_1 + c];

            for (f = 0; f < FEATURES_2; f++)
                sum[f] += value * weights[(k * FEATURES_1 + c) * FEATURES_2 + f];
        }
    }
    for (f = 0; f < FEATURES_2; f++)
        out[pixel * FEATURES_2 + f] = sum[f] > 0.0f ? sum[f] : 0.0f;
}

/* How uneven each feature is over the image: its standard deviation. */
KERNEL void pool(GLOBAL const float *in, GLOBAL float *out)
{
    int f = INDEX, i;
    float sum = 0.0f, squares = 0.0f;

    if (f >= FEATURES_2)
        return;
    for (i = 0; i < SIDE_2 * SIDE_2; i++) {
        float value = in[i * FEATURES_2 + f];

        sum += value;
        squares += value * value;
    }
    sum /= SIDE_2 * SIDE_2;
    out[f] = squares / (SIDE_2 * SIDE_2) - sum * sum;
}

/* Matrix product and softmax. */
KERNEL void decide(GLOBAL const float *in, GLOBAL const float *weights, GLOBAL float *scores)
{
    int mine = INDEX, other, f;
    float sum[CLASSES], top = -1e30f, total = 0.0f, length = 1e-6f;

    if (mine >= CLASSES)
        return;
    for (f = 0; f < FEATURES_2; f++)
        length += in[f];
    for (other = 0; other < CLASSES; other++) {
        sum[other] = 0.0f;
        for (f = 0; f < FEATURES_2; f++)
            sum[other] += in[f] / length * weights[f * CLASSES + other];
        top = sum[other] > top ? sum[other] : top;
    }
    for (other = 0; other < CLASSES; other++)
        total += EXP(sum[other] - top);
    scores[mine] = EXP(sum[mine] - top) / total;
}
"""

#: Kernel and number of work items, in the order in which they run.
STEPS = (
    ("convolve_image", SIDE_1 * SIDE_1),
    ("convolve_features", SIDE_2 * SIDE_2),
    ("pool", FEATURES_2),
    ("decide", CLASSES),
)


class DeviceUnavailableError(RuntimeError):
    """The runtime, its compiler or its device is not there."""


class Lane(Protocol):
    """What one request at a time uses: a queue, its buffers and its staging memory."""

    pixels: NDArray[np.uint8]  #: decode into this; `tiles.SHAPE`

    def classify(self) -> NDArray[np.float32]:
        """The probability of each class for what `pixels` holds."""


def make_weights() -> tuple[NDArray[np.float32], ...]:
    """The weights of both convolutions and of the matrix product."""
    rng = np.random.default_rng(20240117)
    shapes = ((5, 5, tiles.CHANNELS, FEATURES_1), (3, 3, FEATURES_1, FEATURES_2))
    convolutions = [
        rng.normal(0, np.sqrt(2 / np.prod(shape[:-1])), shape).astype(np.float32)
        for shape in shapes
    ]
    # This seed makes use of most labels.
    dense = np.random.default_rng(278).normal(0, 40.0, (FEATURES_2, CLASSES)).astype(np.float32)
    return (*convolutions, dense)


class OpenClLane:
    """A queue of its own, device buffers, and a page-locked buffer to copy from."""

    def __init__(self, context: Any, program: Any, weights: list[Any]) -> None:
        import pyopencl as cl

        self._cl = cl
        # Profiling: whoever wants to know can ask the runtime how long the device took.
        self._queue = cl.CommandQueue(
            context, properties=cl.command_queue_properties.PROFILING_ENABLE
        )
        flags = cl.mem_flags
        self._image = cl.Buffer(context, flags.READ_ONLY, tiles.PIXEL_BYTES)
        features = [
            cl.Buffer(context, flags.READ_WRITE, 4 * count)
            for count in (SIDE_1**2 * FEATURES_1, SIDE_2**2 * FEATURES_2, FEATURES_2, CLASSES)
        ]
        self._scores_buffer = features[-1]
        self._staging = cl.Buffer(
            context, flags.READ_ONLY | flags.ALLOC_HOST_PTR, tiles.PIXEL_BYTES
        )
        self.pixels, _ = cl.enqueue_map_buffer(
            self._queue, self._staging, cl.map_flags.WRITE, 0, tiles.SHAPE, np.dtype(np.uint8)
        )
        self._scores = np.empty(CLASSES, np.float32)
        arguments = (
            (self._image, weights[0], features[0]),
            (features[0], weights[1], features[1]),
            (features[1], features[2]),
            (features[2], weights[2], features[3]),
        )
        # Kernel objects carry their arguments: one set for each lane, set once. They do not
        # keep what they point to alive.
        self._arguments = arguments
        self._kernels = [(cl.Kernel(program, name), count) for name, count in STEPS]
        for (kernel, _), values in zip(self._kernels, arguments, strict=True):
            kernel.set_args(*values)

    def classify(self) -> NDArray[np.float32]:
        """The probability of each class for what `pixels` holds."""
        cl, lane = self._cl, self._queue
        # pyopencl waits for a copy when its event is dropped: hold this one to the end.
        upload = cl.enqueue_copy(lane, self._image, self.pixels, is_blocking=False)
        for kernel, count in self._kernels:
            cl.enqueue_nd_range_kernel(lane, kernel, (count,), None)
        cl.enqueue_copy(lane, self._scores, self._scores_buffer, is_blocking=False).wait()
        del upload
        return self._scores


class CudaLane:
    """A stream of its own, device buffers, and page-locked buffers to copy from and to."""

    _BLOCK = 64

    def __init__(self, driver: Any, context: Any, module: Any, weights: list[Any]) -> None:
        self._driver, self._context = driver, context
        self._stream = _cuda(driver.cuStreamCreate(1))  # CU_STREAM_NON_BLOCKING
        self._image = _cuda(driver.cuMemAlloc(tiles.PIXEL_BYTES))
        features = [
            _cuda(driver.cuMemAlloc(4 * count))
            for count in (SIDE_1**2 * FEATURES_1, SIDE_2**2 * FEATURES_2, FEATURES_2, CLASSES)
        ]
        self._scores_buffer = features[-1]
        self._pixels_at = _cuda(driver.cuMemAllocHost(tiles.PIXEL_BYTES))
        self._scores_at = _cuda(driver.cuMemAllocHost(4 * CLASSES))
        self.pixels = _host_array(self._pixels_at, tiles.SHAPE, np.uint8)
        self._scores = _host_array(self._scores_at, (CLASSES,), np.float32)
        arguments = (
            (self._image, weights[0], features[0]),
            (features[0], weights[1], features[1]),
            (features[1], features[2]),
            (features[2], weights[2], features[3]),
        )
        self._launches = []
        for (name, count), values in zip(STEPS, arguments, strict=True):
            kernel = _cuda(driver.cuModuleGetFunction(module, name.encode()))
            held = [np.array([int(value)], np.uint64) for value in values]
            table = np.array([value.ctypes.data for value in held], np.uint64)
            self._launches.append((kernel, -(-count // self._BLOCK), table, held))

    def classify(self) -> NDArray[np.float32]:
        """The probability of each class for what `pixels` holds."""
        driver, stream = self._driver, self._stream
        _cuda(driver.cuCtxSetCurrent(self._context))
        _cuda(driver.cuMemcpyHtoDAsync(self._image, self._pixels_at, tiles.PIXEL_BYTES, stream))
        for kernel, blocks, table, _ in self._launches:
            _cuda(
                driver.cuLaunchKernel(
                    *(kernel, blocks, 1, 1, self._BLOCK, 1, 1, 0, stream, table.ctypes.data, 0)
                )
            )
        _cuda(driver.cuMemcpyDtoHAsync(self._scores_at, self._scores_buffer, 4 * CLASSES, stream))
        _cuda(driver.cuStreamSynchronize(stream))
        return self._scores


def _cuda(answer: tuple[Any, ...]) -> Any:
    """The value of a CUDA call; its first element says whether it worked."""
    if int(answer[0]) != 0:
        raise DeviceUnavailableError(f"CUDA: {answer[0].name}")
    return answer[1] if len(answer) > 1 else None


def _host_array(address: Any, shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
    """Page-locked memory as an array; it lives as long as the process."""
    import ctypes

    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    memory = (ctypes.c_char * size).from_address(int(address))
    return np.frombuffer(memory, dtype).reshape(shape)


def _open_opencl(lanes: int) -> tuple[str, list[Lane]]:
    try:
        import pyopencl as cl
    except ImportError as error:
        raise DeviceUnavailableError("pyopencl is not installed") from error
    try:
        devices = [device for platform in cl.get_platforms() for device in platform.get_devices()]
    except cl.Error as error:
        raise DeviceUnavailableError(f"OpenCL: {error}") from error
    if not devices:
        raise DeviceUnavailableError("OpenCL has no device")
    context = cl.Context(devices[:1])
    program = cl.Program(context, _OPENCL_WORDS + _SIZES + _SOURCE).build()
    flags = cl.mem_flags.READ_ONLY | cl.mem_flags.COPY_HOST_PTR
    weights = [cl.Buffer(context, flags, hostbuf=values) for values in make_weights()]
    return devices[0].name, [OpenClLane(context, program, weights) for _ in range(lanes)]


def _compile_cuda(driver: Any, device: Any) -> bytes:
    from cuda.bindings import nvrtc

    attribute = driver.CUdevice_attribute
    major = _cuda(
        driver.cuDeviceGetAttribute(attribute.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, device)
    )
    minor = _cuda(
        driver.cuDeviceGetAttribute(attribute.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR, device)
    )
    source = (_CUDA_WORDS + _SIZES + _SOURCE).encode()
    program = _cuda(nvrtc.nvrtcCreateProgram(source, b"classifier.cu", 0, [], []))
    options = [f"--gpu-architecture=sm_{major}{minor}".encode()]
    _cuda(nvrtc.nvrtcCompileProgram(program, len(options), options))
    cubin = b" " * int(_cuda(nvrtc.nvrtcGetCUBINSize(program)))
    _cuda(nvrtc.nvrtcGetCUBIN(program, cubin))
    return cubin


def _open_cuda(lanes: int) -> tuple[str, list[Lane]]:
    try:
        from cuda.bindings import driver

        _cuda(driver.cuInit(0))
        if _cuda(driver.cuDeviceGetCount()) == 0:
            raise DeviceUnavailableError("CUDA has no device")
        device = _cuda(driver.cuDeviceGet(0))
        cubin = _compile_cuda(driver, device)
    except ImportError as error:
        raise DeviceUnavailableError("cuda-bindings is not installed") from error
    except RuntimeError as error:  # a library that is not there: driver or NVRTC
        raise DeviceUnavailableError(str(error)) from error
    context = _cuda(driver.cuDevicePrimaryCtxRetain(device))
    _cuda(driver.cuCtxSetCurrent(context))
    module = _cuda(driver.cuModuleLoadData(cubin))
    weights = []
    for values in make_weights():
        weights.append(_cuda(driver.cuMemAlloc(values.nbytes)))
        _cuda(driver.cuMemcpyHtoD(weights[-1], values.ctypes.data, values.nbytes))
    name = _cuda(driver.cuDeviceGetName(128, device)).split(b"\0")[0].decode()
    return name, [CudaLane(driver, context, module, weights) for _ in range(lanes)]


class Classifier:
    """A device and the lanes on it; each lane serves one request at a time."""

    def __init__(self, runtime: str, device: str, lanes: list[Lane]) -> None:
        self.runtime = runtime
        self.device = device
        self._free: queue.SimpleQueue[Lane] = queue.SimpleQueue()
        for lane in lanes:
            self._free.put(lane)

    @contextmanager
    def lane(self) -> Iterator[Lane]:
        """Lends a lane; waits while all are in use."""
        lane = self._free.get()
        try:
            yield lane
        finally:
            self._free.put(lane)


def open_classifier(runtime: str, lanes: int) -> Classifier:
    """A classifier on `runtime`: "cuda", "opencl", or "auto" for the first that works.

    Raises:
        DeviceUnavailableError: none works; the message says why for each.
    """
    reasons = []
    for name, opener in (("cuda", _open_cuda), ("opencl", _open_opencl)):
        if runtime in (name, "auto"):
            try:
                device, opened = opener(lanes)
            except DeviceUnavailableError as error:
                reasons.append(str(error))
            else:
                # The first launches compile for this device: not in a request's time.
                for lane in opened:
                    lane.classify()
                return Classifier(name, device, opened)
    raise DeviceUnavailableError("; ".join(reasons))
