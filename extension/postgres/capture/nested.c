/*
 * Arrays and rows are taken apart here, down to types that come with PostgreSQL
 * and to types that are their own text.  Their structure is looked up for each
 * value: a row type may have got a column since the last one.
 */
#include "postgres/capture/nested.h"

#include "access/htup_details.h"
#include "access/transam.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "postgres/base/pg_compat.h"
#include "postgres/base/subtransaction.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/typcache.h"

bool pythia_nested_is_builtin(Oid type)
{
	Oid element = get_element_type(type);

	if (OidIsValid(element))
		return pythia_nested_is_builtin(element);
	return type < FirstNormalObjectId && get_typtype(type) != TYPTYPE_COMPOSITE &&
		   get_typtype(type) != TYPTYPE_DOMAIN && type != RECORDOID;
}

bool pythia_nested_has_parts(Oid type)
{
	return OidIsValid(get_element_type(type)) || type_is_rowtype(type);
}

bool pythia_nested_is_json(Oid type)
{
	Oid element = get_element_type(type);

	return type == JSONOID || (OidIsValid(element) && pythia_nested_is_json(element));
}

static void put(pythia_json_state *state, JsonbIteratorToken token, Datum value, bool isnull, Oid type);

typedef struct conversion
{
	Datum value;
	Oid type;
	Jsonb *json;
} conversion;

/* Of a type that comes with PostgreSQL: whatever to_jsonb makes of it. */
static void convert(void *argument)
{
	conversion *conversion = argument;
	Node *null = (Node *) makeNullConst(conversion->type, -1, InvalidOid);
	FmgrInfo function;

	fmgr_info(F_TO_JSONB, &function);
	fmgr_info_set_expr(
		(Node *) makeFuncExpr(F_TO_JSONB, JSONBOID, list_make1(null), InvalidOid, InvalidOid, COERCE_EXPLICIT_CALL),
		&function);
	conversion->json = DatumGetJsonbP(FunctionCall1(&function, conversion->value));
}

static bool is_of_the_value(void *argument, const ErrorData *error)
{
	return ERRCODE_TO_CATEGORY(error->sqlerrcode) == ERRCODE_DATA_EXCEPTION ||
		   ERRCODE_TO_CATEGORY(error->sqlerrcode) == ERRCODE_PROGRAM_LIMIT_EXCEEDED ||
		   error->sqlerrcode == ERRCODE_UNTRANSLATABLE_CHARACTER;
}

/* Spellings that json takes and jsonb may not: escapes, of the character 0 say, and numbers of any length. */
static bool is_plain(text *json)
{
	const char *at = VARDATA_ANY(json);
	const char *end = at + VARSIZE_ANY_EXHDR(json);
	bool digit = false;
	int digits = 0;

	for (; at < end; at++)
	{
		bool was_digit = digit;

		digit = *at >= '0' && *at <= '9';
		digits = digit ? digits + 1 : 0;
		if ((*at == '\\' && at + 1 < end && at[1] == 'u') || (was_digit && (*at == 'e' || *at == 'E')) || digits > 1000)
			return false;
	}
	return VARSIZE_ANY_EXHDR(json) < 1024 * 1024;
}

static Jsonb *as_jsonb(Datum value, Oid type)
{
	conversion conversion = {value, type, NULL};

	if (!pythia_nested_is_json(type) || (type == JSONOID && is_plain(DatumGetTextPP(value))))
		convert(&conversion);
	else if (pythia_isolated(convert, is_of_the_value, &conversion))
	{
		Oid output;
		bool varlena;

		/* as text then: who writes a row, and who captures it, shall not fail for it */
		getTypeOutputInfo(type, &output, &varlena);
		conversion =
			(struct conversion){PointerGetDatum(cstring_to_text(OidOutputFunctionCall(output, value))), TEXTOID, NULL};
		convert(&conversion);
	}
	return conversion.json;
}

static void put_builtin(pythia_json_state *state, JsonbIteratorToken token, Datum value, Oid type)
{
	Jsonb *json = as_jsonb(value, type);
	JsonbValue scalar;

	if (!JB_ROOT_IS_SCALAR(json))
		scalar = (JsonbValue){.type = jbvBinary, .val.binary = {.len = VARSIZE(json) - VARHDRSZ, .data = &json->root}};
	else if (!JsonbExtractScalar(&json->root, &scalar))
		elog(ERROR, "malformed jsonb");
	pythia_json_push(state, token, &scalar);
}

static void put_text(pythia_json_state *state, JsonbIteratorToken token, Datum value, Oid type)
{
	Oid output;
	bool varlena;
	JsonbValue text = {.type = jbvString};

	getTypeOutputInfo(type, &output, &varlena);
	text.val.string.val = OidOutputFunctionCall(output, value);
	text.val.string.len = strlen(text.val.string.val);
	pythia_json_push(state, token, &text);
}

static void put_dimension(pythia_json_state *state, int dimension, const ArrayType *array, const Datum *values,
						  const bool *nulls, int *next)
{
	pythia_json_push(state, WJB_BEGIN_ARRAY, NULL);
	for (int i = 0; i < ARR_DIMS(array)[dimension]; i++)
	{
		if (dimension + 1 < ARR_NDIM(array))
			put_dimension(state, dimension + 1, array, values, nulls, next);
		else
		{
			put(state, WJB_ELEM, values[*next], nulls[*next], ARR_ELEMTYPE(array));
			(*next)++;
		}
	}
	pythia_json_push(state, WJB_END_ARRAY, NULL);
}

