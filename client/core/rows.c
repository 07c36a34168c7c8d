/*
 * Encoding and decoding of COPY text.  Both copy 16 bytes at a time and look
 * for the few special bytes in the same registers; rows of plain text cost
 * little more than a memcpy.
 */
#include "core/rows.h"

#include <stdio.h>
#include <string.h>

#include "core/memory.h"
#include "core/text.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

/* What to write after the backslash, or 0: \b \t \n \v \f \r are 8 to 13. */
static const char escapes[256] = {
	['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\v'] = 'v', ['\f'] = 'f', ['\r'] = 'r', ['\\'] = '\\',
};

/* The reverse; any other character stands for itself. */
static const char unescapes[256] = {
	['b'] = '\b', ['t'] = '\t', ['n'] = '\n', ['v'] = '\v', ['f'] = '\f', ['r'] = '\r',
};

/*
 * Copies bytes that need no escape from `from` to `to` and returns how many.
 * Up to 15 bytes of rubbish may be written after them, so that `to` must have
 * room for length + 16.
 */
static inline size_t copy_plain(char *to, const char *from, size_t length)
{
	size_t done = 0;

#ifdef __SSE2__
	const __m128i below = _mm_set1_epi8(7);
	const __m128i above = _mm_set1_epi8(14);
	const __m128i backslash = _mm_set1_epi8('\\');

	while (done + 16 <= length)
	{
		__m128i bytes = _mm_loadu_si128((const __m128i *) (from + done));
		__m128i control = _mm_and_si128(_mm_cmpgt_epi8(bytes, below), _mm_cmplt_epi8(bytes, above));
		int mask = _mm_movemask_epi8(_mm_or_si128(control, _mm_cmpeq_epi8(bytes, backslash)));

		_mm_storeu_si128((__m128i *) (to + done), bytes);
		if (mask)
			return done + (size_t) __builtin_ctz((unsigned) mask);
		done += 16;
	}
#endif
	while (done < length && !escapes[(unsigned char) from[done]])
	{
		to[done] = from[done];
		done++;
	}
	return done;
}

/* Bounds what is reserved ahead for a value that may double in size. */
#define ENCODE_STEP 16384
/* From there on a field is not copied where that can be helped. */
#define LARGE_FIELD (1 << 20)

static inline void begin_field(pythia_rows_writer *writer, size_t room)
{
	pythia_buffer *buffer = &writer->buffer;

	if (buffer->length + room + 32 > buffer->capacity)
		pythia_buffer_reserve(buffer, room + 32);
	if (writer->in_row)
		buffer->data[buffer->length++] = '\t';
	writer->in_row = true;
}

static inline size_t text_room(size_t length)
{
	return length < ENCODE_STEP ? length * 2 : length + length / 32;
}

static inline void put_text(pythia_buffer *buffer, const char *value, size_t length)
{
	size_t at = 0;

	while (at < length)
	{
		size_t step = length - at < ENCODE_STEP ? length - at : ENCODE_STEP;
		size_t stop = at + step;
		char *to;

		if (buffer->length + step * 2 + 32 > buffer->capacity)
			pythia_buffer_reserve(buffer, step * 2 + 32);
		to = buffer->data + buffer->length;
		while (at < stop)
		{
			size_t plain = copy_plain(to, value + at, stop - at);

			to += plain;
			at += plain;
			if (at < stop)
			{
				*to++ = '\\';
				*to++ = escapes[(unsigned char) value[at++]];
			}
		}
		buffer->length = (size_t) (to - buffer->data);
	}
	buffer->data[buffer->length] = '\0';
}

void pythia_rows_text(pythia_rows_writer *writer, const char *value, size_t length)
{
	begin_field(writer, text_room(length));
	put_text(&writer->buffer, value, length);
}

