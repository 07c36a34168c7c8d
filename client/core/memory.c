#include "core/memory.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void default_oom(void)
{
	fputs("pythia: out of memory\n", stderr);
	abort();
}

static pythia_oom_handler oom_handler = default_oom;

void pythia_out_of_memory(void)
{
	oom_handler();
	abort(); /* a handler must not return */
}

void pythia_set_oom_handler(pythia_oom_handler handler)
{
	oom_handler = handler ? handler : default_oom;
}

void *pythia_malloc(size_t size)
{
	void *ptr = malloc(size ? size : 1);

	if (!ptr)
		pythia_out_of_memory();
	return ptr;
}

void *pythia_calloc(size_t count, size_t size)
{
	void *ptr = calloc(count ? count : 1, size ? size : 1);

	if (!ptr)
		pythia_out_of_memory();
	return ptr;
}

void *pythia_realloc(void *ptr, size_t size)
{
	ptr = realloc(ptr, size ? size : 1);
	if (!ptr)
		pythia_out_of_memory();
	return ptr;
}

char *pythia_strdup(const char *text)
{
	return text ? pythia_strndup(text, strlen(text)) : NULL;
}

char *pythia_strndup(const char *text, size_t length)
{
	char *copy = pythia_malloc(length + 1);

	memcpy(copy, text, length);
	copy[length] = '\0';
	return copy;
}

void pythia_free(void *ptr)
{
	free(ptr);
}
