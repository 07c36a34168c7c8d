/*
 * Allocation that does not return NULL.
 *
 * When memory runs out the host's handler is called and must not return (the
 * default prints and aborts; a PostgreSQL backend ends its session).  Large
 * data is bounded by design, so this is about small allocations.
 */
#ifndef PYTHIA_MEMORY_H
#define PYTHIA_MEMORY_H

#include <stddef.h>

typedef void (*pythia_oom_handler)(void);

void pythia_set_oom_handler(pythia_oom_handler handler);
void pythia_out_of_memory(void) __attribute__((noreturn));
void *pythia_malloc(size_t size);               /* caller frees with pythia_free */
void *pythia_calloc(size_t count, size_t size); /* zeroed */
void *pythia_realloc(void *ptr, size_t size);
char *pythia_strdup(const char *text); /* NULL gives NULL */
char *pythia_strndup(const char *text, size_t length);
void pythia_free(void *ptr);

#endif
