/*
 * Sums a segment at a time, until what differs is small enough to look at its rows.
 *
 * Where the key begins with an integer, a segment is a range of it, read by the
 * index; its width follows the rows found so far.  Other keys collate differently in
 * each engine, so there the segments are buckets of the key's digest, all summed by
 * one statement a side.
 */
#include "validate/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "core/number.h"

typedef __int128 wide; /* holds int64 and uint64 and their differences */

/* A differing segment of at most this many segments' rows is read row by row. */
#define LEAF_SEGMENTS 2
/* A larger one is cut into this many. */
#define CUTS 16
/* Segments that are read row by row before it is tried again whether their sums agree. */
#define UNSUMMED_SEGMENTS 16
/* Rows a bucket should hold, and hex digits of the digest at most. */
#define BUCKET_ROWS   500
#define BUCKET_DIGITS 4

typedef struct segment_sums
{
	int64_t rows[2];
	bool equal;
} segment_sums;

static void put_wide(pythia_buffer *out, wide value)
{
	char digits[48];
	int at = sizeof(digits);
	bool negative = value < 0;

	digits[--at] = '\0';
	do
	{
		digits[--at] = (char) ('0' + (negative ? -(int) (value % 10) : (int) (value % 10)));
		value /= 10;
	} while (value != 0);
	if (negative)
		digits[--at] = '-';
	pythia_buffer_puts(out, digits + at);
}

static bool read_wide(const char *text, wide *value)
{
	bool negative = *text == '-';
	int n = 0;

	*value = 0;
	for (text += negative; *text >= '0' && *text <= '9' && n < 20; text++, n++)
		*value = *value * 10 + (*text - '0');
	if (negative)
		*value = -*value;
	return n > 0 && *text == '\0';
}

/* Equal as numbers: SQLite writes leading zeros. */
static bool same_digits(const char *a, const char *b)
{
	while (*a == '0' && a[1] != '\0')
		a++;
	while (*b == '0' && b[1] != '\0')
		b++;
	return strcmp(a, b) == 0;
}

/* Both sides have four columns from `first`: rows, digests, two sums.  Rows without a digest (too
 * large for the engine to build) must not pass. */
static void compare_sums(const pythia_result results[2], const int64_t rows[2], int first, segment_sums *sums)
{
	sums->equal = true;
	for (int side = 0; side < 2; side++)
	{
		sums->rows[side] = rows[side] < 0 ? 0 : pythia_result_number(&results[side], rows[side], first);
		if (rows[side] >= 0 && pythia_result_number(&results[side], rows[side], first + 1) != sums->rows[side])
			sums->equal = false;
	}
	if (sums->rows[0] != sums->rows[1])
		sums->equal = false;
	else if (sums->rows[0] > 0)
	{
		for (int i = first + 2; i < first + 4; i++)
		{
			const char *a = pythia_result_optional(&results[0], rows[0], i);
			const char *b = pythia_result_optional(&results[1], rows[1], i);

			if (a == NULL || b == NULL || !same_digits(a, b))
				sums->equal = false;
		}
	}
}

/* --- ranges -------------------------------------------------------------------- */

/* [low, high) of the key's first column; open-ended where the walk begins and ends. */
typedef struct key_range
{
	wide low;
	wide high;
	bool open_low;
	bool open_high;
} key_range;

static void range_condition(const pythia_side *side, const key_range *range, pythia_buffer *out)
{
	if (!range->open_low)
	{
		pythia_and(out);
		pythia_buffer_printf(out, "%s >= ", side->first.data);
		put_wide(out, range->low);
	}
	if (!range->open_high)
	{
		pythia_and(out);
		pythia_buffer_printf(out, "%s < ", side->first.data);
		put_wide(out, range->high);
	}
}

static void conditions(pythia_validation_state *v, const key_range *range, pythia_buffer out[2])
{
	for (int side = 0; side < 2; side++)
	{
		pythia_buffer_clear(&out[side]);
		pythia_buffer_puts(&out[side], pythia_buffer_text(&v->sides[side].filter));
		range_condition(&v->sides[side], range, &out[side]);
	}
}

static void free_both(pythia_buffer buffers[2])
{
	pythia_buffer_free(&buffers[0]);
	pythia_buffer_free(&buffers[1]);
}

