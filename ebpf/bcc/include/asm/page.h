/* SPDX-License-Identifier: Apache-2.0 */
#define PAGE_SIZE ANAROS_PAGE_SIZE
