/*
 * Layout of a jsonb object (PostgreSQL's utils/jsonb.h): a header with the number of pairs,
 * one JEntry a key, one JEntry a value, then the bytes of keys and values.  A
 * JEntry holds a length, or, every JB_OFFSET_STRIDE entries, an end offset.
 */
#include "postgres/capture/image.h"

#include "access/detoast.h"
#include "access/transam.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "pgtime.h"
#include "postgres/base/pg_compat.h"
#include "postgres/capture/nested.h"
#include "utils/builtins.h"
#include "utils/bytea.h"
#include "utils/date.h"
#include "utils/datetime.h"
#include "utils/float.h"
#include "utils/fmgroids.h"
#include "utils/json.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"

typedef enum value_form
{
	FORM_BOOL,
	FORM_INT2,
	FORM_INT4,
	FORM_INT8,
	FORM_NUMERIC,
	FORM_FLOAT, /* float4, float8: the number that their text is */
	FORM_TEXT,  /* varlena that is its own text */
	FORM_TIME,  /* date, timestamp, timestamptz: ISO 8601 */
	FORM_JSONB,
	FORM_STRING,  /* the output function's text as a string */
	FORM_GENERAL, /* whatever to_jsonb makes of it */
	FORM_JSON,    /* the same, or the text of what jsonb cannot hold */
	FORM_NESTED   /* arrays and rows of types that do not come with PostgreSQL */
} value_form;

typedef struct image_field
{
	int attribute;
	Oid type; /* of a domain: what it is made of */
	value_form form;
	bool is_varlena;
	FmgrInfo function; /* output function, or to_jsonb */
	const char *name;
	int name_length;
} image_field;

enum
{
	SHOWS_DIGITS = 1, /* bytea_output, IntervalStyle, extra_float_digits */
	SHOWS_TIMES = 2,  /* DateStyle, TimeZone */
	SHOWS_MONEY = 4   /* lc_monetary */
};

struct pythia_image
{
	int nfields;
	image_field *fields; /* in jsonb's order of keys */
	StringInfoData head; /* header, JEntries and bytes of the keys; the values' JEntries are filled in per row */
	int keys_length;
	StringInfoData work;
	MemoryContext scratch; /* reset for every row */
	int shows;             /* settings of the session that show in it */
	int skipped;           /* attribute left out of the hash */
	int64 hash;            /* of the last object; only with `skipped` set by pythia_image_skip */
	bool hashing;
};

/* jsonb sorts keys by length, then by bytes. */
static int compare_fields(const void *a, const void *b)
{
	const image_field *x = a;
	const image_field *y = b;

	if (x->name_length != y->name_length)
		return x->name_length > y->name_length ? 1 : -1;
	return memcmp(x->name, y->name, x->name_length);
}

static value_form form_of(Oid type)
{
	switch (type)
	{
		case BOOLOID:
			return FORM_BOOL;
		case INT2OID:
			return FORM_INT2;
		case INT4OID:
			return FORM_INT4;
		case INT8OID:
			return FORM_INT8;
		case NUMERICOID:
			return FORM_NUMERIC;
		case FLOAT4OID:
		case FLOAT8OID:
			return FORM_FLOAT;
		case TEXTOID:
		case VARCHAROID:
		case BPCHAROID:
			return FORM_TEXT;
		case DATEOID:
		case TIMESTAMPOID:
		case TIMESTAMPTZOID:
			return FORM_TIME;
		case JSONBOID:
			return FORM_JSONB;
		case UUIDOID:
		case BYTEAOID:
		case INETOID:
		case CIDROID:
		case TIMEOID:
		case TIMETZOID:
		case INTERVALOID:
		case NAMEOID:
			return FORM_STRING;
		default:
			if (pythia_nested_is_json(type))
				return FORM_JSON;
			if (pythia_nested_is_builtin(type))
				return FORM_GENERAL;
			/* never by a cast: whoever made the type would run it with the rights of who captures */
			return pythia_nested_has_parts(type) ? FORM_NESTED : FORM_STRING;
	}
}