static bool sum_range(pythia_validation_state *v, const key_range *range, segment_sums *sums, pythia_error *error)
{
	pythia_buffer where[2] = {PYTHIA_BUFFER_INIT, PYTHIA_BUFFER_INIT};
	pythia_buffer sql[2] = {PYTHIA_BUFFER_INIT, PYTHIA_BUFFER_INIT};
	pythia_result results[2];
	static const int64_t first_rows[2] = {0, 0};
	bool ok;

	conditions(v, range, where);
	for (int side = 0; side < 2; side++)
	{
		pythia_side *s = &v->sides[side];
		pythia_buffer from = PYTHIA_BUFFER_INIT;

		pythia_buffer_printf(&from, "FROM %s%s", s->name.data, pythia_buffer_text(&where[side]));
		pythia_canonical_sums(s->db, &sql[side], NULL, from.data, s->items, v->plan.npairs, s->sums_digest);
		pythia_buffer_free(&from);
	}
	ok = pythia_both_query(v, sql, "1ccTT", results, error);
	if (ok)
	{
		compare_sums(results, first_rows, 0, sums);
		pythia_result_free(&results[0]);
		pythia_result_free(&results[1]);
	}
	free_both(where);
	free_both(sql);
	return ok;
}

/* The least and the greatest key of both sides within a range; *any is false where there is no row. */
static bool bounds(pythia_validation_state *v, const key_range *within, bool least_only, wide *low, wide *high,
				   bool *any, pythia_error *error)
{
	pythia_buffer where[2] = {PYTHIA_BUFFER_INIT, PYTHIA_BUFFER_INIT};
	pythia_buffer sql[2] = {PYTHIA_BUFFER_INIT, PYTHIA_BUFFER_INIT};
	pythia_result results[2];
	bool ok;

	conditions(v, within, where);
	for (int side = 0; side < 2; side++)
	{
		pythia_side *s = &v->sides[side];

		pythia_buffer_printf(&sql[side], "SELECT min(%s), %s%s%s FROM %s%s", s->first.data, least_only ? "" : "max(",
							 least_only ? "NULL" : s->first.data, least_only ? "" : ")", s->name.data,
							 pythia_buffer_text(&where[side]));
	}
	*any = false;
	ok = pythia_both_query(v, sql, "1VV", results, error);
	for (int side = 0; ok && side < 2; side++)
	{
		const char *least = pythia_result_optional(&results[side], 0, 0);
		const char *greatest = least_only ? least : pythia_result_optional(&results[side], 0, 1);
		wide from, to;

		if (least == NULL)
			continue;
		if (greatest == NULL || !read_wide(least, &from) || !read_wide(greatest, &to))
		{
			ok = pythia_fail(error, PYTHIA_E_DATA, "22P02", "column %s of table %s holds a key that is no integer",
							 v->sides[side].first.data, v->sides[side].name.data);
			break;
		}
		if (!*any || from < *low)
			*low = from;
		if (!*any || to > *high)
			*high = to;
		*any = true;
	}
	pythia_result_free(&results[0]);
	pythia_result_free(&results[1]);
	free_both(where);
	free_both(sql);
	return ok;
}

/* Row by row; `rows` (may be NULL) gets how many each side has, where they are compared by value. */
static bool look_at_range(pythia_validation_state *v, const key_range *range, int64_t rows[2], pythia_error *error)
{
	pythia_buffer where[2] = {PYTHIA_BUFFER_INIT, PYTHIA_BUFFER_INIT};
	bool ok;

	conditions(v, range, where);
	ok = v->prefer_rows ? pythia_compare_values(v, where, rows, error) : pythia_compare_digests(v, where, error);
	free_both(where);
	return ok;
}

static bool walk(pythia_validation_state *v, const key_range *whole, int64_t rows, int64_t expected, int depth,
				 pythia_error *error);

/* A differing segment: its rows, or first its parts. */
static bool descend(pythia_validation_state *v, const key_range *segment, const segment_sums *sums, int depth,
					pythia_error *error)
{
	int64_t most = sums->rows[0] > sums->rows[1] ? sums->rows[0] : sums->rows[1];
	int64_t leaf = v->options->segment_rows * LEAF_SEGMENTS;
	wide low = 0, high = 0;
	bool any;

	if (most <= leaf || depth >= 64)
		return look_at_range(v, segment, NULL, error);
	if (!bounds(v, segment, false, &low, &high, &any, error))
		return false;
	if (!any || high == low)
		return look_at_range(v, segment, NULL, error);
	return walk(v, segment, most / CUTS > leaf / 2 ? most / CUTS : leaf / 2, most, depth + 1, error);
}