void pythia_rows_marked(pythia_rows_writer *writer, char mark, const char *value, size_t length)
{
	begin_field(writer, text_room(length) + 1);
	writer->buffer.data[writer->buffer.length++] = mark;
	put_text(&writer->buffer, value, length);
}

void pythia_rows_bytes(pythia_rows_writer *writer, const void *value, size_t length)
{
	begin_field(writer, length * 2 + 3);
	/* the text is \x…, and its backslash is escaped as any other */
	memcpy(writer->buffer.data + writer->buffer.length, "\\\\x", 3);
	writer->buffer.length += 3;
	pythia_buffer_hex(&writer->buffer, value, length);
}

void pythia_rows_null(pythia_rows_writer *writer)
{
	begin_field(writer, 2);
	memcpy(writer->buffer.data + writer->buffer.length, "\\N", 3);
	writer->buffer.length += 2;
}

void pythia_rows_end(pythia_rows_writer *writer)
{
	pythia_buffer_putc(&writer->buffer, '\n');
	writer->count++;
	writer->in_row = false;
}

void pythia_rows_undo(pythia_rows_writer *writer)
{
	while (writer->buffer.length > 0 && writer->buffer.data[writer->buffer.length - 1] != '\n')
		writer->buffer.length--;
	writer->in_row = false;
}

void pythia_rows_clear(pythia_rows_writer *writer)
{
	pythia_buffer_clear(&writer->buffer);
	writer->count = 0;
	writer->in_row = false;
}

void pythia_rows_free(pythia_rows_writer *writer)
{
	pythia_buffer_free(&writer->buffer);
	writer->count = 0;
	writer->in_row = false;
}

pythia_rows pythia_rows_view(const pythia_rows_writer *writer)
{
	pythia_rows rows = {pythia_buffer_text(&writer->buffer), writer->buffer.length, writer->count};

	return rows;
}

void pythia_rows_open(pythia_rows_reader *reader, const pythia_rows *rows)
{
	reader->cursor = rows->data;
	reader->end = rows->data ? rows->data + rows->length : rows->data;
	reader->nfields = 0;
}

static pythia_field *add_field(pythia_rows_reader *reader)
{
	if (reader->nfields == reader->capacity)
	{
		reader->capacity = reader->capacity ? reader->capacity * 2 : 16;
		reader->fields = pythia_realloc(reader->fields, (size_t) reader->capacity * sizeof(pythia_field));
	}
	reader->fields[reader->nfields].in_place = false;
	return &reader->fields[reader->nfields++];
}

/*
 * Copies up to the next tab or backslash, at most `length` bytes; writes up to
 * 15 bytes more, as copy_plain does.
 */
static inline size_t copy_field(char *to, const char *from, size_t length)
{
	size_t done = 0;

#ifdef __SSE2__
	const __m128i tab = _mm_set1_epi8('\t');
	const __m128i backslash = _mm_set1_epi8('\\');

	while (done + 16 <= length)
	{
		__m128i bytes = _mm_loadu_si128((const __m128i *) (from + done));
		int mask = _mm_movemask_epi8(_mm_or_si128(_mm_cmpeq_epi8(bytes, tab), _mm_cmpeq_epi8(bytes, backslash)));

		_mm_storeu_si128((__m128i *) (to + done), bytes);
		if (mask)
			return done + (size_t) __builtin_ctz((unsigned) mask);
		done += 16;
	}
#endif
	while (done < length && from[done] != '\t' && from[done] != '\\')
	{
		to[done] = from[done];
		done++;
	}
	return done;
}

static size_t field_length(const char *from, const char *stop)
{
	const char *tab = memchr(from, '\t', (size_t) (stop - from));

	return (size_t) ((tab ? tab : stop) - from);
}

/* A large value of bytes has one escape, that of its first character: the text behind it can be read where it lies. */
static bool lies_ready(const char *from, size_t length)
{
	return length > LARGE_FIELD && memcmp(from, "\\\\x", 3) == 0 && !memchr(from + 2, '\\', length - 2);
}

