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

/* Read one word of each cache line, by address. */
uint64_t sweep(const uint64_t *words, size_t count)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < count; i += 8)
		sum += words[i];
	return sum;
}