static void prepare_function(image_field *field)
{
	if (field->form == FORM_STRING || field->form == FORM_FLOAT)
	{
		Oid output;
		bool varlena;

		getTypeOutputInfo(field->type, &output, &varlena);
		fmgr_info(output, &field->function);
	}
	else if (field->form == FORM_GENERAL)
	{
		Node *argument = (Node *) makeNullConst(field->type, -1, InvalidOid);

		fmgr_info(F_TO_JSONB, &field->function);
		fmgr_info_set_expr((Node *) makeFuncExpr(F_TO_JSONB, JSONBOID, list_make1(argument), InvalidOid, InvalidOid,
												 COERCE_EXPLICIT_CALL),
						   &field->function);
	}
}

/* The entry number `index` of an object whose bytes so far end at `total`. */
static JEntry entry_of(uint32 type, uint32 length, int index, uint32 total)
{
	if (index % JB_OFFSET_STRIDE == 0)
		return type | total | JENTRY_HAS_OFF;
	return type | length;
}

void pythia_image_too_big(void)
{
	ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
					errmsg("a row is too big to be captured: its image would exceed %d bytes", JENTRY_OFFLENMASK),
					errhint("Leave the widest columns out with the option \"exclude_columns\".")));
}

/* Settings that show in the text of a type; times by themselves are always written in UTC. */
static int settings_of(Oid type)
{
	Oid base = getBaseType(type);
	Oid element = get_base_element_type(base);

	if (OidIsValid(element))
		return element == TIMESTAMPTZOID ? SHOWS_TIMES : settings_of(element);
	switch (base)
	{
		case BYTEAOID:
		case INTERVALOID:
		case FLOAT4OID:
		case FLOAT8OID:
			return SHOWS_DIGITS;
		case CASHOID:
			return SHOWS_MONEY;
		default:
			/* ranges, composites and others' types may hold anything */
			return base < FirstNormalObjectId && get_typtype(base) == TYPTYPE_BASE
					   ? 0
					   : SHOWS_TIMES | SHOWS_DIGITS | SHOWS_MONEY;
	}
}

pythia_image *pythia_image_make(TupleDesc desc, int nattributes, const int *attributes, const char *const *names)
{
	pythia_image *image = palloc0(sizeof(pythia_image));
	uint32 total = 0;
	uint32 header;

	image->nfields = nattributes;
	image->fields = palloc0(sizeof(image_field) * Max(nattributes, 1));
	for (int i = 0; i < nattributes; i++)
	{
		image_field *field = &image->fields[i];
		Form_pg_attribute attribute = TupleDescAttr(desc, attributes[i]);

		field->attribute = attributes[i];
		field->type = getBaseType(attribute->atttypid);
		field->form = form_of(field->type);
		field->is_varlena = attribute->attlen == -1;
		field->name = pstrdup(names ? names[i] : NameStr(attribute->attname));
		/* jsonb is in the database's encoding */
		field->name_length = strlen(field->name);
		prepare_function(field);
		image->shows |= settings_of(field->type);
	}
	qsort(image->fields, nattributes, sizeof(image_field), compare_fields);

	initStringInfo(&image->head);
	header = nattributes | JB_FOBJECT;
	appendBinaryStringInfo(&image->head, (char *) &header, sizeof(header));
	for (int i = 0; i < nattributes; i++)
	{
		uint32 length = image->fields[i].name_length;
		JEntry entry;

		total += length;
		entry = entry_of(JENTRY_ISSTRING, length, i, total);
		appendBinaryStringInfo(&image->head, (char *) &entry, sizeof(entry));
	}
	for (int i = 0; i < nattributes; i++)
		appendStringInfoSpaces(&image->head, sizeof(JEntry));
	for (int i = 0; i < nattributes; i++)
		appendBinaryStringInfo(&image->head, image->fields[i].name, image->fields[i].name_length);
	image->keys_length = total;
	initStringInfo(&image->work);
	image->scratch = AllocSetContextCreate(CurrentMemoryContext, "pythia_db row image", ALLOCSET_DEFAULT_SIZES);
	return image;
}

void pythia_image_flatten(pythia_image *image)
{
	for (int i = 0; i < image->nfields; i++)
	{
		if (image->fields[i].form != FORM_NESTED)
			continue;
		image->fields[i].form = FORM_STRING;
		prepare_function(&image->fields[i]);
	}
}

/* Padding of the value put last: it depends on what stands before and is left out of the hash. */
static int padding_of_last;

/* Numbers and containers are aligned within the value; the padding counts as theirs. */
static int pad(StringInfo work)
{
	int padding = INTALIGN(work->len) - work->len;

	for (int i = 0; i < padding; i++)
		appendStringInfoChar(work, '\0');
	padding_of_last = padding;
	return padding;
}