static void put_array(pythia_json_state *state, Datum value)
{
	ArrayType *array = DatumGetArrayTypeP(value);
	int16 length;
	bool by_value;
	char align;
	Datum *values;
	bool *nulls;
	int count;
	int next = 0;

	if (ARR_NDIM(array) == 0)
	{
		pythia_json_push(state, WJB_BEGIN_ARRAY, NULL);
		pythia_json_push(state, WJB_END_ARRAY, NULL);
		return;
	}
	get_typlenbyvalalign(ARR_ELEMTYPE(array), &length, &by_value, &align);
	deconstruct_array(array, ARR_ELEMTYPE(array), length, by_value, align, &values, &nulls, &count);
	put_dimension(state, 0, array, values, nulls, &next);
}

static void put_row(pythia_json_state *state, Datum value)
{
	HeapTupleHeader header = DatumGetHeapTupleHeader(value);
	TupleDesc desc = lookup_rowtype_tupdesc_copy(HeapTupleHeaderGetTypeId(header), HeapTupleHeaderGetTypMod(header));
	HeapTupleData tuple = {.t_len = HeapTupleHeaderGetDatumLength(header), .t_data = header};
	Datum *values = palloc(sizeof(Datum) * Max(desc->natts, 1));
	bool *nulls = palloc(sizeof(bool) * Max(desc->natts, 1));

	heap_deform_tuple(&tuple, desc, values, nulls);
	pythia_json_push(state, WJB_BEGIN_OBJECT, NULL);
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(desc, i);
		JsonbValue key = {.type = jbvString};

		if (attribute->attisdropped)
			continue;
		key.val.string.val = NameStr(attribute->attname);
		key.val.string.len = strlen(key.val.string.val);
		pythia_json_push(state, WJB_KEY, &key);
		put(state, WJB_VALUE, values[i], nulls[i], attribute->atttypid);
	}
	pythia_json_push(state, WJB_END_OBJECT, NULL);
}

static void put(pythia_json_state *state, JsonbIteratorToken token, Datum value, bool isnull, Oid type)
{
	JsonbValue null = {.type = jbvNull};

	check_stack_depth();
	CHECK_FOR_INTERRUPTS();
	if (isnull)
	{
		pythia_json_push(state, token, &null);
		return;
	}
	type = getBaseType(type);
	if (pythia_nested_is_builtin(type))
		put_builtin(state, token, value, type);
	else if (OidIsValid(get_element_type(type)))
		put_array(state, value);
	else if (type_is_rowtype(type))
		put_row(state, value);
	else
		put_text(state, token, value, type);
}

Jsonb *pythia_nested_jsonb(Datum value, Oid type)
{
	pythia_json_state state = {0};

	if (pythia_nested_is_json(type))
		return as_jsonb(value, type);
	put(&state, WJB_VALUE, value, false, type);
	return JsonbValueToJsonb(state.result);
}

static const char *after_string(const char *at)
{
	for (at++; *at && *at != '"'; at++)
		if (*at == '\\' && at[1])
			at++;
	return *at ? at + 1 : at;
}

static const char *after_value(const char *at)
{
	int depth = 0;

	for (; *at; at++)
	{
		if (*at == '"')
			at = after_string(at) - 1;
		else if (*at == '{' || *at == '[')
			depth++;
		else if (depth == 0 && (*at == ',' || *at == '}'))
			break;
		else if (*at == '}' || *at == ']')
			depth--;
	}
	return at;
}

static Datum piece(const char *from, const char *to)
{
	return PointerGetDatum(cstring_to_text_with_len(from, to - from));
}

/* Each member by itself, for PostgreSQL takes nothing of an object apart of which it does not take all; *odd is the
 * name of the first that jsonb does not take. */
static Jsonb *by_members(const char *at, char **odd)
{
	pythia_json_state state = {0};

	pythia_json_push(&state, WJB_BEGIN_OBJECT, NULL);
	while ((at = strchr(at, '"')) != NULL)
	{
		const char *end = after_string(at);
		conversion name = {piece(at, end), JSONOID, NULL};
		conversion member;
		JsonbValue key;

		at = end + strspn(end, ": ");
		end = after_value(at);
		member = (conversion){piece(at, end), JSONOID, NULL};
		convert(&name);
		if (!JsonbExtractScalar(&name.json->root, &key))
			elog(ERROR, "malformed jsonb");
		if (!*odd && pythia_isolated(convert, is_of_the_value, &member))
			*odd = pnstrdup(key.val.string.val, key.val.string.len);
		pythia_json_push(&state, WJB_KEY, &key);
		put_builtin(&state, WJB_VALUE, member.value, JSONOID);
		at = end;
	}
	pythia_json_push(&state, WJB_END_OBJECT, NULL);
	return JsonbValueToJsonb(state.result);
}

Jsonb *pythia_nested_image(Datum json, char **odd)
{
	conversion conversion = {json, JSONOID, NULL};

	*odd = NULL;
	if (is_plain(DatumGetTextPP(json)))
		convert(&conversion);
	else if (pythia_isolated(convert, is_of_the_value, &conversion))
		return by_members(TextDatumGetCString(json), odd);
	return conversion.json;
}
