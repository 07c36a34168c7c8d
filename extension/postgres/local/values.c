#include "postgres/local/values.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "core/moment.h"
#include "core/number.h"
#include "core/text.h"
#include "datatype/timestamp.h"
#include "postgres/base/pg_compat.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/lsyscache.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

/* Digits that surely fit an int64, with room for one carry. */
#define SAFE_DIGITS 18

static const int64 powers[SAFE_DIGITS + 1] = {1,
											  10,
											  100,
											  1000,
											  10000,
											  100000,
											  1000000,
											  10000000,
											  100000000,
											  INT64CONST(1000000000),
											  INT64CONST(10000000000),
											  INT64CONST(100000000000),
											  INT64CONST(1000000000000),
											  INT64CONST(10000000000000),
											  INT64CONST(100000000000000),
											  INT64CONST(1000000000000000),
											  INT64CONST(10000000000000000),
											  INT64CONST(100000000000000000),
											  INT64CONST(1000000000000000000)};

void local_value_reader_init(local_value_reader *reader, Form_pg_attribute attribute, MemoryContext memory)
{
	Oid function;

	reader->type = attribute->atttypid;
	reader->typmod = attribute->atttypmod;
	getTypeInputInfo(attribute->atttypid, &function, &reader->parameter);
	fmgr_info_cxt(function, &reader->input, memory);
}

static inline bool digit(char c)
{
	return c >= '0' && c <= '9';
}

/* The column keeps all the digits of the fraction. */
static inline bool precise(const pythia_moment *moment, int32 typmod)
{
	return typmod < 0 || moment->digits <= typmod;
}

static bool read_timestamp(const pythia_field *field, int32 typmod, Datum *value)
{
	pythia_moment moment;

	if (!pythia_moment_stamp(field->value, field->length, &moment) || !precise(&moment, typmod))
		return false;
	*value = TimestampGetDatum(pythia_moment_days(&moment) * USECS_PER_DAY + pythia_moment_micros(&moment));
	return true;
}

/* Digits with a point, where they need no rounding and surely fit. */
static bool read_numeric(const pythia_field *field, int32 typmod, Datum *value)
{
	const char *at = field->value;
	const char *end = field->value + field->length;
	bool negative = at < end && *at == '-';
	int whole = 0;
	int scale = 0;
	int64 sum = 0;

	at += negative;
	if (end - at > SAFE_DIGITS || at == end || !digit(*at))
		return false;
	for (; at < end && digit(*at); at++)
	{
		sum = sum * 10 + (*at - '0');
		whole += sum != 0;
	}
	if (at < end && *at++ != '.')
		return false;
	for (; at < end && digit(*at); at++, scale++)
		sum = sum * 10 + (*at - '0');
	if (at < end)
		return false;
	if (typmod >= (int32) VARHDRSZ)
	{
		int precision = ((typmod - VARHDRSZ) >> 16) & 0xffff;
		int wanted = (typmod - VARHDRSZ) & 0x7ff; /* a negative one looks large */

		if (scale > wanted || wanted > precision || whole > precision - wanted || whole + wanted > SAFE_DIGITS)
			return false;
		sum *= powers[wanted - scale];
		scale = wanted;
	}
	*value = NumericGetDatum(int64_div_fast_to_numeric(negative ? -sum : sum, scale));
	return true;
}

static bool read_uuid(const pythia_field *field, Datum *value)
{
	pg_uuid_t *uuid;
	const char *at = field->value;

	if (field->length != 36)
		return false;
	uuid = palloc(sizeof(pg_uuid_t));
	for (int i = 0; i < UUID_LEN; i++)
	{
		int high;
		int low;

		if ((i == 4 || i == 6 || i == 8 || i == 10) && *at++ != '-')
			return false;
		high = pythia_hex_value(*at++);
		low = high < 0 ? -1 : pythia_hex_value(*at++);
		if (low < 0)
			return false;
		uuid->data[i] = (unsigned char) (high << 4 | low);
	}
	*value = UUIDPGetDatum(uuid);
	return true;
}

