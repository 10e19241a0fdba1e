/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one list of record kinds. Expanded for C, BPF, Python
 * (scripts/generate-kinds) and docs/records.md.
 *
 * ANAROS_KIND(value, SYMBOL, "name", "what object is", "what it says")
 *
 * A value is family << 8 | number, is never reused, and never changes its
 * meaning: run directories outlive releases.
 */
#ifndef ANAROS_KINDS_H
#define ANAROS_KINDS_H

/* clang-format off */
#define ANAROS_KINDS(ANAROS_KIND)                                                                                      \
	ANAROS_KIND(0x0001, META_NAME, "meta.name", "the object named", "a name follows in the next records of the ring; size_bytes is its length, status its name class") \
	ANAROS_KIND(0x0101, FILE_OPEN, "file.open", "inode", "open and its variants; status is the descriptor") \
	ANAROS_KIND(0x0102, FILE_CLOSE, "file.close", "inode", "close of anything but a socket") \
	ANAROS_KIND(0x0103, FILE_READ, "file.read", "inode", "read, pread, readv, preadv2, fread; address is the buffer") \
	ANAROS_KIND(0x0104, FILE_WRITE, "file.write", "inode", "write, pwrite, writev, pwritev2, fwrite; address is the buffer") \
	ANAROS_KIND(0x0105, FILE_SYNC, "file.sync", "inode", "fsync, fdatasync, sync_file_range, msync, syncfs") \
	ANAROS_KIND(0x0106, FILE_MMAP, "file.mmap", "inode", "mmap of a file; address is where it lies") \
	ANAROS_KIND(0x0107, FILE_MUNMAP, "file.munmap", "0", "munmap of a range that a file was mapped to") \
	ANAROS_KIND(0x0108, FILE_SENDFILE, "file.sendfile", "inode of the source", "sendfile, splice; context of the destination is its own net.send") \
	ANAROS_KIND(0x0109, FILE_COPY, "file.copy", "inode of the source", "copy_file_range; address is the destination inode") \
	ANAROS_KIND(0x010a, FILE_STAT, "file.stat", "inode", "stat, fstat, lstat, fstatat, statx") \
	ANAROS_KIND(0x010b, FILE_FILL, "file.fill", "inode", "the thread brought pages of the file into memory; status tells why, address is the offset, context the bytes that it asked for, 0 = unknown") \
	ANAROS_KIND(0x010c, FILE_READAHEAD, "file.readahead", "inode", "likewise, before anybody asked for them") \
	ANAROS_KIND(0x010d, FILE_FAULT, "file.fault", "inode", "a page fault that had to wait for the file; address is the offset, how long it slept tells mem.fault") \
	ANAROS_KIND(0x010e, FILE_URING, "file.uring", "inode or socket cookie, 0 = neither", "an operation of io_uring, from submission to completion; status is its result, size_bytes the bytes moved, address its user_data, context its number and what became of it") \
	ANAROS_KIND(0x010f, FILE_AIO, "file.aio", "inode", "an operation of Linux AIO, from io_submit until io_getevents handed out its result, which is status; size_bytes the bytes moved, address the buffer, context its number, from bit 8 on the offset in the file") \
	ANAROS_KIND(0x0201, NET_SOCKET, "net.socket", "socket cookie", "socket, socketpair; status is the descriptor, size_bytes the family, address the type") \
	ANAROS_KIND(0x0202, NET_BIND, "net.bind", "socket cookie", "bind") \
	ANAROS_KIND(0x0203, NET_LISTEN, "net.listen", "socket cookie", "listen") \
	ANAROS_KIND(0x0204, NET_CONNECT, "net.connect", "socket cookie", "connect; the peer is the object's name") \
	ANAROS_KIND(0x0205, NET_ACCEPT, "net.accept", "cookie of the new socket", "accept, accept4; address is the listener's cookie") \
	ANAROS_KIND(0x0206, NET_RECV, "net.recv", "socket cookie", "recv, recvfrom, recvmsg, read on a socket; address is the buffer") \
	ANAROS_KIND(0x0207, NET_SEND, "net.send", "socket cookie", "send, sendto, sendmsg, write on a socket; address is the buffer") \
	ANAROS_KIND(0x0208, NET_SHUTDOWN, "net.shutdown", "socket cookie", "shutdown") \
	ANAROS_KIND(0x0209, NET_CLOSE, "net.close", "socket cookie", "close of a socket") \
	ANAROS_KIND(0x020a, NET_BACKLOG, "net.backlog", "socket cookie of the listener", "once a second where something waits or was turned away; size_bytes is the packets that it did not take, context the connections that wait to be accepted, address how many may") \
	ANAROS_KIND(0x020b, NET_FLOW, "net.flow", "socket cookie, 0 = all of a family", "what the process received, size_bytes, and sent, context, through a socket that is not TCP within this second; status is its protocol, or with object 0 the family; address is the calls that received, from bit 32 on those that sent") \
	ANAROS_KIND(0x0301, POLL_WAIT, "poll.wait", "epoll descriptor, else 0", "epoll_wait, epoll_pwait2, poll, ppoll, select, pselect; status is what was ready") \
	ANAROS_KIND(0x0401, GPU_LAUNCH, "gpu.launch", "stream or queue", "a kernel is enqueued; address is the kernel's handle, size_bytes the threads or work items") \
	ANAROS_KIND(0x0402, GPU_COPY_H2D, "gpu.copy_h2d", "stream or queue", "host to device; address is the host side") \
	ANAROS_KIND(0x0403, GPU_COPY_D2H, "gpu.copy_d2h", "stream or queue", "device to host; address is the host side") \
	ANAROS_KIND(0x0404, GPU_COPY_D2D, "gpu.copy_d2d", "stream or queue", "device to device; address is the destination") \
	ANAROS_KIND(0x0405, GPU_COPY, "gpu.copy", "stream or queue", "a copy whose direction the call does not tell; address is the destination") \
	ANAROS_KIND(0x0406, GPU_MEMSET, "gpu.memset", "stream or queue", "fill; address is the device side") \
	ANAROS_KIND(0x0407, GPU_ALLOC, "gpu.alloc", "device pointer, handle or buffer", "memory is allocated, page-locked or opened; flags hold its class; address is the host pointer if any, or the stream or pool it is ordered by; size_bytes 0: not told") \
	ANAROS_KIND(0x0408, GPU_FREE, "gpu.free", "device pointer, handle or buffer", "memory is released; the class is that of the call, and of what was allocated there") \
	ANAROS_KIND(0x0409, GPU_SYNC, "gpu.sync", "stream, queue or event; 0 = device", "the thread waits for the device; of OpenCL's events address is the queue, and size_bytes how many ns before an in-order one was given the last command that is waited for, 0 = unknown") \
	ANAROS_KIND(0x040a, GPU_EVENT, "gpu.event", "stream or queue", "an event is recorded or, with size_bytes 1, waited for on the device; address is the event") \
	ANAROS_KIND(0x040b, GPU_MAP, "gpu.map", "stream or queue", "a device buffer is mapped to the host; address is the host side") \
	ANAROS_KIND(0x040c, GPU_UNMAP, "gpu.unmap", "stream or queue", "a mapped buffer goes back; address is the host side") \
	ANAROS_KIND(0x040d, GPU_STREAM, "gpu.stream", "stream or queue", "a stream or queue is made or destroyed") \
	ANAROS_KIND(0x040e, GPU_BUILD, "gpu.build", "module or program", "code is compiled or loaded") \
	ANAROS_KIND(0x040f, GPU_GRAPH, "gpu.graph", "stream", "a graph is launched; size_bytes is the nodes that it runs, context the kernels among them, both 0 where they are not known; its name is that of address") \
	ANAROS_KIND(0x0410, GPU_EXECUTE, "gpu.execute", "stream or queue", "a kernel ran on the device, in device time; address is the kernel's handle, context the time queued in ns") \
	ANAROS_KIND(0x0411, GPU_TRANSFER, "gpu.transfer", "stream or queue", "a copy ran on the device, in device time; address is the host side, context the time queued in ns") \
	ANAROS_KIND(0x0412, GPU_PREFETCH, "gpu.prefetch", "stream or queue", "managed memory is told where it will be used; address and size_bytes are the range") \
	ANAROS_KIND(0x0413, GPU_DISCARD, "gpu.discard", "stream or queue", "the contents of a range are given up; address and size_bytes are the range") \
	ANAROS_KIND(0x0414, GPU_CAPTURE, "gpu.capture", "stream", "capture into a graph begins, with address 0, or ends; address is the graph, or the stream where there is none") \
	ANAROS_KIND(0x0415, GPU_INSTANTIATE, "gpu.instantiate", "executable graph", "a graph is made ready to run, or brought up to date; address is the graph, 0 where the executable one is destroyed; size_bytes the nodes that it will run, 0 where they are not known") \
	ANAROS_KIND(0x0416, GPU_CONTEXT, "gpu.context", "context, or a pid", "size_bytes: 0 destroyed, released or reset, 1 made or retained, 2 made current, 3 taken off the thread; 4 locked, 5 saved, 6 restored, 7 unlocked is a process; address is the device + 1 where the call names it") \
	ANAROS_KIND(0x0417, GPU_QUERY, "gpu.query", "stream or event", "the thread asks whether work is done; status is 0 when it is, 600 or 1 when it is not yet; of the noes that a thread is told about one object in a row the first and the last are records, the last without its duration") \
	ANAROS_KIND(0x0418, GPU_RESERVE, "gpu.reserve", "device address", "a range of addresses is reserved, with address 1, or freed, with address 0") \
	ANAROS_KIND(0x0419, GPU_VM_MAP, "gpu.vm_map", "device address, array or multicast object", "memory is mapped there; address is its handle, 0 where only the access is set; object 0: the handle is exported") \
	ANAROS_KIND(0x041a, GPU_VM_UNMAP, "gpu.vm_unmap", "device address, array or multicast object", "what was mapped there is unmapped") \
	ANAROS_KIND(0x041b, GPU_POOL, "gpu.pool", "memory pool", "address: 0 destroyed, 1 made, 2 imported, 3 exported, 4 trimmed to size_bytes") \
	ANAROS_KIND(0x041c, GPU_HOST_CALL, "gpu.host_call", "stream", "a host function is enqueued; address is the function") \
	ANAROS_KIND(0x041d, GPU_SIGNAL, "gpu.signal", "stream", "a word of memory or a semaphore is written or, with size_bytes 1, waited for on the device; address is where") \
	ANAROS_KIND(0x041e, GPU_COLLECTIVE, "gpu.collective", "communicator, 0 = unknown", "NCCL: a collective or a transfer between two ranks is enqueued, or bytes go over the network for one, or that waits; what it is is the name of address") \
	ANAROS_KIND(0x041f, GPU_STORAGE, "gpu.storage", "inode", "cuFile moved bytes between a file and memory of a device; flags tell which way; address is the device side, or with the flag for it the offset in the file; context is the device + 1; 0 ns: one of its own threads did it, since when is not told") \
	ANAROS_KIND(0x0420, GPU_MIGRATE, "gpu.migrate", "device + 1 it goes to, 0 = the host", "managed memory moved, in device time; address and size_bytes are the range") \
	ANAROS_KIND(0x0421, GPU_UNKNOWN, "gpu.unknown", "hash of the name", "a function was resolved past the shim: the driver has it and this release does not know it, or another library stands before it; its name is the name of object, size_bytes the CUDA version asked for; address: 1 dlsym, 2 a resolver or table, 3 and 4 a slot of a library bound past the shim (4: it cannot be written), 5 another function of that name is recorded") \
	ANAROS_KIND(0x0422, GPU_TIMING, "gpu.timing", "1 on, 2 the seat is held, 3 given up, 4 no library, 5 unknown version, 6 failed", "device time of the process is told, or not; size_bytes is the library's version, status its result; by whom or why is the name of address") \
	ANAROS_KIND(0x0423, GPU_FLUSH, "gpu.flush", "queue", "what was enqueued is handed to the device; the thread does not wait for it") \
	ANAROS_KIND(0x0501, SCHED_OFFCPU, "sched.offcpu", "tid that woke it, 0 = unknown", "the thread did not run; status is the task state it left with, 0 = preempted; size_bytes is 1 where the kernel calls it I/O wait; address is what it slept in, 0 = unknown, context the first argument of that call") \
	ANAROS_KIND(0x0502, SCHED_RUNQUEUE, "sched.runqueue", "tid that ran instead", "the thread was ready but waited for a CPU; address is the CPU, size_bytes the pid that ran instead") \
	ANAROS_KIND(0x0503, SCHED_WAKEUP, "sched.wakeup", "tid that is woken", "the thread woke another of the target; address is the CPU") \
	ANAROS_KIND(0x0504, SCHED_MIGRATE, "sched.migrate", "CPU it came from", "the thread was moved between CPUs and had to wait then; address is the CPU it goes to") \
	ANAROS_KIND(0x0505, SCHED_THROTTLE, "sched.throttle", "0", "the thread was ready but its cgroup had used up its quota of CPU; address is the CPU") \
	ANAROS_KIND(0x0601, BLOCK_IO, "block.io", "device (major << 20 | minor)", "issue to complete; address is the sector, context the ns from insert to issue, status the error, or 0 read, 1 write, 2 flush, 3 discard; pid 0 = nobody can tell for whom") \
	ANAROS_KIND(0x0602, BLOCK_ISSUE, "block.issue", "inode, 0 = unknown", "what a block.io that starts at the same time met: status is the requests in the queue of the device, size_bytes their bytes; context is the pid that had most of them, from bit 32 on how many, from bit 48 on the queue of the hardware; address is the offset in the file") \
	ANAROS_KIND(0x0603, BLOCK_NVME, "block.nvme", "queue of a controller", "a command, from when the driver set it up until it handled the completion; status is that of NVMe, address the sector; context is the command's number, from bit 16 on its opcode, from 24 on the retries before, from 32 on the commands that the queue held before it, from 48 on those that the controller had not fetched yet at its end") \
	ANAROS_KIND(0x0701, NIC_POLL, "nic.poll", "interface index, 0 = unknown", "one NAPI poll; size_bytes is the packets done, address the budget, status is 1 where it was used up, context the number of the NAPI, 0 = unknown") \
	ANAROS_KIND(0x0702, NIC_QUEUE, "nic.queue", "interface index", "a packet waited between the stack and the driver; size_bytes is its length, address the socket cookie, status the transmit queue") \
	ANAROS_KIND(0x0703, NIC_DROP, "nic.drop", "socket cookie, 0 = unknown", "the kernel dropped a packet; status is the reason's number, its name is the name of address; context is the interface in whose queue, 0 = in none, from bit 32 on its transmit queue") \
	ANAROS_KIND(0x0704, NIC_BACKLOG, "nic.backlog", "CPU", "packets that the CPU left lying within this second, whoever they were for; size_bytes those that it dropped because its backlog was full, context how often it stopped because its budget or time was used up, address all that it took") \
	ANAROS_KIND(0x0801, TCP_STATE, "tcp.state", "socket cookie", "the socket changed its state; status is the new one, address the old; where it closes size_bytes and context are the bytes that the program received and sent through it") \
	ANAROS_KIND(0x0802, TCP_RETRANSMIT, "tcp.retransmit", "socket cookie", "a segment was sent again") \
	ANAROS_KIND(0x0803, TCP_BYTES, "tcp.bytes", "socket cookie", "bytes that the program received, size_bytes, and sent, context, through the socket so far, once a second; status is its state, address the smoothed round trip in us, 0 = unknown") \
	ANAROS_KIND(0x0a01, IRQ_HARD, "irq.hard", "interrupt", "a long interrupt took the CPU from the thread; address is the CPU") \
	ANAROS_KIND(0x0a02, IRQ_SOFT, "irq.soft", "interrupt", "a long soft interrupt took the CPU from the thread; address is the CPU") \
	ANAROS_KIND(0x0a03, IRQ_TOTAL, "irq.total", "interrupt", "what interrupts took from all threads of the target within context ns; size_bytes is how many, duration_ns the sum, address the CPU") \
	ANAROS_KIND(0x0b01, PROC_FORK, "proc.fork", "pid of the child", "a process was forked") \
	ANAROS_KIND(0x0b02, PROC_EXEC, "proc.exec", "0", "a program was started; its path is the name of address") \
	ANAROS_KIND(0x0b03, PROC_EXIT, "proc.exit", "0", "a process ended; status is its wait status") \
	ANAROS_KIND(0x0b04, PROC_SHIM, "proc.shim", "start time of the process", "the shim is at work in this process; address is its parent; size_bytes is what the loader and the shim had read by then and whatever the process before its exec, context in how many calls, 0 = not told") \
	ANAROS_KIND(0x0b05, PROC_IO, "proc.io", "calls that read", "what the thread read, size_bytes, and wrote, address, by the kernel's own count since it began, and in how many calls, object and context; status: 0 it goes on, 1 it becomes another program, 2 it ended") \
	ANAROS_KIND(0x0b06, PROC_CPU, "proc.cpu", "start time of the thread", "size_bytes is the ns that the thread ran by the kernel's own count since it began; status as in proc.io") \
	ANAROS_KIND(0x0901, MEM_FAULT, "mem.fault", "0", "the thread slept in a page fault; address is the instruction, status is 1 where it waited for I/O") \
	ANAROS_KIND(0x0902, MEM_RECLAIM, "mem.reclaim", "0", "the thread had to free memory before it got some; size_bytes was freed, status is 1 for the limit of a cgroup, 0 for the machine") \
	ANAROS_KIND(0x0903, MEM_COMPACT, "mem.compact", "0", "the thread had to move memory to get a large piece; status is the kernel's result") \
	ANAROS_KIND(0x0904, MEM_MIGRATE, "mem.migrate", "0", "the thread moved pages, between nodes or within one; size_bytes were moved, context could not be, status is the kernel's reason") \
	ANAROS_KIND(0x0905, MEM_OOM, "mem.oom", "pid that asked for memory", "the process is killed for want of memory") \
	ANAROS_KIND(0x0906, MEM_FAULTS, "mem.faults", "0", "page faults of the thread by the kernel's count, within address ns; size_bytes minor ones, context major ones") \
	ANAROS_KIND(0x0907, MEM_REMOTE, "mem.remote", "NUMA node", "memory that the node gave within this second to CPUs of other nodes, whoever they ran; size_bytes were such, address all that it gave, context what was wanted of another node") \
	ANAROS_KIND(0x0c01, SYNC_WAIT, "sync.wait", "address of the semaphore", "the thread slept in sem_wait and its variants") \
	ANAROS_KIND(0x0c02, SYNC_WAKE, "sync.wake", "address of the semaphore", "the thread posted a semaphore that another slept on") \
	ANAROS_KIND(0x0c03, SYNC_FUTEX, "sync.futex", "address of the futex", "the thread slept on a futex: a lock, a condition, a join; address is the tid that woke it, size_bytes its pid, 0 = a timeout or signal") \
	ANAROS_KIND(0x0c04, SYNC_KERNEL, "sync.kernel", "address of the lock", "the thread waited long for a lock of the kernel; status is the sort of lock") \
	ANAROS_KIND(0x0c05, SYNC_KERNEL_TOTAL, "sync.kernel_total", "0", "waits of the process for locks of the kernel within context ns; size_bytes is how many, duration_ns the sum, status the sort of lock") \
	ANAROS_KIND(0x0d01, CGROUP_MOVE, "cgroup.move", "cgroup", "the thread was moved to the cgroup") \
	ANAROS_KIND(0x0d02, CGROUP_FREEZE, "cgroup.freeze", "cgroup", "a cgroup of the target is frozen, status 1, or goes on, 0") \
	ANAROS_KIND(0x0d03, CGROUP_REMOVE, "cgroup.remove", "cgroup", "a cgroup that the target was in is removed") \
	ANAROS_KIND(0x0e01, PROBE_SHED, "probe.shed", "probe", "the probe was given up to stay within the budget; what it tells is unknown from here on. Of each second it took size_bytes ns, all probes context ns, and the budget is address ns") \
	ANAROS_KIND(0x0e02, PROBE_BACK, "probe.back", "probe", "the probe is at work again, after all that time; size_bytes, context and address as in probe.shed, but context by the last reading")
