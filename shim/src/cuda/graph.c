// SPDX-License-Identifier: Apache-2.0
/* Graphs that are put together, made ready to run, and run. */
#include "cuda/nodes.h"

/* Nodes and kernels of what runs now; a launch in capture is a node itself. */
#define RUNS(executable, flags_)                                                                   \
	struct anaros_cuda_nodes nodes;                                                            \
	uint16_t way = (flags_);                                                                   \
	bool known = result == CUDA_SUCCESS && (way & ANAROS_FLAG_CAPTURE) == 0 &&                 \
		     anaros_cuda_nodes_of(executable, &nodes);                                     \
	CUDA_RECORD(.kind = ANAROS_KIND_GPU_GRAPH, .flags = way, .object = CUDA_STREAM(hStream),   \
		    .address = (uintptr_t)(executable), .size_bytes = known ? total(&nodes) : 0,   \
		    .context = known ? nodes.of[ANAROS_CUDA_NODE_KERNEL] : 0)

static inline uint64_t total(const struct anaros_cuda_nodes *nodes)
{
	uint64_t sum = 0;

	for (unsigned int sort = 0; sort < ANAROS_CUDA_NODE_COUNT; sort++)
		sum += nodes->of[sort];
	return sum;
}

CUDA_PAIR(cuGraphLaunch, _ptsz, RUNS(hGraph, CUDA_FLAGS(hStream, ANAROS_FLAG_ASYNC)))

static char *put(char *at, const char *text)
{
	while (*text != '\0')
		*at++ = *text++;
	return at;
}

static char *put_number(char *at, uint32_t number)
{
	char digits[10];
	unsigned int count = 0;

	do
		digits[count++] = (char)('0' + number % 10);
	while ((number /= 10) != 0);
	while (count > 0)
		*at++ = digits[--count];
	return at;
}

/* "graph: 12 kernels, 3 copies" */
static void name_graph(const void *executable, const struct anaros_cuda_nodes *nodes)
{
	static const char *const words[] = {" kernel", " cop", " fill", " other"};
	static const char *const plural[] = {"s", "ies", "s", "s"}, *const one[] = {"", "y", "",
										    ""};
	char text[96], *at = put(text, "graph:");
	const char *comma = " ";
	uint64_t hash = 14695981039346656037ull;

	for (unsigned int sort = 0; sort < ANAROS_CUDA_NODE_COUNT; sort++) {
		uint32_t many = nodes->of[sort];

		if (many == 0)
			continue;
		at = put(put_number(put(at, comma), many), words[sort]);
		at = put(at, many == 1 ? one[sort] : plural[sort]);
		comma = ", ";
	}
	if (total(nodes) == 0)
		at = put(at, " empty");
	for (const char *byte = text; byte < at; byte++)
		hash = (hash ^ (unsigned char)*byte) * 1099511628211ull;
	if (anaros_name_is_new((uintptr_t)executable, hash))
		anaros_name(ANAROS_NAME_KERNEL, (uintptr_t)executable, text, (size_t)(at - text));
}

static uint64_t ready(const void *executable)
{
	struct anaros_cuda_nodes nodes;

	if (!anaros_cuda_nodes_of(executable, &nodes))
		return 0;
	name_graph(executable, &nodes);
	return total(&nodes);
}

#define INSTANTIATE(executable, graph, nodes_)                                                     \
	CUDA_NOTE(.kind = ANAROS_KIND_GPU_INSTANTIATE, .object = (uintptr_t)(executable),          \
		  .address = (uintptr_t)(graph), .size_bytes = (nodes_))
#define INSTANTIATED                                                                               \
	anaros_cuda_graph_copied(CUDA_OUT(phGraphExec), hGraph);                                   \
	INSTANTIATE(CUDA_OUT(phGraphExec), hGraph, ready(CUDA_OUT(phGraphExec)))

CUDA_WRAP(cuGraphInstantiate, INSTANTIATED)
CUDA_WRAP(cuGraphInstantiate_v2, INSTANTIATED)
CUDA_WRAP(cuGraphInstantiateWithFlags, INSTANTIATED)
CUDA_PAIR(cuGraphInstantiateWithParams, _ptsz, INSTANTIATED)
/* Other values for the same nodes: a graph of another shape is refused. */
CUDA_WRAP(cuGraphExecUpdate, INSTANTIATE(hGraphExec, hGraph, ready(hGraphExec)))
CUDA_WRAP(cuGraphExecUpdate_v2, INSTANTIATE(hGraphExec, hGraph, ready(hGraphExec)))

#define SUCCEEDED(...)                                                                             \
	if (result == CUDA_SUCCESS)                                                                \
	__VA_ARGS__