static uint32 put_numeric(StringInfo work, Datum number, uint32 *type)
{
	Numeric value = DatumGetNumeric(number);

	if (numeric_is_nan(value) || numeric_is_inf(value))
	{
		char *text = DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(value)));

		*type = JENTRY_ISSTRING;
		appendStringInfoString(work, text);
		return strlen(text);
	}
	*type = JENTRY_ISNUMERIC;
	{
		uint32 padding = pad(work);

		appendBinaryStringInfo(work, (char *) value, VARSIZE(value));
		return padding + VARSIZE(value);
	}
}

static uint32 put_float(StringInfo work, image_field *field, Datum value, uint32 *type)
{
	char *text = OutputFunctionCall(&field->function, value);

	return put_numeric(
		work, DirectFunctionCall3(numeric_in, CStringGetDatum(text), ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1)),
		type);
}

static uint32 put_integer(StringInfo work, int64 value, uint32 *type)
{
	return put_numeric(work, NumericGetDatum(int64_to_numeric(value)), type);
}

/* A document inside the row: its root container, or the scalar it wraps. */
static uint32 put_jsonb(StringInfo work, Jsonb *json, uint32 *type)
{
	if (JB_ROOT_IS_SCALAR(json))
	{
		JsonbValue scalar;

		if (!JsonbExtractScalar(&json->root, &scalar))
			elog(ERROR, "malformed jsonb");
		switch (scalar.type)
		{
			case jbvNull:
				*type = JENTRY_ISNULL;
				return 0;
			case jbvBool:
				*type = scalar.val.boolean ? JENTRY_ISBOOL_TRUE : JENTRY_ISBOOL_FALSE;
				return 0;
			case jbvNumeric:
				return put_numeric(work, NumericGetDatum(scalar.val.numeric), type);
			default:
				*type = JENTRY_ISSTRING;
				appendBinaryStringInfo(work, scalar.val.string.val, scalar.val.string.len);
				return scalar.val.string.len;
		}
	}
	*type = JENTRY_ISCONTAINER;
	{
		uint32 padding = pad(work);
		uint32 length = VARSIZE(json) - VARHDRSZ;

		appendBinaryStringInfo(work, (char *) &json->root, length);
		return padding + length;
	}
}

static uint32 put_value(StringInfo work, image_field *field, Datum value, uint32 *type)
{
	static const int utc = 0; /* whatever zone the session is in */
	char buffer[MAXDATELEN + 1];
	char *text;
	uint32 length;

	/* the text of a value is hardly ever shorter, and to make one that is too long fails in its own way */
	if (field->is_varlena && toast_raw_datum_size(value) > JENTRY_OFFLENMASK)
		pythia_image_too_big();
	*type = JENTRY_ISSTRING;
	switch (field->form)
	{
		case FORM_BOOL:
			*type = DatumGetBool(value) ? JENTRY_ISBOOL_TRUE : JENTRY_ISBOOL_FALSE;
			return 0;
		case FORM_INT2:
			return put_integer(work, DatumGetInt16(value), type);
		case FORM_INT4:
			return put_integer(work, DatumGetInt32(value), type);
		case FORM_INT8:
			return put_integer(work, DatumGetInt64(value), type);
		case FORM_NUMERIC:
			return put_numeric(work, value, type);
		case FORM_FLOAT:
			return put_float(work, field, value, type);
		case FORM_TEXT:
		{
			struct varlena *bytes = PG_DETOAST_DATUM_PACKED(value);

			length = VARSIZE_ANY_EXHDR(bytes);
			appendBinaryStringInfo(work, VARDATA_ANY(bytes), length);
			return length;
		}
		case FORM_TIME:
			JsonEncodeDateTime(buffer, value, field->type, field->type == TIMESTAMPTZOID ? &utc : NULL);
			length = strlen(buffer);
			appendBinaryStringInfo(work, buffer, length);
			return length;
		case FORM_JSONB:
			return put_jsonb(work, DatumGetJsonbP(value), type);
		case FORM_STRING:
			text = OutputFunctionCall(&field->function, value);
			length = strlen(text);
			appendBinaryStringInfo(work, text, length);
			return length;
		case FORM_GENERAL:
			return put_jsonb(work, DatumGetJsonbP(FunctionCall1(&field->function, value)), type);
		case FORM_JSON:
		case FORM_NESTED:
			return put_jsonb(work, pythia_nested_jsonb(value, field->type), type);
	}
	return 0;
}

