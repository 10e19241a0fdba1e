/* SPDX-License-Identifier: Apache-2.0 */
/* The version that the C library's first names have on this machine. */
/* clang-format off */
#if defined(__x86_64__)
#define FIRST_VERSION GLIBC_2.2.5
#elif defined(__aarch64__)
#define FIRST_VERSION GLIBC_2.17
#endif
/* clang-format on */
