#include "core/buffer.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"

void pythia_buffer_grow(pythia_buffer *buffer, size_t extra)
{
	size_t needed = buffer->length + extra + 1;
	size_t capacity;

	if (needed < extra) /* overflow: no such memory */
		needed = SIZE_MAX;
	capacity = buffer->capacity ? buffer->capacity : 64;
	while (capacity < needed)
	{
		if (capacity > SIZE_MAX / 2)
		{
			capacity = needed;
			break;
		}
		/* doubling a large buffer would waste what the caller's budget counts */
		capacity += capacity < (1U << 24) ? capacity : capacity / 4;
	}
	buffer->data = pythia_realloc(buffer->data, capacity);
	buffer->capacity = capacity;
}

void pythia_buffer_vprintf(pythia_buffer *buffer, const char *format, va_list args)
{
	va_list again;
	int length;

	pythia_buffer_reserve(buffer, 128);
	va_copy(again, args);
	length = vsnprintf(buffer->data + buffer->length, buffer->capacity - buffer->length, format, args);
	if (length < 0)
		pythia_out_of_memory(); /* longer than an int tells: a text without its part would be another */
	if ((size_t) length >= buffer->capacity - buffer->length)
	{
		pythia_buffer_reserve(buffer, (size_t) length);
		vsnprintf(buffer->data + buffer->length, buffer->capacity - buffer->length, format, again);
	}
	buffer->length += (size_t) length;
	va_end(again);
}

void pythia_buffer_printf(pythia_buffer *buffer, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	pythia_buffer_vprintf(buffer, format, args);
	va_end(args);
}

void pythia_buffer_hex(pythia_buffer *buffer, const void *data, size_t length)
{
	static const char digits[] = "0123456789abcdef";
	const unsigned char *from = data;
	char *to;

	pythia_buffer_reserve(buffer, length * 2);
	to = buffer->data + buffer->length;
	for (size_t i = 0; i < length; i++)
	{
		*to++ = digits[from[i] >> 4];
		*to++ = digits[from[i] & 15];
	}
	*to = '\0';
	buffer->length += length * 2;
}

void pythia_buffer_clear(pythia_buffer *buffer)
{
	buffer->length = 0;
	if (buffer->data)
		buffer->data[0] = '\0';
}

void pythia_buffer_free(pythia_buffer *buffer)
{
	pythia_free(buffer->data);
	memset(buffer, 0, sizeof(*buffer));
}

char *pythia_buffer_take(pythia_buffer *buffer)
{
	char *text = buffer->data ? buffer->data : pythia_strdup("");

	memset(buffer, 0, sizeof(*buffer));
	return text;
}

const char *pythia_buffer_text(const pythia_buffer *buffer)
{
	return buffer->data ? buffer->data : "";
}