/* clang-format on */

enum anaros_kind {
#define ANAROS_KIND(value, symbol, name, object, text) ANAROS_KIND_##symbol = (value),
	ANAROS_KINDS(ANAROS_KIND)
#undef ANAROS_KIND
};

/* object of GPU_TIMING. */
enum anaros_timing {
	ANAROS_TIMING_ON = 1,
	ANAROS_TIMING_SEAT_HELD = 2,
	ANAROS_TIMING_GIVEN_UP = 3,
	ANAROS_TIMING_NO_LIBRARY = 4,
	ANAROS_TIMING_UNKNOWN_VERSION = 5,
	ANAROS_TIMING_FAILED = 6,
};

/* How the bytes of a GPU_STORAGE went: the low three bits of flags, and one more. */
enum anaros_storage {
	ANAROS_STORAGE_WRITE = 1, /* from the device to the file */
	ANAROS_STORAGE_POSIX = 0, /* through memory of the host */
	ANAROS_STORAGE_DIRECT = 2,
	ANAROS_STORAGE_RDMA = 4,
	ANAROS_STORAGE_BOUNCED = 8, /* through a buffer of the library's on the device */
};

/* status of FILE_FILL: why. */
enum anaros_fill {
	ANAROS_FILL_UNKNOWN = 0,
	ANAROS_FILL_READ = 1,  /* a call that reads did not find them */
	ANAROS_FILL_FAULT = 2, /* a page fault did not */
	ANAROS_FILL_NEW = 3,   /* they are written to: nothing is read */
	ANAROS_FILL_AHEAD = 4, /* a FILE_READAHEAD */
};

