/* SPDX-License-Identifier: Apache-2.0 */
/* The oldest that is served; kernels since 5.0 do not ask what a program was built for. */
#define KERNEL_VERSION(major, minor, patch) (((major) << 16) + ((minor) << 8) + (patch))
#define LINUX_VERSION_CODE                  KERNEL_VERSION(5, 12, 0)
