/* A growing byte string, always NUL-terminated after the first append. */
#ifndef PYTHIA_BUFFER_H
#define PYTHIA_BUFFER_H

#include <stdarg.h>
#include <stddef.h>
#include <string.h>

typedef struct pythia_buffer
{
	char *data; /* NULL while nothing was appended */
	size_t length;
	size_t capacity;
} pythia_buffer;

#define PYTHIA_BUFFER_INIT                                                                                             \
	{                                                                                                                  \
		NULL, 0, 0                                                                                                     \
	}

void pythia_buffer_grow(pythia_buffer *buffer, size_t extra);

/* Room for `extra` bytes and the NUL. */
static inline void pythia_buffer_reserve(pythia_buffer *buffer, size_t extra)
{
	if (extra >= buffer->capacity - buffer->length)
		pythia_buffer_grow(buffer, extra);
}

static inline void pythia_buffer_append(pythia_buffer *buffer, const void *data, size_t length)
{
	pythia_buffer_reserve(buffer, length);
	if (length)
		memcpy(buffer->data + buffer->length, data, length);
	buffer->length += length;
	buffer->data[buffer->length] = '\0';
}

static inline void pythia_buffer_puts(pythia_buffer *buffer, const char *text)
{
	pythia_buffer_append(buffer, text, strlen(text));
}

static inline void pythia_buffer_putc(pythia_buffer *buffer, char character)
{
	pythia_buffer_reserve(buffer, 1);
	buffer->data[buffer->length++] = character;
	buffer->data[buffer->length] = '\0';
}

void pythia_buffer_printf(pythia_buffer *buffer, const char *format, ...) __attribute__((format(printf, 2, 3)));
void pythia_buffer_vprintf(pythia_buffer *buffer, const char *format, va_list args);
void pythia_buffer_hex(pythia_buffer *buffer, const void *data, size_t length); /* lower-case */
void pythia_buffer_clear(pythia_buffer *buffer);                                /* keeps the memory */
void pythia_buffer_free(pythia_buffer *buffer);
char *pythia_buffer_take(pythia_buffer *buffer); /* the caller owns the text ("" if empty); buffer is reset */
const char *pythia_buffer_text(const pythia_buffer *buffer); /* never NULL */

#endif