/* context of FILE_URING: the number of the operation in the low byte, and these. */
enum anaros_uring {
	ANAROS_URING_WORKER = 0x100, /* a thread of the kernel did it */
	ANAROS_URING_POLL = 0x200,   /* it had to wait until the file was ready */
	ANAROS_URING_MORE = 0x400,   /* one of several results; since when is not told, nor of what */
};

/* status of META_NAME: what sort of thing the name belongs to. */
enum anaros_name_class {
	ANAROS_NAME_FILE = 1,    /* object: inode; path */
	ANAROS_NAME_SOCKET = 2,  /* object: cookie; "tcp local -> peer" */
	ANAROS_NAME_KERNEL = 3,  /* object: kernel handle; function name */
	ANAROS_NAME_DEVICE = 4,  /* object: device; name or UUID */
	ANAROS_NAME_PROCESS = 5, /* object: pid; command */
	ANAROS_NAME_STREAM = 6,  /* object: stream or queue; its device */
	ANAROS_NAME_REASON = 7,  /* object: number; drop reason */
	ANAROS_NAME_PROGRAM = 8, /* object: pid; path of the executable */
	ANAROS_NAME_FUNCTION = 9, /* object: hash of it; a function passed by */
	ANAROS_NAME_INTERRUPT = 10, /* object: number; its handler */
	ANAROS_NAME_CGROUP = 11, /* object: id; path */
	ANAROS_NAME_PROBE = 12, /* object: number; its name */
};

#endif