/* Sums `whole` in segments of about `rows` rows out of about `expected`. */
static bool walk(pythia_validation_state *v, const key_range *whole, int64_t rows, int64_t expected, int depth,
				 pythia_error *error)
{
	wide low = 0, high = 0, width, at;
	bool any;
	bool first = true;

	if (!bounds(v, whole, false, &low, &high, &any, error))
		return false;
	if (!any)
		return true;
	/* not known: as if every key were there; the width follows what is found */
	if (expected < 1)
		expected = high - low < INT64_MAX ? (int64_t) (high - low) + 1 : INT64_MAX;
	width = expected <= rows ? high - low + 1 : (high - low + 1) * rows / expected;
	if (width < 1)
		width = 1;
	for (at = low; at <= high;)
	{
		key_range segment = {.low = first ? whole->low : at,
							 .high = at + width,
							 .open_low = first && whole->open_low,
							 .open_high = false};
		segment_sums sums;
		int64_t most;

		/* rows that come while we look belong to the last segment */
		if (at + width > high)
		{
			segment.high = whole->high;
			segment.open_high = whole->open_high;
		}
		if (depth == 0 && v->prefer_rows && ++v->unsummed % UNSUMMED_SEGMENTS != 0)
		{
			/* sums have differed for nothing of late */
			if (!look_at_range(v, &segment, sums.rows, error))
				return false;
			sums.equal = true;
		}
		else
		{
			if (!sum_range(v, &segment, &sums, error))
				return false;
			v->prefer_rows = v->prefer_rows && !sums.equal;
		}
		most = sums.rows[0] > sums.rows[1] ? sums.rows[0] : sums.rows[1];
		if (depth == 0)
		{
			v->result->source_count = pythia_add(v->result->source_count, sums.rows[0]);
			v->result->target_count = pythia_add(v->result->target_count, sums.rows[1]);
			v->rows_done = pythia_add(v->rows_done, most);
			pythia_validation_progress(v, "checksum");
		}
		if (!sums.equal && !descend(v, &segment, &sums, depth, error))
			return false;
		first = false;
		if (at + width > high)
			break;
		at += width;
		if (most == 0)
		{
			key_range rest = {.low = at, .open_low = false, .high = whole->high, .open_high = whole->open_high};
			wide ignored = 0;

			if (!bounds(v, &rest, true, &at, &ignored, &any, error))
				return false;
			if (!any)
				break;
		}
		/* follow the density of the keys */
		if (most < rows / 2)
			width *= most > 0 && rows / most < 8 ? (int) (rows / most) : 8;
		else if (most > rows * 2)
			width = width * rows / most > 0 ? width * rows / most : 1;
		if (width > high - low + 1)
			width = high - low + 1;
	}
	return true;
}

/* --- buckets ------------------------------------------------------------------- */

static void bucket_expression(const pythia_side *side, int digits, pythia_buffer *out)
{
	switch (side->db->engine)
	{
		case PYTHIA_POSTGRESQL:
			pythia_buffer_printf(out, "pg_catalog.left(%s, %d)", side->identity.data, digits);
			break;
		case PYTHIA_MYSQL:
			pythia_buffer_printf(out, "LEFT(%s, %d)", side->identity.data, digits);
			break;
		case PYTHIA_SQLITE:
			pythia_buffer_printf(out, "substr(%s, 1, %d)", side->identity.data, digits);
			break;
	}
}

/* The result's row of each bucket, -1 where it has none; a NULL bucket is an error of its own. */
static bool index_buckets(const pythia_side *side, const pythia_result *result, int64_t *rows, int digits,
						  bool *keyless_row, pythia_error *error)
{
	for (int i = 0; i < 1 << 4 * digits; i++)
		rows[i] = -1;
	for (int64_t row = 0; row < result->nrows; row++)
	{
		const char *text = pythia_result_optional(result, row, 0);
		long bucket;

		if (text == NULL)
		{
			*keyless_row = true;
			continue;
		}
		if (strspn(text, "0123456789abcdefABCDEF") != strlen(text) || strlen(text) != (size_t) digits)
			return pythia_db_bad_answer(side->db, error, "a bucket that was not asked for");
		bucket = strtol(text, NULL, 16);
		if (rows[bucket] >= 0)
			return pythia_db_bad_answer(side->db, error, "a bucket that comes twice");
		rows[bucket] = row;
	}
	return true;
}