static Datum make_text(const pythia_field *field)
{
	struct varlena *text;

	/* as it would be stored anyway */
	if (field->length + VARHDRSZ_SHORT <= VARATT_SHORT_MAX)
	{
		text = palloc(field->length + VARHDRSZ_SHORT);
		SET_VARSIZE_SHORT(text, field->length + VARHDRSZ_SHORT);
		memcpy(VARDATA_SHORT(text), field->value, field->length);
	}
	else
	{
		text = palloc(field->length + VARHDRSZ);
		SET_VARSIZE(text, field->length + VARHDRSZ);
		memcpy(VARDATA(text), field->value, field->length);
	}
	return PointerGetDatum(text);
}

static bool read_frequent(const local_value_reader *reader, const pythia_field *field, Datum *value)
{
	int64 integer;
	pythia_moment moment;
	double number;

	switch (reader->type)
	{
		case BYTEAOID:
		{
			bytea *bytes;

			if (field->length < 2 || field->value[0] != '\\' || field->value[1] != 'x')
				return false;
			bytes = palloc(VARHDRSZ + field->length / 2);
			SET_VARSIZE(bytes, VARHDRSZ + hex_decode(field->value + 2, field->length - 2, VARDATA(bytes)));
			*value = PointerGetDatum(bytes);
			return true;
		}
		case INT8OID:
			if (!pythia_int64_read(field->value, field->length, &integer))
				return false;
			*value = Int64GetDatum(integer);
			return true;
		case INT4OID:
			if (!pythia_int64_read(field->value, field->length, &integer) || integer != (int32) integer)
				return false;
			*value = Int32GetDatum((int32) integer);
			return true;
		case INT2OID:
			if (!pythia_int64_read(field->value, field->length, &integer) || integer != (int16) integer)
				return false;
			*value = Int16GetDatum((int16) integer);
			return true;
		case BOOLOID:
			if (field->length != 1 || (field->value[0] != '0' && field->value[0] != '1'))
				return false;
			*value = BoolGetDatum(field->value[0] == '1');
			return true;
		case FLOAT8OID:
			/* what is too large or too small is for the server to refuse */
			if (field->length == 0 || !digit(field->value[field->length - 1]) ||
				!pythia_double_read(field->value, field->length, &number) || isinf(number) || number == 0)
				return false;
			*value = Float8GetDatum(number);
			return true;
		case VARCHAROID:
			if (reader->typmod >= (int32) VARHDRSZ && field->length > (size_t) reader->typmod - VARHDRSZ)
				return false;
			*value = make_text(field);
			return true;
		case TEXTOID:
			*value = make_text(field);
			return true;
		case NUMERICOID:
			return read_numeric(field, reader->typmod, value);
		case TIMESTAMPOID:
		case TIMESTAMPTZOID: /* the session's zone is UTC */
			return read_timestamp(field, reader->typmod, value);
		case DATEOID:
			if (!pythia_moment_date(field->value, field->length, &moment))
				return false;
			*value = DateADTGetDatum(pythia_moment_days(&moment));
			return true;
		case TIMEOID:
			if (!pythia_moment_clock(field->value, field->length, &moment) || !precise(&moment, reader->typmod))
				return false;
			*value = TimeADTGetDatum(pythia_moment_micros(&moment));
			return true;
		case UUIDOID:
			return read_uuid(field, value);
		default:
			return false;
	}
}

Datum local_value_read(local_value_reader *reader, const pythia_field *field)
{
	Datum value;

	if (field->value == NULL)
	{
		/* a domain may refuse it */
		if (!reader->input.fn_strict)
			(void) InputFunctionCall(&reader->input, NULL, reader->parameter, reader->typmod);
		return (Datum) 0;
	}
	if (read_frequent(reader, field, &value))
		return value;
	/* a large text that looks like bytes lies where it came, without an end of its own */
	return InputFunctionCall(&reader->input,
							 field->value[field->length] == '\0' ? unconstify(char *, field->value)
																 : pnstrdup(field->value, field->length),
							 reader->parameter, reader->typmod);
}

bool local_same_types(TupleDesc a, TupleDesc b)
{
	if (a->natts != b->natts)
		return false;
	for (int i = 0; i < a->natts; i++)
	{
		Form_pg_attribute one = TupleDescAttr(a, i);
		Form_pg_attribute other = TupleDescAttr(b, i);

		if (one->atttypid != other->atttypid || one->atttypmod != other->atttypmod ||
			one->attisdropped != other->attisdropped || one->attnotnull != other->attnotnull)
			return false;
	}
	return true;
}
