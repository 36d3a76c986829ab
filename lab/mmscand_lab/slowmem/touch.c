/*
 * The accesses of the lab's workloads, apart from all other code of Python: the plug-in slows down
 * this library and nothing else.
 *
 * SPDX-License-Identifier: MIT
 */
#include <stddef.h>
#include <stdint.h>

/* Write the first `writes` of the words that `index` names, read the others. */
uint64_t touch(uint64_t *words, const int64_t *index, size_t count, size_t writes, uint64_t value)
{
	uint64_t sum = 0;
	size_t i;

	for (i = 0; i < writes; i++)
		words[index[i]] = value;
	for (; i < count; i++)
		sum += words[index[i]];
	return sum;
}

/* Read a word that says which one comes next, `count` times: nothing overlaps. */
uint64_t chase(const uint64_t *words, uint64_t at, size_t count)
{
	while (count--)
		at = words[at];
	return at;
}

/*
 * How far a search has come, breadth first: at which words its arrays begin, the ends of the queue,
 * the edges that are left of a vertex, and what marks the vertices that this search has found.
 */
struct search {
	uint64_t parents, queue, offsets, neighbours;
	uint64_t head, tail, edge, end, vertex, mark;
};

/* Go on with it for at most this number of edges; returns the accesses to the words. */
size_t search(uint64_t *words, struct search *state, size_t edges)
{
	struct search now = *state;
	uint64_t *parents = words + now.parents, *queue = words + now.queue, next;
	const uint64_t *offsets = words + now.offsets, *neighbours = words + now.neighbours;
	size_t accesses = 0;

	for (;;) {
		for (; now.edge < now.end && edges; edges--) {
			next = neighbours[now.edge++];
			accesses += 2;
			if (parents[next] >> 32 == now.mark)
				continue;
			parents[next] = now.mark << 32 | now.vertex;
			queue[now.tail++] = next;
			accesses += 2;
		}
		if (!edges || now.head == now.tail)
			break;
		now.vertex = queue[now.head++];
		now.edge = offsets[now.vertex];
		now.end = offsets[now.vertex + 1];
		accesses += 3;
	}
	*state = now;
	return accesses;
}

/* Read one word of each cache line, by address. */
uint64_t sweep(const uint64_t *words, size_t count)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < count; i += 8)
		sum += words[i];
	return sum;
}