Jsonb *pythia_image_of(pythia_image *image, const Datum *values, const bool *nulls)
{
	StringInfo work = &image->work;
	uint32 total = image->keys_length;
	uint64 hash = 0;
	MemoryContext before;
	Jsonb *result;

	MemoryContextReset(image->scratch);
	before = MemoryContextSwitchTo(image->scratch);
	resetStringInfo(work);
	appendBinaryStringInfo(work, image->head.data, image->head.len);
	for (int i = 0; i < image->nfields; i++)
	{
		image_field *field = &image->fields[i];
		uint32 type = JENTRY_ISNULL;
		uint32 length = 0;
		JEntry entry;

		padding_of_last = 0;
		if (!nulls[field->attribute])
			length = put_value(work, field, values[field->attribute], &type);
		if (image->hashing && field->attribute != image->skipped)
		{
			uint32 bytes = length - padding_of_last;

			hash = hash_combine64(
				hash, DatumGetUInt64(hash_any_extended((unsigned char *) work->data + work->len - bytes, bytes, type)));
		}
		total += length;
		if (total > JENTRY_OFFLENMASK)
			pythia_image_too_big();
		entry = entry_of(type, length, image->nfields + i, total);
		memcpy(work->data + sizeof(uint32) + sizeof(JEntry) * (image->nfields + i), &entry, sizeof(entry));
	}
	image->hash = (int64) hash;
	MemoryContextSwitchTo(before);
	result = palloc(VARHDRSZ + work->len);
	SET_VARSIZE(result, VARHDRSZ + work->len);
	memcpy(VARDATA(result), work->data, work->len);
	return result;
}

static bool digits_are_bent(void)
{
	return bytea_output != BYTEA_OUTPUT_HEX || IntervalStyle != INTSTYLE_POSTGRES || extra_float_digits < 1;
}

static bool times_are_bent(void)
{
	static pg_tz *utc = NULL;

	if (!utc)
		utc = pg_tzset("UTC");
	return DateStyle != USE_ISO_DATES || DateOrder != DATEORDER_MDY || session_timezone != utc;
}

static bool money_is_bent(void)
{
	return strcmp(locale_monetary, "C") != 0;
}

bool pythia_session_is_bent(bool local)
{
	return digits_are_bent() || times_are_bent() ||
		   (local && (money_is_bent() || strcmp(locale_numeric, "C") != 0 || strcmp(locale_time, "C") != 0));
}

bool pythia_image_is_bent(const pythia_image *image)
{
	return ((image->shows & SHOWS_DIGITS) && digits_are_bent()) || ((image->shows & SHOWS_TIMES) && times_are_bent()) ||
		   ((image->shows & SHOWS_MONEY) && money_is_bent());
}

bool pythia_image_may_fail(const pythia_image *image)
{
	for (int i = 0; i < image->nfields; i++)
	{
		const image_field *field = &image->fields[i];

		if (field->form == FORM_GENERAL || field->form == FORM_NESTED ||
			(field->form == FORM_STRING && field->type >= FirstNormalObjectId))
			return true;
	}
	return false;
}

void pythia_image_skip(pythia_image *image, int attribute)
{
	image->skipped = attribute;
	image->hashing = true;
}

int64 pythia_image_hash(pythia_image *image)
{
	return image->hash;
}

pythia_likeness pythia_jsonb_likeness(Jsonb *old_image, Jsonb *new_image, const char *stamp)
{
	Datum name;

	if (!old_image || !new_image)
		return PYTHIA_IMAGE_UNKNOWN;
	if (compareJsonbContainers(&old_image->root, &new_image->root) == 0)
		return PYTHIA_IMAGE_EQUAL;
	if (!stamp || !stamp[0])
		return PYTHIA_IMAGE_DIFFERENT;
	name = CStringGetTextDatum(stamp);
	old_image = DatumGetJsonbP(DirectFunctionCall2(jsonb_delete, JsonbPGetDatum(old_image), name));
	new_image = DatumGetJsonbP(DirectFunctionCall2(jsonb_delete, JsonbPGetDatum(new_image), name));
	return compareJsonbContainers(&old_image->root, &new_image->root) == 0 ? PYTHIA_IMAGE_RESTAMPED
																		   : PYTHIA_IMAGE_DIFFERENT;
}