static bool look_at_buckets(pythia_validation_state *v, const bool *differ, int nbuckets, int ndiffer, int digits,
							pythia_error *error)
{
	pythia_buffer where[2] = {PYTHIA_BUFFER_INIT, PYTHIA_BUFFER_INIT};
	bool ok;

	for (int side = 0; side < 2; side++)
	{
		pythia_side *s = &v->sides[side];
		bool first = true;

		pythia_buffer_puts(&where[side], pythia_buffer_text(&s->filter));
		if (ndiffer > nbuckets / 2)
			continue; /* most of the table: not worth a condition */
		pythia_and(&where[side]);
		bucket_expression(s, digits, &where[side]);
		pythia_buffer_puts(&where[side], " IN (");
		for (int i = 0; i < nbuckets; i++)
		{
			if (!differ[i])
				continue;
			pythia_buffer_printf(&where[side], "%s'%0*x'", first ? "" : ", ", digits, (unsigned) i);
			first = false;
		}
		pythia_buffer_putc(&where[side], ')');
	}
	ok = ndiffer > nbuckets / 2 && v->prefer_rows ? pythia_compare_values(v, where, NULL, error)
												  : pythia_compare_digests(v, where, error);
	free_both(where);
	return ok;
}

static bool compare_buckets(pythia_validation_state *v, pythia_error *error)
{
	pythia_buffer sql[2] = {PYTHIA_BUFFER_INIT, PYTHIA_BUFFER_INIT};
	pythia_result results[2];
	int digits = 1;
	int nbuckets, ndiffer = 0;
	int64_t *rows[2];
	bool *differ;
	bool null_bucket = false;
	bool ok;

	while (digits < BUCKET_DIGITS && v->rows_expected > (INT64_C(1) << (4 * digits)) * BUCKET_ROWS)
		digits++;
	if (v->rows_expected < 0)
		digits = 3;
	nbuckets = 1 << (4 * digits);
	for (int side = 0; side < 2; side++)
	{
		pythia_side *s = &v->sides[side];
		pythia_buffer from = PYTHIA_BUFFER_INIT;
		pythia_buffer bucket = PYTHIA_BUFFER_INIT;

		bucket_expression(s, digits, &bucket);
		pythia_buffer_printf(&from, "FROM %s%s", s->name.data, pythia_buffer_text(&s->filter));
		pythia_canonical_sums(s->db, &sql[side], bucket.data, from.data, s->items, v->plan.npairs, s->sums_digest);
		pythia_buffer_free(&from);
		pythia_buffer_free(&bucket);
	}
	ok = pythia_both_query(v, sql, "TccTT", results, error);
	free_both(sql);
	if (!ok)
		return false;
	differ = pythia_calloc((size_t) nbuckets, sizeof(bool));
	for (int side = 0; side < 2; side++)
	{
		rows[side] = pythia_calloc((size_t) nbuckets, sizeof(int64_t));
		ok = ok && index_buckets(&v->sides[side], &results[side], rows[side], digits, &null_bucket, error);
		for (int64_t row = 0; ok && row < results[side].nrows; row++)
		{
			int64_t *count = side == PYTHIA_SOURCE ? &v->result->source_count : &v->result->target_count;

			*count = pythia_add(*count, pythia_result_number(&results[side], row, 1));
		}
	}
	for (int i = 0; ok && i < nbuckets; i++)
	{
		int64_t pair[2] = {rows[0][i], rows[1][i]};
		segment_sums sums;

		compare_sums(results, pair, 1, &sums);
		differ[i] = !sums.equal;
		ndiffer += differ[i];
	}
	for (int side = 0; side < 2; side++)
	{
		pythia_free(rows[side]);
		pythia_result_free(&results[side]);
	}
	if (!ok)
	{
		pythia_free(differ);
		return false;
	}
	v->rows_done = v->result->source_count;
	pythia_validation_progress(v, "checksum");
	if (null_bucket)
		ok = pythia_fail(error, PYTHIA_E_DATABASE, "54000",
						 "the key of a row of table \"%s\" is too large to be hashed", v->plan.source.name);
	else if (ndiffer > 0)
		ok = look_at_buckets(v, differ, nbuckets, ndiffer, digits, error);
	pythia_free(differ);
	return ok;
}

bool pythia_compare_segments(pythia_validation_state *v, pythia_error *error)
{
	static const key_range everything = {.open_low = true, .open_high = true};

	if (v->by_range)
		return walk(v, &everything, v->options->segment_rows, v->rows_expected, 0, error);
	return compare_buckets(v, error);
}
