# SPDX-License-Identifier: Apache-2.0
"""Names of kernels as they come out of frameworks, in little room."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anaros_cli.views.kernels import shortened_kernel

FILL = (
    "void at::native::vectorized_elementwise_kernel<4, at::native::FillFunctor<float>,"
    " at::detail::Array<char*, 1> >(int, at::native::FillFunctor<float>,"
    " at::detail::Array<char*, 1>)"
)
GEMM = (
    "void cutlass::Kernel2<cutlass_80_tensorop_f16_s16816gemm_relu_f16_256x128_32x3_nn_align8>"
    "(cutlass_80_tensorop_f16_s16816gemm_relu_f16_256x128_32x3_nn_align8::Params)"
)
CAT = (
    "void at::native::(anonymous namespace)::CatArrayBatchedCopy<float, unsigned int, 2, 128, 1>"
    "(float*, at::native::(anonymous namespace)::CatArrInputTensorMetadata<float, unsigned int,"
    " 128, 1>, at::native::(anonymous namespace)::TensorSizeStride<unsigned int, 4u>, int,"
    " unsigned int)"
)
LAMBDA = (
    "void at::native::unrolled_elementwise_kernel<at::native::direct_copy_kernel_cuda("
    "at::TensorIteratorBase&)::{lambda()#3}::operator()() const::{lambda()#7}::operator()() const"
    "::{lambda(float)#1}, at::detail::Array<char*, 2> >(int)"
)
SPLIT = "cub::DeviceReduceKernel<int>::operator()(int*, int*, unsigned long) const"
TRITON = "triton_poi_fused__to_copy_add_mul_native_layer_norm_backward_12"
SM90 = (
    "void cutlass::device_kernel<flash::FlashAttnFwdSm90<flash::CollectiveMainloopFwd<2,"
    " cute::tuple<cute::C<1>, cute::C<1>, cute::C<1> > > > >(flash::Params)"
)


@pytest.mark.parametrize(
    ("name", "columns", "cut"),
    [
        (FILL, 200, FILL),
        (
            FILL,
            110,
            FILL.removeprefix("void ").partition("(")[0],
        ),
        (FILL, 80, "vectorized_elementwise_kernel<4, FillFunctor<float>, Array<char*, 1> >"),
        (FILL, 44, "vectorized_elementwise_kernel<4, FillFunct…>"),
        (FILL, 33, "vectorized_elementwise_kernel<…>"),
        (FILL, 30, "vectorized_elementwise_kernel"),
        (FILL, 20, "vectorize…ise_kernel"),
        (GEMM, 80, "Kernel2<cutlass_80_tensorop_f16_s16816gemm_relu_f16_256x128_32x3_nn_align8>"),
        (GEMM, 44, "Kernel2<cutlass_80_tensorop_f16_s16816gemm…>"),
        (CAT, 56, "CatArrayBatchedCopy<float, unsigned int, 2, 128, 1>"),
        (CAT, 24, "CatArrayBatchedCopy<…>"),
        (LAMBDA, 44, "unrolled_elementwise_kernel<direct_copy_ke…>"),
        (SPLIT, 60, "cub::DeviceReduceKernel<int>::operator()"),
        (SM90, 44, "device_kernel<FlashAttnFwdSm90<CollectiveM…>"),
        (TRITON, 63, TRITON),
        (TRITON, 40, "triton_poi_fused__t…yer_norm_backward_12"),
    ],
)
def test_the_own_name_stays_whole(name: str, columns: int, cut: str) -> None:
    assert shortened_kernel(name, columns) == cut


@given(st.text("ab:<>() ,{}[]…operat", max_size=60), st.integers(1, 60))
def test_whatever_a_name_is_it_fits(name: str, columns: int) -> None:
    assert len(shortened_kernel(name, columns)) <= columns