/* What decoding a row takes at most. */
static size_t room_for(const char *from, const char *stop, bool in_place)
{
	size_t room = (size_t) (stop - from);

	for (const char *tab; in_place && room > LARGE_FIELD && from < stop; from = tab + 1)
	{
		tab = from + field_length(from, stop);
		if (lies_ready(from, (size_t) (tab - from)))
			room -= (size_t) (tab - from);
	}
	return room + 32;
}

bool pythia_rows_next(pythia_rows_reader *reader)
{
	const char *from = reader->cursor;
	const char *stop;
	char *to;

	reader->nfields = 0;
	if (!from || from >= reader->end)
		return false;
	/* a newline within a value is always escaped */
	stop = memchr(from, '\n', (size_t) (reader->end - from));
	if (!stop)
		stop = reader->end;
	reader->cursor = stop < reader->end ? stop + 1 : stop;
	pythia_buffer_clear(&reader->scratch);
	/* decoded text is never longer than encoded, and each tab leaves room for a NUL */
	pythia_buffer_reserve(&reader->scratch, room_for(from, stop, reader->in_place));
	to = reader->scratch.data;
	for (;;)
	{
		pythia_field *field = add_field(reader);
		char *start = to;

		if (stop - from >= 2 && from[0] == '\\' && from[1] == 'N' && (stop - from == 2 || from[2] == '\t'))
		{
			from += 2;
			field->value = NULL;
			field->length = 0;
		}
		else if (reader->in_place && stop - from > LARGE_FIELD && lies_ready(from, field_length(from, stop)))
		{
			field->value = from + 1;
			field->length = field_length(from, stop) - 1;
			field->in_place = true;
			from += field->length + 1;
		}
		else
		{
			for (;;)
			{
				size_t plain = copy_field(to, from, (size_t) (stop - from));

				to += plain;
				from += plain;
				if (from == stop || *from == '\t')
					break;
				from++;
				/* A bare tab ends a field whatever stands before it, so that all who count them agree: a lone
				 * backslash stands for itself. */
				if (from == stop || *from == '\t')
				{
					*to++ = '\\';
					break;
				}
				*to = unescapes[(unsigned char) *from];
				if (!*to)
					*to = *from;
				to++;
				from++;
			}
			field->value = start;
			field->length = (size_t) (to - start);
			*to++ = '\0';
		}
		if (from == stop)
			return true;
		from++; /* the tab */
	}
}

void pythia_rows_close(pythia_rows_reader *reader)
{
	pythia_buffer_free(&reader->scratch);
	pythia_free(reader->fields);
	memset(reader, 0, sizeof(*reader));
}

bool pythia_rows_unhex(const pythia_field *field, pythia_buffer *out)
{
	char *to;

	if (!field->value || field->length < 2 || field->length % 2 != 0 || field->value[0] != '\\' ||
		field->value[1] != 'x')
		return false;
	pythia_buffer_reserve(out, field->length / 2);
	to = out->data + out->length;
	for (size_t i = 2; i < field->length; i += 2)
	{
		int high = pythia_hex_value(field->value[i]);
		int low = pythia_hex_value(field->value[i + 1]);

		if (high < 0 || low < 0)
		{
			out->data[out->length] = '\0';
			return false;
		}
		*to++ = (char) (high << 4 | low);
	}
	*to = '\0';
	out->length = (size_t) (to - out->data);
	return true;
}

void pythia_rows_text_or_null(pythia_rows_writer *writer, const char *text)
{
	if (text)
		pythia_rows_text(writer, text, strlen(text));
	else
		pythia_rows_null(writer);
}

void pythia_rows_integer(pythia_rows_writer *writer, int64_t value)
{
	char text[24];

	pythia_rows_text(writer, text, (size_t) snprintf(text, sizeof(text), "%lld", (long long) value));
}