CUDA_WRAP(cuGraphExecDestroy, SUCCEEDED(anaros_cuda_graph_gone(hGraphExec));
	  INSTANTIATE(hGraphExec, NULL, 0))
/* Of which sort the node is, nobody tells. */
CUDA_WRAP(cuGraphNodeSetEnabled, SUCCEEDED(anaros_cuda_graph_unknown(hGraphExec)))

CUDA_WRAP(cuGraphCreate, anaros_cuda_graph_made(CUDA_OUT(phGraph)))
CUDA_WRAP(cuGraphClone, anaros_cuda_graph_copied(CUDA_OUT(phGraphClone), originalGraph))
CUDA_WRAP(cuGraphDestroy, SUCCEEDED(anaros_cuda_graph_gone(hGraph)))
CUDA_WRAP(cuGraphDestroyNode, SUCCEEDED(anaros_cuda_node_removed()))

#define ADDED(sort, many) SUCCEEDED(anaros_cuda_node_added(hGraph, ANAROS_CUDA_NODE_##sort, (many)))

CUDA_WRAP(cuGraphAddKernelNode, ADDED(KERNEL, 1))
CUDA_WRAP(cuGraphAddKernelNode_v2, ADDED(KERNEL, 1))
CUDA_WRAP(cuGraphAddMemcpyNode, ADDED(COPY, 1))
CUDA_WRAP(cuGraphAddMemsetNode, ADDED(FILL, 1))
CUDA_WRAP(cuGraphAddHostNode, ADDED(OTHER, 1))
CUDA_WRAP(cuGraphAddChildGraphNode, SUCCEEDED(anaros_cuda_graph_added(hGraph, childGraph)))

/* The driver's CUDA_BATCH_MEM_OP_NODE_PARAMS and CUDA_EXT_SEM_*_NODE_PARAMS, up to the number. */
struct words {
	void *context;
	unsigned int count;
};

struct semaphores {
	const void *list, *values;
	unsigned int count;
};

#define MANY(type) (((const struct type *)nodeParams)->count)

CUDA_WRAP(cuGraphAddBatchMemOpNode, ADDED(OTHER, MANY(words)))
CUDA_WRAP(cuGraphAddExternalSemaphoresSignalNode, ADDED(OTHER, MANY(semaphores)))
CUDA_WRAP(cuGraphAddExternalSemaphoresWaitNode, ADDED(OTHER, MANY(semaphores)))

/* The driver's CUgraphNodeParams: the part that tells what a node is. */
struct node {
	unsigned int type;
	unsigned int reserved[3];
	union {
		const void *graph;
		struct words words;
		struct semaphores semaphores;
	};
};

enum node_type {
	NODE_KERNEL = 0,
	NODE_COPY = 1,
	NODE_FILL = 2,
	NODE_HOST = 3,
	NODE_GRAPH = 4,
	NODE_SEMAPHORES_SIGNAL = 8,
	NODE_SEMAPHORES_WAIT = 9,
	NODE_WORDS = 12,
	NODE_CONDITIONAL = 13,
};

static COLD void added(const void *graph, const struct node *node)
{
	switch (node->type) {
	case NODE_KERNEL:
		anaros_cuda_node_added(graph, ANAROS_CUDA_NODE_KERNEL, 1);
		break;
	case NODE_COPY:
		anaros_cuda_node_added(graph, ANAROS_CUDA_NODE_COPY, 1);
		break;
	case NODE_FILL:
		anaros_cuda_node_added(graph, ANAROS_CUDA_NODE_FILL, 1);
		break;
	case NODE_HOST:
		anaros_cuda_node_added(graph, ANAROS_CUDA_NODE_OTHER, 1);
		break;
	case NODE_GRAPH:
		anaros_cuda_graph_added(graph, node->graph);
		break;
	case NODE_SEMAPHORES_SIGNAL:
	case NODE_SEMAPHORES_WAIT:
		anaros_cuda_node_added(graph, ANAROS_CUDA_NODE_OTHER, node->semaphores.count);
		break;
	case NODE_WORDS:
		anaros_cuda_node_added(graph, ANAROS_CUDA_NODE_OTHER, node->words.count);
		break;
	case NODE_CONDITIONAL:
		/* How often its body runs is decided on the device. */
		anaros_cuda_graph_unknown(graph);
		break;
	default:
		break;
	}
}

/* The driver writes into the parameters: they are looked at before. */
#define ADD_ANY(symbol)                                                                            \
	CUDA_AROUND(symbol, struct node node = {.type = ~0u};                                      \
		    if (nodeParams != NULL) node = *(const struct node *)nodeParams;               \
		    , SUCCEEDED(added(hGraph, &node)))

ADD_ANY(cuGraphAddNode)
ADD_ANY(cuGraphAddNode_v2)
ADD_ANY(cuGraphAddNode_v3)
